-- count_live: what a disconnection would end of an account, if it happened now; the words are those of end_jobs.
--
-- $1 org uuid, $2 account uuid
with live as (
  select case when j.receipt is not null or exists (select from receipts r where r.org = j.org and r.post = j.subject)
                then 'published'
              when j.sent_claim is not null then 'failed'
              else 'canceled' end as ends
    from jobs j
   where j.org = $1 and j.bucket = $2 and j.kind = 'publish'
)
select count(*) filter (where l.ends = 'canceled') as "canceled!", count(*) filter (where l.ends = 'failed') as "unresolved!",
       count(*) filter (where l.ends = 'published') as "published!"
  from live l
