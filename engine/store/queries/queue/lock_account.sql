-- lock_account: lock the bucket of an account, and say who paused it.
--
-- $1 account uuid
--
-- Runs as its own statement, so that what follows in the transaction sees what committed before the lock was granted.
select b.org, b.paused, b.paused_by
  from buckets b
 where b.kind = 'account' and b.subject = $1
 order by b.org, b.id
   for no key update
