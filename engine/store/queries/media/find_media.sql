-- find_media: the given files of an organisation; those that are not there are missing from the answer.
--
-- $1 org uuid, $2 ids text[]
select id, profile, content_type, size_bytes, sha256, width, height, duration_ms, created_at from media where org = $1 and id = any($2::text[])
