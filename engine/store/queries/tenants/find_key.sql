-- find_key: the caller behind a key, if it is valid now.
--
-- $1 hash bytea: SHA-256 of the whole key
select k.org, k.id, k.name, k.prefix, k.scopes, k.profile
  from api_keys k
 where k.hash = $1 and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())
