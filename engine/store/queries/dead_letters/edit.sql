-- edit: change the post of an open dead letter, and send it as a new job of the next generation; or do nothing.
--
-- $1 org uuid, $2 letter uuid, $3 job uuid (new), $4 by text
-- $5 judged timestamptz: the post's `updated_at` when the change was judged
-- $6 change jsonb: as of edit_post
-- $7 give_up_ms bigint, $8 event uuid (updated), $9 event uuid (queued), $10 now timestamptz or null
--
-- returns  one row when it is queued; none when the letter is not open (any more), a send of it is unresolved, the post is
--          another than was judged, or its account is gone
--
-- The old checkpoint belongs to the old content and is dropped. A letter with an unresolved mark is not taken: what may be
-- public already must be found out first, and what looks for it is the old content.
-- The locks are taken in their order (bucket, letter, post) before anything is written, and each repeats its condition on the
-- newest version of its row.
with clock as (
  select coalesce($10::timestamptz, clock_timestamp()) as t
),
change as materialized (
  select * from jsonb_to_record($6::jsonb) as c (
    scheduled_at timestamptz, text text, media jsonb, warnings jsonb, parts int, changed jsonb)
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select d.org, d.bucket from dead_letters d where d.org = $1 and d.id = $2)
   order by b.org, b.id
     for no key update
),
open as materialized (
  select d.id, d.kind, d.queue, d.bucket, d.subject, d.exclusive, d.parts, d.generation, d.payload
    from dead_letters d
    join locked l on l.org = d.org and l.id = d.bucket
   where d.org = $1 and d.id = $2 and d.kind = 'publish' and d.resolved_at is null and d.sent_at is null
     for no key update of d
),
judged as materialized (
  select p.id, p.platform, p.account, p.profile, o.id as letter
    from posts p
    join open o on o.subject = p.id
   where p.org = $1 and p.status in ('failed', 'rejected') and p.updated_at = $5
     for no key update of p
),
resolved as (
  update dead_letters d
     set resolved_at = (select t from clock), resolved_by = $4, resolved_how = 'redriven',
         resolved_note = 'edited before it was sent again: '
                         || (select string_agg(w, ' and ') from change c, jsonb_array_elements_text(c.changed) as w)
    from judged g
   where d.org = $1 and d.id = g.letter
),
queued as (
  insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive, parts,
                    generation, payload, created_at)
  select $1, $3, o.kind, o.queue, o.bucket, o.subject, 1, greatest(c.scheduled_at, (select t from clock)),
         greatest(c.scheduled_at, (select t from clock)) + $7::bigint * interval '1 millisecond', true, o.exclusive,
         coalesce(c.parts, o.parts), o.generation + 1, o.payload, (select t from clock)
    from open o
    join judged g on g.id = o.subject
   cross join change c
  returning bucket, queue, subject, run_at
),
told as (
  update posts p
     set status = 'queued', error = null, scheduled_at = coalesce(c.scheduled_at, p.scheduled_at),
         text = coalesce(c.text, p.text), warnings = coalesce(c.warnings, p.warnings),
         updated_at = greatest((select t from clock), p.updated_at + interval '1 microsecond')
    from judged g, change c
   where p.org = $1 and p.id = g.id
  returning p.id, p.platform, p.account, p.profile, p.scheduled_at
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
   where pm.org = $1 and pm.post = g.id and not pm.in_options and c.media is not null
     and pm.position >= jsonb_array_length(c.media)
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
  select $1, e.id, e.type, t.id,
         jsonb_build_object('id', t.id, 'platform', t.platform, 'accountId', t.account, 'profileId', t.profile,
                            'scheduledAt', t.scheduled_at) || e.more,
         (select t from clock)
    from told t
   cross join change c
   cross join lateral (values ($8::uuid, 'post.updated', jsonb_build_object('changed', c.changed)),
                              ($9::uuid, 'post.queued', jsonb_build_object('queuedAt', (select t from clock))))
              as e (id, type, more)
),
called as (
  select pg_notify('due', q.queue) from queued q where q.run_at <= (select t from clock)
)
select t.id as "post!", t.scheduled_at, (select count(*) from called) as "called!" from told t
