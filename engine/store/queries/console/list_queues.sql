-- list_queues: every queue with what waits and runs in it.
select q.name, q.paused, q.paused_by,
       case when q.blocked_until > clock_timestamp() then q.blocked_until end as blocked_until, q.blocked_by,
       (select count(*) from jobs j where j.queue = q.name and j.state = 'queued') as "queued!",
       (select count(*) from jobs j where j.queue = q.name and j.state = 'running') as "running!",
       (select count(*) from jobs j where j.queue = q.name and j.state = 'held') as "held!",
       (select count(*) from dead_letters d where d.queue = q.name and d.resolved_at is null) as "dead_letters!",
       (select count(*) from workers k where q.name = any(k.queues) and not k.stopping
           and k.seen_at > clock_timestamp() - interval '2 minutes') as "workers!"
  from queues q
 order by q.name
