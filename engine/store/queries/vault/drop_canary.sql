-- drop_canary: forget a master key that no sealed value names.
--
-- $1 key_id text
--
-- returns  one row when it was forgotten; none when a value names it, or there is none of this id
delete from canaries c
 where c.key_id = $1
   and not exists (select from accounts a where encode(rtrim(substr(a.sealed_tokens, 2, 8), '\x00'::bytea), 'escape') = $1)
   and not exists (select from jobs j where encode(rtrim(substr(j.checkpoint, 2, 8), '\x00'::bytea), 'escape') = $1)
   and not exists (select from dead_letters d where encode(rtrim(substr(d.checkpoint, 2, 8), '\x00'::bytea), 'escape') = $1)
returning c.key_id
