-- list_stale_letters: checkpoints of dead letters that are not sealed under the active master key, in the order of their ids.
--
-- $1 active text: its id
-- $2 org uuid, $3 id uuid: behind this one; nil for the beginning
-- $4 room int
--
-- index    the primary key; reads the first bytes of every row behind the given one
-- Bytes 2 to 9 of a sealed value are the id of its master key, padded with NULs.
select x.org as "org!", x.id as "id!", x.subject as "subject!", x.checkpoint as "sealed!"
  from dead_letters x
 where (x.org, x.id) > ($2::uuid, $3::uuid) and x.checkpoint is not null
   and encode(rtrim(substr(x.checkpoint, 2, 8), '\x00'::bytea), 'escape') <> $1
 order by x.org, x.id
 limit $4::int
