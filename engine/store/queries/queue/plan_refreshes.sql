-- plan_refreshes: one refresh job for each account whose token is about to expire.
--
-- $1 queue text, $2 horizon_ms bigint, $3 give_up_ms bigint, $4 room int, $5 now timestamptz or null
--
-- returns  how many were planned; single flight by jobs_single_flight
-- A token that nobody can renew is left alone until it has ended: its refresh then finds that out, and the account's owner is
-- asked for.
-- Ids are made here, once, because the rows are: gen_random_uuid() is an id like any other to its readers.
with clock as (
  select coalesce($5::timestamptz, clock_timestamp()) as t
),
due as materialized (
  select a.org, a.id
    from accounts a
   where a.platform = $1 and a.status = 'active'
     and a.token_expires_at < (select t from clock)
                              + case when a.token_renewable then $2::bigint else 0 end * interval '1 millisecond'
     and not exists (select from jobs j where j.org = a.org and j.kind = 'refresh' and j.subject = a.id)
     and coalesce(a.token_refreshed_at, '-infinity') < (select t from clock) - interval '1 minute'
   order by a.token_expires_at
   limit $4::int
),
locked as materialized (
  select b.org, b.id, b.subject, b.queue
    from buckets b
   where b.kind = 'refresh' and (b.org, b.subject) in (select d.org, d.id from due d)
   order by b.org, b.id
     for no key update
),
planned as (
  insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive)
  select l.org, gen_random_uuid(), 'refresh', l.queue, l.id, l.subject, 0, (select t from clock),
         (select t from clock) + $3::bigint * interval '1 millisecond', true, false
    from locked l
  on conflict on constraint jobs_single_flight do nothing
  returning org, bucket
),
woken as (
  update buckets b
     set ready_at = case when b.paused then 'infinity'
                         else least(b.ready_at, greatest(b.blocked_until, clock_timestamp())) end
    from planned p
   where b.org = p.org and b.id = p.bucket
)
select count(*) as "count!" from planned
