-- rearm_buckets: say of every bucket that a claim locked when it may yield again, also of one that gave nothing (I17).
--
-- $1 orgs uuid[], $2 buckets uuid[]   the locked buckets
-- $3 taken int[]                      how many jobs the claim took from each
-- $4 now timestamptz or null          the database's clock unless a test says otherwise
--
-- returns  buckets re-armed; must equal the number locked
--
-- A bucket whose next job is due but may not go is parked until its limit lets go: the row waits, not the jobs.
-- `limited_by` says which; a settlement then looks again at once, because it may have given something back. `verifying`: an
-- exclusive send of the bucket is unresolved, and no other may begin.
-- It waits for what the job whose turn it is needs, and looks again when another becomes due, which may be more urgent.
-- A bucket that has more to give goes to the end of the line: old backlogs must not keep newcomers from their turn.
with clock as (
  select coalesce($4::timestamptz, clock_timestamp()) as t
),
locked as materialized (
  select b.org, b.id, b.queue, b.kind, b.blocked_until, b.paused, b.running + l.taken as running, l.taken,
         b.marked_job
    from unnest($1::uuid[], $2::uuid[], $3::int[]) as l (org, id, taken)
    join buckets b on b.org = l.org and b.id = l.id
),
-- the first waiting job that needs a charge of its own, per priority class
firsts as materialized (
  select b.org, b.id, p.priority, h.run_at, h.parts
    from locked b
   cross join generate_series(0, 2) as p (priority)
   cross join lateral (
     select j.run_at, j.parts
       from jobs j
      where j.org = b.org and j.bucket = b.id and j.priority = p.priority and j.state = 'queued'
        and (not j.exclusive or b.marked_job is null or j.id = b.marked_job)
        and not exists (select from charges c where c.org = j.org and c.owner = b.id and c.job = j.id and c.at is null)
      order by j.run_at, j.id
      limit 1
   ) h
),
-- the first that rides on an open charge
riders as materialized (
  select b.org, b.id, min(j.run_at) as run_at
    from locked b
    join charges c on c.org = b.org and c.owner = b.id and c.at is null
    join jobs j on j.org = c.org and j.id = c.job and j.state = 'queued'
   group by b.org, b.id
),
nexts as materialized (
  select b.org, b.id, b.running, min(f.run_at) as run_at,
         (array_agg(f.parts order by f.priority) filter (where f.run_at <= (select t from clock)))[1] as parts,
         min(f.run_at) filter (where f.run_at > (select t from clock)) as later_at,
         max(r.run_at) as ride_at
    from locked b
    left join firsts f on f.org = b.org and f.id = b.id
    left join riders r on r.org = b.org and r.id = b.id
   group by b.org, b.id, b.running
),
bounds as materialized (
  select distinct on (b.org, b.id, l.name)
         b.org, b.id, b.running, coalesce(n.parts, 1) as parts, l.name, l.meter, l.kind, l.max_units, l.units,
         l.window_ms * interval '1 millisecond' as span
    from locked b
    join nexts n on n.org = b.org and n.id = b.id and least(n.run_at, n.ride_at) <= (select t from clock)
    join limits l on l.queue = b.queue and l.scope = 'account'
     and (l.owner = '00000000-0000-0000-0000-000000000000' or (l.org = b.org and l.owner = b.id))
   where b.kind = 'account'
   order by b.org, b.id, l.name, l.owner desc
),
-- what each exhausted bound waits for: a slot, or the instant at which enough dated units have left the window
waits as materialized (
  select x.org, x.id, x.kind, 'slots' as name, 'infinity'::timestamptz as until
    from bounds x
   where x.kind = 'slots' and x.running >= x.max_units
  union all
  select x.org, x.id, x.kind, x.name,
         coalesce((select min(f.at) + x.span
                     from (select c.at, sum(c.units) over (order by c.at, c.job, c.claim) as freed
                             from charges c
                            where c.org = x.org and c.owner = x.id and c.meter = x.meter
                              and c.at > (select t from clock) - x.span) f
                    where f.freed >= u.used + x.parts * x.units - x.max_units), 'infinity')
    from bounds x
   cross join lateral (
     select (select coalesce(sum(c.units), 0) from charges c
              where c.org = x.org and c.owner = x.id and c.meter = x.meter and c.at is null)
          + (select coalesce(sum(c.units), 0) from charges c
              where c.org = x.org and c.owner = x.id and c.meter = x.meter and c.at > (select t from clock) - x.span)
         as used
   ) u
   where x.kind = 'window' and u.used + x.parts * x.units > x.max_units
),
limiting as (
  select w.org, w.id, max(w.until) as until, max(w.until) filter (where w.kind = 'slots') as slots_until,
         (array_agg(w.name order by w.until desc, w.name))[1] as name
    from waits w
   group by w.org, w.id
),
rearmed as (
  update buckets b
     set running = b.running + l.taken,
         sequence = case when l.taken = 0 then b.sequence
                         else greatest(b.sequence, (extract(epoch from (select t from clock)) * 1000000)::bigint) + l.taken
                    end,
         limited_by = coalesce(w.name, case when b.marked_job is not null then 'verifying' end),
         ready_at = case when b.paused then 'infinity'
                         else greatest(b.blocked_until, w.slots_until, (select t from clock),
                               least(greatest(w.until, coalesce(n.run_at, 'infinity')), n.later_at, n.ride_at)) end
    from locked l
    left join nexts n on n.org = l.org and n.id = l.id
    left join limiting w on w.org = l.org and w.id = l.id
   where b.org = l.org and b.id = l.id
  returning 1
)
select count(*) as "count!" from rearmed
