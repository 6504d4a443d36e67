-- find_profile: whether a profile belongs to an organisation.
--
-- $1 org uuid, $2 profile uuid
select id, name, slug from profiles where org = $1 and id = $2
