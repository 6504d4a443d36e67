-- find_organisation: by name, whatever its case, or by id.
--
-- $1 name or id text
select id, name from organisations where lower(name) = lower($1) or id::text = lower($1)
