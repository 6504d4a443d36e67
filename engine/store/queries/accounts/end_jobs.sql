-- end_jobs: end everything that lives of an account, whoever works at it, as honestly as it can be known.
--
-- $1 org uuid, $2 buckets uuid[], $3 words jsonb: what is written about it, see `words` below, $4 now timestamptz or null
--
-- returns  how many posts ended in which way
--
-- Its buckets and jobs are locked by lock_account_buckets and lock_account_jobs in this transaction. What is proved public, in
-- part or by a late receipt, is published. What is marked may be public, and nobody can look any more: an ambiguous letter, which
-- a late receipt still resolves. What is unmarked has provably sent nothing: canceled. A refresh is just gone.
-- Whoever holds a claim finds its fence lost: it sets no mark and settles nothing.
with clock as (
  select coalesce($4::timestamptz, clock_timestamp()) as t
),
words as materialized (
  select * from jsonb_to_record($3::jsonb) as w (
    code text, message text, fingerprint text, failure jsonb, error jsonb, canceled jsonb, cut jsonb)
),
live as materialized (
  select j.org, j.id, j.kind, j.subject, j.queue, j.bucket, j.state, j.claim, j.lease, j.claimed_at, j.failures, j.looks,
         j.absences, j.sent_at, j.answer_by, j.stage, j.exclusive, j.parts, j.generation,
         case when j.receipt is not null or k.known then 'published'
              when j.sent_claim is not null then 'failed'
              else 'canceled' end as ends,
         j.receipt is not null and not k.known as in_part
    from jobs j
   cross join lateral (
     select exists (select from receipts r where r.org = j.org and r.post = j.subject) as known
   ) k
   where j.org = $1 and j.bucket = any($2::uuid[])
),
ended as (
  delete from jobs j using live l where j.org = l.org and j.id = l.id
),
noted as (
  insert into attempts (org, job, claim, kind, subject, queue, worker, started_at, ended_at, outcome, settlement, code, message)
  select l.org, l.id, l.claim, l.kind, l.subject, l.queue, e.worker, l.claimed_at, (select t from clock),
         case l.ends when 'published' then 'published' when 'failed' then 'unknown' else 'canceled' end,
         case l.ends when 'published' then 'complete' when 'failed' then 'dead_letter' else 'cancel' end, w.code, w.message
    from live l
   cross join words w
    left join leases e on e.id = l.lease
   where l.kind = 'publish' and l.state = 'running'
),
buried as (
  insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures, looks, claim,
                            sent_at, answer_by, stage, absences, exclusive, parts, generation, payload, created_at)
  select l.org, gen_random_uuid(), l.id, l.kind, l.subject, l.queue, l.bucket, 'ambiguous', l.queue || w.fingerprint, w.failure,
         l.failures, l.looks, l.claim, l.sent_at, l.answer_by, l.stage, l.absences, l.exclusive, l.parts, l.generation, '{}',
         (select t from clock)
    from live l
   cross join words w
   where l.kind = 'publish' and l.ends = 'failed'
),
told as (
  update posts p
     set status = l.ends, published_at = case when l.ends = 'published' then (select t from clock) end,
         receipt = case when l.ends = 'published' then '{}'::jsonb end,
         error = case when l.ends = 'failed' then w.error || jsonb_build_object('platform', p.platform) end,
         warnings = p.warnings || case when l.ends = 'canceled' then jsonb_build_array(w.canceled)
                                       when l.in_part then jsonb_build_array(w.cut) else '[]' end,
         updated_at = greatest((select t from clock), p.updated_at + interval '1 microsecond')
    from live l
   cross join words w
   where l.kind = 'publish' and p.org = l.org and p.id = l.subject
  returning p.org, p.id, p.platform, p.account, p.profile, p.scheduled_at, p.status, p.error, p.warnings
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select t.org, gen_random_uuid(), 'post.' || t.status, t.id,
         jsonb_build_object('id', t.id, 'platform', t.platform, 'accountId', t.account, 'profileId', t.profile)
           || case t.status
                when 'canceled' then jsonb_build_object('scheduledAt', t.scheduled_at, 'canceledAt', (select t from clock))
                when 'failed' then jsonb_build_object('error', t.error, 'rejectedAt', (select t from clock))
                else jsonb_build_object('publishedAt', (select t from clock)) end,
         (select t from clock)
    from told t
),
called as (
  select pg_notify('settled', '') from (select 1 from told limit 1) one
)
select count(*) filter (where t.status = 'canceled') as "canceled!", count(*) filter (where t.status = 'failed') as "unresolved!",
       count(*) filter (where t.status = 'published') as "published!", (select count(*) from called) as "called!"
  from told t
