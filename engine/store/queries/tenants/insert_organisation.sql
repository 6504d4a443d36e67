-- insert_organisation: a new organisation with its Default profile; none when the name is taken.
--
-- $1 id uuid, $2 name text, $3 profile uuid
with made as (
  insert into organisations (id, name) values ($1, $2) on conflict (lower(name)) do nothing returning id
)
insert into profiles (org, id, name, slug) select m.id, $3, 'Default', 'default' from made m
returning org
