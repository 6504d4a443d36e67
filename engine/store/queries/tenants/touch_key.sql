-- touch_key: note that a key was used; at most once a minute.
--
-- $1 org uuid, $2 key uuid
update api_keys set last_used_at = clock_timestamp()
 where org = $1 and id = $2 and (last_used_at is null or last_used_at < clock_timestamp() - interval '1 minute')
