-- list_keys: the keys of one organisation, or of all; newest first, revoked ones included.
--
-- $1 org uuid or null
select k.org, o.name as organisation, k.id, k.name, k.prefix, k.last4, k.scopes, k.profile, k.created_at, k.last_used_at,
       k.expires_at, k.revoked_at
  from api_keys k
  join organisations o on o.id = k.org
 where $1::uuid is null or k.org = $1
 order by k.created_at desc, k.id desc
