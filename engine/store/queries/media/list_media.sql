-- list_media: a page of the library, newest first.
--
-- $1 org, $2 profile or null, $3 cursor time or null, $4 cursor id text or null, $5 limit int
select id, profile, content_type, size_bytes, sha256, width, height, duration_ms, created_at
  from media
 where org = $1 and ($2::uuid is null or profile = $2)
   and ($3::timestamptz is null or (created_at, id) < ($3, $4::text))
 order by created_at desc, id desc
 limit $5::int
