-- default_profile: an organisation's Default profile.
--
-- $1 org uuid
select id from profiles where org = $1 and slug = 'default'
