-- renew_leases: one worker's heartbeat: extend what still runs, drop what is settled.
--
-- $1 worker uuid, $2 running uuid[], $3 finished uuid[], $4 lease_ms bigint, $5 now timestamptz or null
--
-- returns  the leases that were extended; one that is missing was lost
--
-- A lease that is over may still be renewed: nobody has taken its jobs yet, as after an outage. A reaper holds the row's lock
-- until its settlement has committed, so the two never act on each other's past.
with clock as (
  select coalesce($5::timestamptz, clock_timestamp()) as t
),
seen as (
  update workers set seen_at = (select t from clock) where id = $1
),
dropped as (
  delete from leases where id = any($3::uuid[]) and worker = $1
)
update leases l
   set until = (select t from clock) + $4::bigint * interval '1 millisecond'
 where l.id = any($2::uuid[]) and l.worker = $1
returning l.id
