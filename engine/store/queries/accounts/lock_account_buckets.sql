-- lock_account_buckets: lock the buckets of an account that is to be disconnected; none when it is gone.
--
-- $1 org uuid, $2 account uuid
--
-- Runs as its own statement, so that what follows in the transaction sees what committed before the locks were granted. Whoever
-- writes what an account is about, or what a platform said of it, holds its bucket: nothing of that kind comes in between.
select b.id
  from buckets b
 where b.org = $1 and b.subject = $2 and b.kind in ('account', 'refresh')
 order by b.org, b.id
   for no key update
