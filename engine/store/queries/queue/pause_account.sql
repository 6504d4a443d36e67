-- pause_account: nothing of an account is claimed from now on; what runs ends.
--
-- $1 org uuid, $2 account uuid, $3 by text
--
-- returns  one row; the bucket is locked by lock_account in this transaction
--
-- One that waits for its owner is paused by a person now, and stays so when it is connected again.
update buckets set paused = true, paused_by = $3, ready_at = 'infinity'
 where org = $1 and kind = 'account' and subject = $2
returning id
