-- delete_account: the account itself, with its tokens, its buckets and what only they needed.
--
-- $1 org uuid, $2 account uuid, $3 buckets uuid[]: locked, and without a job
--
-- returns  how many accounts were deleted: one
--
-- A refresh that comes back later finds no row to store its tokens in, and a connection makes a new account.
with charges_gone as (
  delete from charges c where c.org = $1 and c.owner = any($3::uuid[])
),
limits_gone as (
  delete from limits l where l.org = $1 and l.owner = $2
),
buckets_gone as (
  delete from buckets b where b.org = $1 and b.id = any($3::uuid[])
),
gone as (
  delete from accounts a where a.org = $1 and a.id = $2 returning 1
)
select count(*) as "count!" from gone
