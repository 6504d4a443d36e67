-- cancel_post: cancel a post whose job has not begun.
--
-- $1 org uuid, $2 post uuid, $3 event uuid, $4 now timestamptz or null
--
-- returns  one row when it was canceled
with clock as (
  select coalesce($4::timestamptz, clock_timestamp()) as t
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select j.org, j.bucket from jobs j where j.org = $1 and j.kind = 'publish' and j.subject = $2)
   order by b.org, b.id
     for no key update
),
ended as (
  delete from jobs j
   using locked l
   where j.org = $1 and j.kind = 'publish' and j.subject = $2 and j.bucket = l.id
     and j.state in ('queued', 'held') and j.checkpoint is null and j.receipt is null and j.sent_claim is null
  returning j.id, j.subject, j.bucket
),
given_back as (
  delete from charges c
   using ended e
   where c.org = $1 and c.owner = e.bucket and c.job = e.id and c.at is null
),
told as (
  update posts p
     set status = 'canceled', updated_at = (select t from clock)
    from ended e
   where p.org = $1 and p.id = e.subject
  returning p.id, p.platform, p.account, p.profile, p.scheduled_at
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select $1, $3, 'post.canceled', t.id,
         jsonb_build_object('id', t.id, 'platform', t.platform, 'accountId', t.account, 'profileId', t.profile,
                            'scheduledAt', t.scheduled_at, 'canceledAt', (select t from clock)),
         (select t from clock)
    from told t
)
select t.id as "id!" from told t
