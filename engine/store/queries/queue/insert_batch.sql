-- insert_batch: the batch, its posts and its jobs, and the wake-up of their buckets.
--
-- $1 org uuid, $2 batch jsonb, $3 posts jsonb (in order), $4 now timestamptz or null
--
-- returns  posts written, jobs written, buckets woken, and the queues to notify; the caller compares the counts
--
-- Buckets are locked first, by id. `ready_at` is lowered unconditionally: whoever holds the lock last sees the other's work,
-- so no wake-up is lost (I9).
with clock as (
  select coalesce($4::timestamptz, clock_timestamp()) as t
),
batch as materialized (
  select * from jsonb_to_record($2::jsonb) as b (
    id uuid, api_key uuid, request_id text, awaited boolean, scheduled_at timestamptz, metadata jsonb, warnings jsonb)
),
wanted as materialized (
  select * from jsonb_to_recordset($3::jsonb) as p (
    id uuid, job uuid, position smallint, profile uuid, account uuid, platform text, text text, options jsonb,
    first_comment jsonb, metadata jsonb, sandbox boolean, warnings jsonb, scheduled_at timestamptz, priority smallint,
    give_up_ms bigint, wait_ms bigint, may_wait boolean, exclusive boolean, parts int, media jsonb, option_media jsonb)
),
locked as materialized (
  select b.org, b.id, b.queue, b.paused_by
    from buckets b
   where b.org = $1 and b.id in (select w.account from wanted w)
   order by b.org, b.id
     for no key update
),
batched as (
  insert into batches (org, id, api_key, request_id, awaited, scheduled_at, metadata, warnings, created_at)
  select $1, b.id, b.api_key, b.request_id, b.awaited, b.scheduled_at, b.metadata, b.warnings, (select t from clock)
    from batch b
  returning id
),
posted as (
  insert into posts (org, id, batch, position, profile, account, platform, text, options, first_comment, metadata, sandbox,
                     warnings, scheduled_at, created_at, updated_at)
  select $1, w.id, d.id, w.position, w.profile, w.account, w.platform, w.text, w.options, w.first_comment, w.metadata,
         w.sandbox, w.warnings, w.scheduled_at, (select t from clock), (select t from clock)
    from wanted w
    join locked l on l.id = w.account
   cross join batched d
  returning id
),
attached as (
  insert into post_media (org, post, in_options, position, media, kind, alt_text, captions)
  select $1, w.id, false, (m.n - 1)::smallint, m.item ->> 'id', m.item ->> 'kind', m.item ->> 'alt_text', m.item -> 'captions'
    from wanted w
    join posted p on p.id = w.id
   cross join lateral jsonb_array_elements(w.media) with ordinality as m (item, n)
   union all
  select $1, w.id, true, (m.n - 1)::smallint, m.id, null, null, '[]'::jsonb
    from wanted w
    join posted p on p.id = w.id
   cross join lateral jsonb_array_elements_text(w.option_media) with ordinality as m (id, n)
),
queued as (
  insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive, parts,
                    awaited_until, payload, created_at)
  select $1, w.job, 'publish', l.queue, l.id, w.id, w.priority, coalesce(w.scheduled_at, (select t from clock)),
         -- a caller who waits for an account that needs its owner is answered at once, through the overdue path
         case when (a.status = 'needs_reauth' or l.paused_by = 'account_needs_reauth') and not w.may_wait
              then (select t from clock) - interval '2 minutes'
              else coalesce(w.scheduled_at, (select t from clock)) + w.give_up_ms * interval '1 millisecond' end,
         w.may_wait, w.exclusive, w.parts, (select t from clock) + w.wait_ms * interval '1 millisecond',
         jsonb_build_object('requestId', b.request_id), (select t from clock)
    from wanted w
   cross join batch b
    join posted p on p.id = w.id
    join locked l on l.id = w.account
    join accounts a on a.org = $1 and a.id = w.account
  returning bucket, queue, run_at
),
woken as (
  update buckets b
     set ready_at = case when b.paused then 'infinity'
                         else least(b.ready_at, greatest(b.blocked_until, q.run_at, clock_timestamp())) end
    from (select bucket, min(run_at) as run_at from queued group by bucket) q
   where b.org = $1 and b.id = q.bucket
  returning b.queue
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select $1, gen_random_uuid(), 'post.queued', w.id,
         jsonb_build_object('id', w.id, 'platform', w.platform, 'accountId', w.account, 'profileId', w.profile,
                            'scheduledAt', w.scheduled_at, 'queuedAt', (select t from clock)),
         (select t from clock)
    from wanted w
    join posted p on p.id = w.id
   where w.scheduled_at is not null
),
called as (
  select pg_notify('due', q.queue) from (select distinct queue from queued where run_at <= (select t from clock)) q
)
select (select count(*) from posted) as "posts!", (select count(*) from queued) as "jobs!",
       (select count(*) from woken) as "buckets!", (select count(distinct account) from wanted) as "accounts!",
       (select count(*) from called) as "called!", (select t from clock) as "at!"
