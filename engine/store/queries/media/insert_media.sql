-- insert_media: note a file that is safe in the library.
--
-- $1 org, $2 id text, $3 profile, $4 content_type, $5 size_bytes, $6 sha256, $7 width, $8 height, $9 duration_ms
insert into media (org, id, profile, content_type, size_bytes, sha256, width, height, duration_ms)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning created_at
