-- adopt_receipts: publish the posts whose dead letter is open, or discarded, although a late receipt proves them public.
--
-- $1 orgs uuid[], $2 posts uuid[], $3 now timestamptz or null
--
-- returns  how many posts were published by it
--
-- Runs as its own statement behind the one that wrote the receipt or the letter, in its transaction and under its lock of the
-- bucket: its snapshot contains the other of the two, whichever came first (I19).
with clock as (
  select coalesce($3::timestamptz, clock_timestamp()) as t
),
known as materialized (
  select distinct on (w.org, w.id) w.org, w.id, r.receipt
    from unnest($1::uuid[], $2::uuid[]) as w (org, id)
    join receipts r on r.org = w.org and r.post = w.id
   order by w.org, w.id, r.at desc
),
resolved as (
  update dead_letters d
     set resolved_at = (select t from clock), resolved_by = 'engine', resolved_how = 'confirmed_published',
         resolved_note = 'its receipt came late' || coalesce('; discarded before by ' || d.resolved_by || ': ' || d.resolved_note, '')
    from known k
   where d.org = k.org and d.subject = k.id and d.kind = 'publish'
     and (d.resolved_at is null or d.resolved_how = 'discarded')
     and not exists (select from jobs j where j.org = k.org and j.kind = 'publish' and j.subject = k.id)
  returning d.org, d.subject, k.receipt
),
told as (
  update posts p
     set status = 'published', published_at = (select t from clock), receipt = r.receipt, error = null,
         updated_at = (select t from clock)
    from resolved r
   where p.org = r.org and p.id = r.subject
  returning p.org, p.id, p.platform, p.account, p.profile, p.receipt
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select t.org, gen_random_uuid(), 'post.published', t.id,
         jsonb_build_object('id', t.id, 'platform', t.platform, 'accountId', t.account, 'profileId', t.profile,
                            'uri', t.receipt -> 'uri', 'cid', t.receipt -> 'cid', 'publishedAt', (select t from clock)),
         (select t from clock)
    from told t
)
select count(*) as "adopted!" from told
