-- requeue_canceled: give a canceled post a new job.
--
-- $1 org uuid, $2 post uuid, $3 job uuid (new), $4 scheduled_at timestamptz or null: the post keeps its time
-- $5 exclusive boolean, $6 parts int, $7 give_up_ms bigint, $8 event uuid, $9 now timestamptz or null
--
-- returns  one row when it is queued; none when the post is not canceled (any more) or its account is gone
--
-- A canceled post was never sent: its job ended unmarked and without a checkpoint.
with clock as (
  select coalesce($9::timestamptz, clock_timestamp()) as t
),
locked as materialized (
  select b.org, b.id, b.queue
    from buckets b
   where (b.org, b.id) in (select p.org, p.account from posts p where p.org = $1 and p.id = $2)
   order by b.org, b.id
     for no key update
),
canceled as materialized (
  select p.id, l.id as bucket, l.queue, coalesce($4::timestamptz, p.scheduled_at) as scheduled_at,
         greatest(coalesce($4::timestamptz, p.scheduled_at), (select t from clock)) as run_at
    from posts p
    join locked l on l.org = p.org and l.id = p.account
    join accounts a on a.org = p.org and a.id = p.account
   where p.org = $1 and p.id = $2 and p.status = 'canceled'
     for no key update of p
),
queued as (
  insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive, parts,
                    generation, created_at)
  select $1, $3, 'publish', c.queue, c.bucket, c.id, 1, c.run_at, c.run_at + $7::bigint * interval '1 millisecond', true,
         $5::boolean, $6::int,
         (select coalesce(max(d.generation) + 1, 0) from dead_letters d where d.org = $1 and d.subject = c.id),
         (select t from clock)
    from canceled c
  on conflict on constraint jobs_single_flight do nothing
  returning bucket, queue, subject, run_at
),
told as (
  update posts p
     set status = 'queued', error = null, scheduled_at = c.scheduled_at,
         updated_at = greatest((select t from clock), p.updated_at + interval '1 microsecond')
    from queued q
    join canceled c on c.id = q.subject
   where p.org = $1 and p.id = q.subject
  returning p.id, p.platform, p.account, p.profile, p.scheduled_at
),
woken as (
  update buckets b
     set ready_at = case when b.paused then 'infinity'
                         else least(b.ready_at, greatest(b.blocked_until, q.run_at, clock_timestamp())) end
    from queued q
   where b.org = $1 and b.id = q.bucket
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select $1, $8, 'post.queued', t.id,
         jsonb_build_object('id', t.id, 'platform', t.platform, 'accountId', t.account, 'profileId', t.profile,
                            'scheduledAt', t.scheduled_at, 'queuedAt', (select t from clock)),
         (select t from clock)
    from told t
),
called as (
  select pg_notify('due', q.queue) from queued q where q.run_at <= (select t from clock)
)
select t.scheduled_at, (select count(*) from called) as "called!" from told t
