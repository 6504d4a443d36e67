-- get_post: one post as its owner sees it.
--
-- $1 org uuid, $2 post uuid, $3 profile uuid or null: only within it
select p.id as "id!", p.batch as "batch!", p.position as "position!", p.profile as "profile!", p.account as "account!",
       p.platform as "platform!", p.text as "text!", p.options as "options!", p.first_comment, p.metadata as "metadata!",
       p.sandbox as "sandbox!", p.shown as "shown!", p.scheduled_at, p.published_at, p.receipt, p.warnings as "warnings!",
       p.error, p.created_at as "created_at!", p.updated_at as "updated_at!", p.platform_account_id, p.display_name,
       p.handle, p.media as "media!", p.waiting_reason, p.waiting_since, p.waiting_until
  from shown_posts p
 where p.org = $1 and p.id = $2 and ($3::uuid is null or p.profile = $3)
