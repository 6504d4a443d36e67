-- get_account: one account.
--
-- $1 org uuid, $2 account uuid, $3 profile uuid or null: only within it
select a.id, a.profile, a.platform, a.platform_account_id, a.display_name, a.handle, a.profile_data, a.scopes, a.status,
       a.status_reason, a.token_expires_at, a.token_generation, a.created_at, a.updated_at
  from accounts a
 where a.org = $1 and a.id = $2 and ($3::uuid is null or a.profile = $3)
