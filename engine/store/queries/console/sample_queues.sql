-- sample_queues: what waits, runs, is closed or open in every queue, one row per figure.
--
-- returns  (figure, queue, label, value): `jobs` by state, `due` in seconds, `blocked` by scope, `letters` by class, `workers`;
--          every queue has every label, so that a figure that fell to nothing says 0
-- reads    all live jobs and all buckets once; whoever calls it keeps a distance in time that the answer's own duration sets
with live as materialized (
  select j.queue, j.state, count(*) as n from jobs j group by j.queue, j.state
),
closed as materialized (
  select b.queue, count(*) as n from buckets b where b.blocked_until > clock_timestamp() group by b.queue
),
letters as materialized (
  select d.queue, d.class, count(*) as n from dead_letters d where d.resolved_at is null group by d.queue, d.class
)
select 'jobs' as "figure!", q.name as "queue!", s.state as "label!", coalesce(l.n, 0)::float8 as "value!"
  from queues q
 cross join unnest(array['queued', 'running', 'held']) as s (state)
  left join live l on l.queue = q.name and l.state = s.state
union all
select 'due', q.name, '',
       greatest(0, coalesce(extract(epoch from clock_timestamp() - f.ready_at), 0))::float8
  from queues q
  left join lateral (
    select b.ready_at from buckets b where b.queue = q.name order by b.ready_at limit 1
  ) f on f.ready_at <= clock_timestamp() and not q.paused and q.blocked_until <= clock_timestamp()
union all
select 'blocked', q.name, 'account', coalesce(c.n, 0)::float8 from queues q left join closed c on c.queue = q.name
union all
select 'blocked', q.name, 'app', case when q.blocked_until > clock_timestamp() then 1 else 0 end::float8 from queues q
union all
select 'letters', q.name, k.class, coalesce(l.n, 0)::float8
  from queues q
 cross join unnest(array['rejected', 'account_blocked', 'exhausted', 'expired', 'ambiguous', 'poison']) as k (class)
  left join letters l on l.queue = q.name and l.class = k.class
union all
select 'workers', q.name, '', count(w.id)::float8
  from queues q
  left join workers w on q.name = any(w.queues) and not w.stopping and w.seen_at > clock_timestamp() - interval '2 minutes'
 group by q.name
