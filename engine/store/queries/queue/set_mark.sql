-- set_mark: commit that the current claim is about to send, and what is needed to find the effect again.
--
-- $1 org, $2 job, $3 claim             the fence
-- $4 checkpoint bytea, $5 stage text   sealed; what a look will need
-- $6 margin_ms bigint                  the lease must outlive the call by so much
-- $7 call_ms bigint                    the call deadline of the platform
-- $8 begin_ms bigint                   the request must begin within so much
-- $9 now timestamptz or null
--
-- `answer_by` is the instant by which the call is certainly over: before it, and the platform's quiet time, nobody may say
-- "absent".
--
-- returns  one row: when it was set and for how long the request may still begin; no row: refused, nothing changed
--
-- Refused when the claim is no longer current, the lease is too short, the deadline is over, a cancel was requested, a
-- late receipt is known, or (exclusive jobs) another send of this bucket is unresolved. A repeated mark of the same claim
-- keeps its first `sent_at`, so that a lost COMMIT answer may simply be asked again.
with clock as (
  select coalesce($9::timestamptz, clock_timestamp()) as t
),
bucket as materialized (
  select b.org, b.id, b.marked_job
    from jobs j
    join buckets b on b.org = j.org and b.id = j.bucket
   where j.org = $1 and j.id = $2 and j.exclusive
     for no key update of b
),
marked as (
  update jobs j
     set sent_claim = j.claim,
         sent_at = case when j.sent_claim = j.claim then j.sent_at else (select t from clock) end,
         answer_by = least(l.until - $6::bigint * interval '1 millisecond',
                           (select t from clock) + $8::bigint * interval '1 millisecond')
                     + $7::bigint * interval '1 millisecond',
         checkpoint = $4, stage = $5
    from leases l
   where j.org = $1 and j.id = $2 and j.claim = $3 and j.state = 'running'
     and l.id = j.lease and l.until > (select t from clock) + $6::bigint * interval '1 millisecond'
     and j.give_up_at > (select t from clock)
     and j.cancel_requested_at is null
     and not exists (select from receipts r where r.org = j.org and r.post = j.subject)
     and (not j.exclusive or exists (select from bucket b where b.marked_job is null or b.marked_job = j.id))
  returning j.org, j.id, j.bucket, j.exclusive, j.sent_at, l.until, j.give_up_at
),
claimed_bucket as (
  update buckets b set marked_job = m.id
    from marked m
   where m.exclusive and b.org = m.org and b.id = m.bucket
)
select m.sent_at as "sent_at!",
       least((extract(epoch from least(m.until - $6::bigint * interval '1 millisecond', m.give_up_at)
                                 - (select t from clock)) * 1000)::bigint, $8::bigint) as "may_begin_ms!"
  from marked m
