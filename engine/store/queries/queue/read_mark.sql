-- read_mark: why a mark was refused, or whether one with an unknown COMMIT is stored.
--
-- $1 org, $2 job, $3 claim, $4 margin_ms bigint, $5 now timestamptz or null
--
-- returns  no row when the claim is no longer current
with clock as (
  select coalesce($5::timestamptz, clock_timestamp()) as t
)
select coalesce(j.sent_claim = j.claim, false) as "stored!",
       j.give_up_at <= (select t from clock) as "overdue!",
       j.cancel_requested_at is not null as "canceled!",
       exists (select from receipts r where r.org = j.org and r.post = j.subject) as "received!",
       coalesce(l.until <= (select t from clock) + $4::bigint * interval '1 millisecond', true) as "short!",
       coalesce(j.exclusive and b.marked_job is not null and b.marked_job <> j.id, false) as "busy!"
  from jobs j
  join buckets b on b.org = j.org and b.id = j.bucket
  left join leases l on l.id = j.lease
 where j.org = $1 and j.id = $2 and j.claim = $3 and j.state = 'running'
