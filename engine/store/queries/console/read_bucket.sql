-- read_bucket: everything that decides when an account's bucket may yield, and what waits in it by kind.
--
-- $1 org uuid, $2 account uuid, $3 now timestamptz or null
--
-- Instants that are past, or never come, are null.
with clock as (
  select coalesce($3::timestamptz, clock_timestamp()) as t
)
select a.status_reason, b.paused, b.paused_by, q.paused as platform_paused, q.paused_by as platform_paused_by,
       case when b.blocked_until > (select t from clock) and b.blocked_until < 'infinity' then b.blocked_until end as blocked_until,
       case when b.blocked_until > (select t from clock) then b.blocked_by end as blocked_by,
       case when q.blocked_until > (select t from clock) and q.blocked_until < 'infinity' then q.blocked_until end
         as platform_blocked_until,
       case when q.blocked_until > (select t from clock) then q.blocked_by end as platform_blocked_by,
       case when b.ready_at > (select t from clock) then b.limited_by end as limited_by,
       m.subject as "unresolved?", m.sent_at as "unresolved_since?",
       w.due as "due!", w.due_since, w.later as "later!", w.next_at, w.held as "held!",
       (select count(*) from workers k where b.queue = any(k.queues) and not k.stopping
           and k.seen_at > (select t from clock) - interval '2 minutes') as "workers!"
  from buckets b
  join accounts a on a.org = b.org and a.id = b.subject
  join queues q on q.name = b.queue
  left join jobs m on m.org = b.org and m.id = b.marked_job
 cross join lateral (
   select count(*) filter (where j.state = 'queued' and j.run_at <= (select t from clock)) as due,
          min(j.run_at) filter (where j.state = 'queued' and j.run_at <= (select t from clock)) as due_since,
          count(*) filter (where j.state = 'queued' and j.run_at > (select t from clock)) as later,
          min(j.run_at) filter (where j.state = 'queued' and j.run_at > (select t from clock)) as next_at,
          count(*) filter (where j.state = 'held') as held
     from jobs j
    where j.org = b.org and j.bucket = b.id
 ) w
 where b.org = $1 and b.kind = 'account' and b.subject = $2
