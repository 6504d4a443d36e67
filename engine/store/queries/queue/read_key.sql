-- read_key: what an idempotency key points to.
--
-- $1 org uuid, $2 key text
select fingerprint, batch from idempotency where org = $1 and key = $2
