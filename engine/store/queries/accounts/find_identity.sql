-- find_identity: the id under which a platform's account is already connected.
--
-- $1 org uuid, $2 platform text, $3 platform_account_id text
select id from accounts where org = $1 and platform = $2 and platform_account_id = $3
