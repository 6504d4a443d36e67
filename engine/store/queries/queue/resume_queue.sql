-- resume_queue: the pause of a queue is over, a person's or the one after the platform blocked our app.
--
-- $1 queue text
--
-- Its buckets kept their times and are claimed from as they are; the workers are told to look now.
with resumed as (
  update queues q
     set paused = false, paused_by = null,
         blocked_until = case when q.blocked_by = 'operator_blocked' then '-infinity' else q.blocked_until end,
         blocked_by = case when q.blocked_by = 'operator_blocked' then null else q.blocked_by end
   where q.name = $1
  returning q.name
)
select pg_notify('due', r.name) from resumed r
