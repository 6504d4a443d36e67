-- list_batch: the posts of one batch, in the order of its targets.
--
-- $1 org uuid, $2 batch uuid
select p.id as "id!", p.batch as "batch!", p.position as "position!", p.profile as "profile!", p.account as "account!",
       p.platform as "platform!", p.text as "text!", p.options as "options!", p.first_comment, p.metadata as "metadata!",
       p.sandbox as "sandbox!", p.shown as "shown!", p.scheduled_at, p.published_at, p.receipt, p.warnings as "warnings!",
       p.error, p.created_at as "created_at!", p.updated_at as "updated_at!", p.platform_account_id, p.display_name,
       p.handle, p.media as "media!", p.waiting_reason, p.waiting_since, p.waiting_until
  from shown_posts p
 where p.org = $1 and p.batch = $2
 order by p.position
