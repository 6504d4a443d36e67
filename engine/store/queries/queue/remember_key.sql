-- remember_key: claim an idempotency key for a batch. A concurrent twin waits here until the other's transaction ends.
--
-- $1 org uuid, $2 key text, $3 fingerprint bytea, $4 batch uuid
--
-- returns  one row when the key is ours
insert into idempotency (org, key, fingerprint, batch)
values ($1, $2, $3, $4)
on conflict (org, key) do nothing
returning batch
