-- key_is_valid: whether a key may still be used; read again inside the transaction that accepts.
--
-- $1 org uuid, $2 key uuid
select exists (select from api_keys where org = $1 and id = $2 and revoked_at is null
                  and (expires_at is null or expires_at > clock_timestamp())) as "valid!"
