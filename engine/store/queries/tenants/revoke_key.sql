-- revoke_key: revoke a key at once; a second time changes nothing.
--
-- $1 key uuid, $2 org uuid or null: only within it
update api_keys set revoked_at = clock_timestamp()
 where id = $1 and revoked_at is null and ($2::uuid is null or org = $2)
returning org, revoked_at as "revoked_at!"
