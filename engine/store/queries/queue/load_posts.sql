-- load_posts: the posts of a claim, with their accounts and sealed tokens.
--
-- $1 orgs uuid[], $2 posts uuid[]
select p.org as "org!", p.id as "id!", p.batch as "batch!", p.profile as "profile!", p.account as "account!",
       p.platform as "platform!", p.text as "text!", p.options as "options!", p.first_comment, p.sandbox as "sandbox!",
       p.scheduled_at, p.created_at as "created_at!", p.warnings as "warnings!",
       a.platform_account_id as "platform_account_id?", a.handle as "handle?", a.profile_data as "profile_data?",
       a.status as "account_status?", a.status_reason, a.sealed_tokens, a.token_generation as "token_generation?",
       (select r.receipt from receipts r where r.org = p.org and r.post = p.id order by r.at desc limit 1) as "late_receipt",
       coalesce((select jsonb_agg(jsonb_build_object(
                          'id', pm.media, 'kind', pm.kind, 'alt_text', pm.alt_text, 'mime', m.content_type,
                          'size_bytes', m.size_bytes, 'width', m.width, 'height', m.height, 'duration_ms', m.duration_ms,
                          'sha256', encode(m.sha256, 'hex'), 'captions', pm.captions) order by pm.position)
                   from post_media pm
                   left join media m on m.org = pm.org and m.id = pm.media
                  where pm.org = p.org and pm.post = p.id and not pm.in_options), '[]') as "media!",
       coalesce((select jsonb_agg(jsonb_build_object(
                          'id', named.id, 'mime', m.content_type, 'size_bytes', m.size_bytes, 'width', m.width,
                          'height', m.height, 'duration_ms', m.duration_ms, 'sha256', encode(m.sha256, 'hex'))
                          order by named.id)
                   from (select pm.media as id
                           from post_media pm
                          where pm.org = p.org and pm.post = p.id and pm.in_options
                          union
                         select c.item ->> 'mediaId'
                           from post_media pm
                          cross join lateral jsonb_array_elements(pm.captions) as c (item)
                          where pm.org = p.org and pm.post = p.id) named
                   left join media m on m.org = p.org and m.id = named.id), '[]') as "option_media!"
  from posts p
  left join accounts a on a.org = p.org and a.id = p.account
 where (p.org, p.id) in (select * from unnest($1::uuid[], $2::uuid[]))
