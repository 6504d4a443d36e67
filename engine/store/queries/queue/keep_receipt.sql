-- keep_receipt: keep the receipt of a claim that was lost before it could report, and adopt it where nothing runs.
--
-- $1 org, $2 job, $3 claim, $4 post uuid, $5 receipt jsonb, $6 event uuid, $7 now timestamptz or null
--
-- A live job finds it at its next claim, before any look, mark or redrive. An open dead letter of the post is resolved by it:
-- the post was published after all.
with clock as (
  select coalesce($7::timestamptz, clock_timestamp()) as t
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select p.org, p.account from posts p where p.org = $1 and p.id = $4)
   order by b.org, b.id
     for no key update
),
kept as (
  insert into receipts (org, job, claim, post, receipt, at)
  select $1, $2, $3, $4, $5, (select t from clock)
   where (select count(*) from locked) >= 0
  on conflict do nothing
  returning post
),
resolved as (
  update dead_letters d
     set resolved_at = (select t from clock), resolved_by = 'engine', resolved_how = 'confirmed_published',
         resolved_note = 'its receipt came late'
    from kept k
   where d.org = $1 and d.subject = k.post and d.resolved_at is null
     and not exists (select from jobs j where j.org = $1 and j.kind = 'publish' and j.subject = k.post)
  returning d.subject
),
told as (
  update posts p
     set status = 'published', published_at = (select t from clock), receipt = $5, error = null,
         updated_at = (select t from clock)
    from resolved r
   where p.org = $1 and p.id = r.subject
  returning p.id, p.platform, p.account, p.profile
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select $1, $6, 'post.published', t.id,
         jsonb_build_object('id', t.id, 'platform', t.platform, 'accountId', t.account, 'profileId', t.profile,
                            'uri', $5::jsonb -> 'uri', 'cid', $5::jsonb -> 'cid', 'publishedAt', (select t from clock)),
         (select t from clock)
    from told t
)
select (select count(*) from kept) as "kept!", (select count(*) from told) as "adopted!"
