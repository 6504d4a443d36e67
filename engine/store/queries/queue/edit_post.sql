-- edit_post: change a post whose job has not begun, exactly as told or not at all.
--
-- $1 org uuid, $2 post uuid, $3 judged timestamptz: the post's `updated_at` when the change was judged
-- $4 change jsonb: the fields of `change` below; what is null stays; `changed` names the content that does not
-- $5 event uuid (rescheduled), $6 event uuid (updated), $7 now timestamptz or null
--
-- returns  one row when it was changed; none when the job has begun, the post is another than was judged, or its time has come
--
-- The locks are taken in their order before anything is written, and each repeats its condition on the newest version of its
-- row: a claim that came first is waited for and then seen.
with clock as (
  select coalesce($7::timestamptz, clock_timestamp()) as t
),
change as materialized (
  select * from jsonb_to_record($4::jsonb) as c (
    scheduled_at timestamptz, text text, media jsonb, warnings jsonb, parts int, changed jsonb)
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select j.org, j.bucket from jobs j where j.org = $1 and j.kind = 'publish' and j.subject = $2)
   order by b.org, b.id
     for no key update
),
waiting as materialized (
  select j.id, j.bucket, j.subject
    from jobs j
    join locked l on l.org = j.org and l.id = j.bucket
   where j.org = $1 and j.kind = 'publish' and j.subject = $2
     and j.state in ('queued', 'held') and j.checkpoint is null and j.receipt is null and j.sent_claim is null
     for no key update of j
),
judged as materialized (
  select p.id, p.platform, p.account, p.profile, p.scheduled_at as was_at, w.id as job, w.bucket
    from posts p
    join waiting w on w.subject = p.id
   where p.org = $1 and p.id = $2 and p.status = 'queued' and p.updated_at = $3
     and p.scheduled_at > (select t from clock)
     for no key update of p
),
moved as (
  update jobs j
     set run_at = case when j.state = 'held' then j.run_at else coalesce(c.scheduled_at, j.run_at) end,
         give_up_at = coalesce(c.scheduled_at + (j.give_up_at - g.was_at), j.give_up_at),
         parts = coalesce(c.parts, j.parts)
    from judged g, change c
   where j.org = $1 and j.id = g.job
  returning j.bucket, case when c.scheduled_at is not null then j.run_at end as due_at
),
told as (
  update posts p
     set scheduled_at = coalesce(c.scheduled_at, p.scheduled_at), text = coalesce(c.text, p.text),
         warnings = coalesce(c.warnings, p.warnings),
         -- always another than was judged, so that of two edits judged alike only one is written
         updated_at = greatest((select t from clock), p.updated_at + interval '1 microsecond')
    from judged g, change c
   where p.org = $1 and p.id = g.id
  returning p.id, p.scheduled_at
),
attached as (
  insert into post_media (org, post, position, media, kind, alt_text, captions)
  select $1, g.id, (m.n - 1)::smallint, m.item ->> 'id', m.item ->> 'kind', m.item ->> 'alt_text', m.item -> 'captions'
    from judged g, change c
   cross join lateral jsonb_array_elements(c.media) with ordinality as m (item, n)
  on conflict (org, post, in_options, position) do update
     set media = excluded.media, kind = excluded.kind, alt_text = excluded.alt_text, captions = excluded.captions
),
detached as (
  delete from post_media pm
   using judged g, change c
   where pm.org = $1 and pm.post = g.id and not pm.in_options and c.media is not null and pm.position >= jsonb_array_length(c.media)
),
woken as (
  update buckets b
     set ready_at = case when b.paused then 'infinity'
                         else least(b.ready_at, greatest(b.blocked_until, m.due_at, clock_timestamp())) end
    from moved m
   where b.org = $1 and b.id = m.bucket and m.due_at is not null
),
rescheduled as (
  insert into events (org, id, type, subject, data, created_at)
  select $1, $5, 'post.rescheduled', g.id,
         jsonb_build_object('id', g.id, 'platform', g.platform, 'accountId', g.account, 'profileId', g.profile,
                            'previousScheduledAt', g.was_at, 'scheduledAt', c.scheduled_at),
         (select t from clock)
    from judged g, change c
   where c.scheduled_at is not null
),
updated as (
  insert into events (org, id, type, subject, data, created_at)
  select $1, $6, 'post.updated', g.id,
         jsonb_build_object('id', g.id, 'platform', g.platform, 'accountId', g.account, 'profileId', g.profile,
                            'scheduledAt', t.scheduled_at, 'changed', c.changed),
         (select t from clock)
    from judged g
    join told t on t.id = g.id
   cross join change c
   where jsonb_array_length(c.changed) > 0
)
select t.id as "id!" from told t
