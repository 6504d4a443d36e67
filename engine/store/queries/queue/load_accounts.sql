-- load_accounts: the accounts of claimed refresh jobs, with their sealed tokens.
--
-- $1 orgs uuid[], $2 accounts uuid[]
select a.org as "org!", a.id as "id!", a.platform as "platform!", a.platform_account_id as "platform_account_id!",
       a.display_name, a.handle, a.profile_data as "profile_data!", a.status as "status!", a.sealed_tokens,
       a.token_generation as "token_generation!", a.token_expires_at
  from accounts a
 where (a.org, a.id) in (select * from unnest($1::uuid[], $2::uuid[]))
