-- resume_account: a person's pause of an account is over.
--
-- $1 org uuid, $2 account uuid
--
-- returns  whether it is still paused, because the account needs its owner; the bucket is locked by lock_account in this
--          transaction
with resumed as (
  update buckets b
     set paused = a.status = 'needs_reauth',
         paused_by = case when a.status = 'needs_reauth' then 'account_needs_reauth' end,
         ready_at = case when a.status = 'needs_reauth' then 'infinity' else greatest(b.blocked_until, clock_timestamp()) end
    from accounts a
   where b.org = $1 and b.kind = 'account' and b.subject = $2 and a.org = b.org and a.id = b.subject
  returning b.queue, b.paused
),
called as (
  select pg_notify('due', r.queue) from resumed r where not r.paused
)
select r.paused as "paused!", (select count(*) from called) as "called!" from resumed r
