-- list_posts: a page of an organisation's posts, newest first.
--
-- $1 org uuid, $2 profile uuid or null, $3 platforms text[] or null, $4 statuses text[] or null, $5 error codes text[] or null
-- $6 after timestamptz or null (inclusive), $7 before timestamptz or null (exclusive), $8 words text or null
-- $9 cursor time timestamptz or null, $10 cursor id uuid or null, $11 limit int, $12 metadata jsonb or null
--
-- index    posts_newest (org, created_at desc, id desc): the page is walked in its order, filters apply on the way
select p.id as "id!", p.batch as "batch!", p.position as "position!", p.profile as "profile!", p.account as "account!",
       p.platform as "platform!", p.text as "text!", p.options as "options!", p.first_comment, p.metadata as "metadata!",
       p.sandbox as "sandbox!", p.shown as "shown!", p.scheduled_at, p.published_at, p.receipt, p.warnings as "warnings!",
       p.error, p.created_at as "created_at!", p.updated_at as "updated_at!", p.platform_account_id, p.display_name,
       p.handle, p.media as "media!", p.waiting_reason, p.waiting_since, p.waiting_until
  from shown_posts p
 where p.org = $1
   and ($2::uuid is null or p.profile = $2)
   and ($3::text[] is null or p.platform = any($3))
   and ($4::text[] is null or p.shown = any($4))
   and ($5::text[] is null or p.error ->> 'code' = any($5))
   and ($6::timestamptz is null or p.created_at >= $6)
   and ($7::timestamptz is null or p.created_at < $7)
   and ($8::text is null or position(lower($8) in lower(p.text)) > 0)
   and ($12::jsonb is null or p.metadata @> $12)
   and ($9::timestamptz is null or (p.created_at, p.id) < ($9, $10::uuid))
 order by p.created_at desc, p.id desc
 limit $11::int
