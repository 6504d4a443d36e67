-- insert_key: store a new key's hash.
--
-- $1 org, $2 id, $3 name, $4 prefix, $5 last4, $6 hash, $7 scopes text[], $8 profile uuid or null
insert into api_keys (org, id, name, prefix, last4, hash, scopes, profile)
values ($1, $2, $3, $4, $5, $6, $7, $8)
returning created_at
