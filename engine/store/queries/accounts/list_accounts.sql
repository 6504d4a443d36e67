-- list_accounts: the accounts of an organisation, oldest first.
--
-- $1 org uuid, $2 profile uuid or null, $3 platform text or null
select a.id, a.profile, a.platform, a.platform_account_id, a.display_name, a.handle, a.profile_data, a.scopes, a.status,
       a.status_reason, a.token_expires_at, a.token_generation, a.created_at, a.updated_at
  from accounts a
 where a.org = $1 and ($2::uuid is null or a.profile = $2) and ($3::text is null or a.platform = $3)
 order by a.created_at, a.id
