-- take_overdue: lease jobs past their deadline that no ordinary claim reaches (held, or behind a closed bucket).
--
-- $1 queue text        $2 room int
-- $3 worker uuid, $4 lease uuid, $5 lease_ms bigint, $6 now timestamptz or null
--
-- The rows go through the same attempt as any claim; past `give_up_at` it calls no platform unless a send is unresolved.
-- A minute of grace leaves what is merely late to the ordinary claim.
with clock as (
  select coalesce($6::timestamptz, clock_timestamp()) as t
),
due as materialized (
  select j.org, j.id, j.bucket
    from jobs j
   where j.give_up_at < (select t from clock) - interval '1 minute'
     and j.queue = $1 and j.state in ('queued', 'held')
     and (j.sent_claim is null or j.run_at <= (select t from clock) or j.state = 'held')
   order by j.give_up_at
   limit $2::int
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select d.org, d.bucket from due d)
   order by b.org, b.id
     for no key update skip locked
),
taken as (
  update jobs j
     set state = 'running', hold_reason = null, claim = j.claim + 1, lease = $4, claimed_at = (select t from clock),
         run_at = case when j.run_at = 'infinity' then (select t from clock) else j.run_at end
    from due d
    join locked l on l.org = d.org and l.id = d.bucket
   where j.org = d.org and j.id = d.id and j.state in ('queued', 'held')
     and j.give_up_at < (select t from clock) - interval '1 minute'
  returning j.*
),
leased as (
  insert into leases (id, worker, queue, until, orgs, jobs)
  select $4, $3, $1, (select t from clock) + $5::bigint * interval '1 millisecond',
         array_agg(t.org order by t.id), array_agg(t.id order by t.id)
    from taken t
  having count(*) > 0
),
counted as (
  update buckets b
     set running = b.running + n.taken
    from (select t.org, t.bucket, count(*)::int as taken from taken t group by t.org, t.bucket) n
   where b.org = n.org and b.id = n.bucket
)
select t.org as "org!", t.id as "job!", t.kind as "kind!", t.queue as "queue!", t.bucket as "bucket!",
       t.subject as "subject!", t.priority as "priority!", t.run_at as "run_at!",
       t.give_up_at as "give_up_at!", t.may_wait as "may_wait!",
       t.failures as "failures!", t.deaths as "deaths!", t.looks as "looks!", t.absences as "absences!",
       t.claim as "claim!", t.lease as "lease!", t.claimed_at as "claimed_at!", t.sent_claim, t.sent_at, t.answer_by,
       t.exclusive as "exclusive!", t.parts as "parts!", t.stage, t.checkpoint, t.receipt, t.token_seen,
       t.generation as "generation!", t.cancel_requested_at, t.payload as "payload!", 0::bigint as "sequence!"
  from taken t
