-- get_post: one post as its owner sees it.
--
-- $1 org uuid, $2 post uuid, $3 profile uuid or null: only within it
select
       p.id as "id!", p.batch as "batch!", p.position as "position!", p.profile as "profile!", p.account as "account!",
       p.platform as "platform!", p.text as "text!", p.options as "options!", p.first_comment, p.metadata as "metadata!",
       p.sandbox as "sandbox!", p.shown as "shown!", p.scheduled_at, p.published_at, p.receipt, p.warnings as "warnings!",
       p.error, p.created_at as "created_at!", p.updated_at as "updated_at!",
       a.platform_account_id as "platform_account_id?", a.display_name, a.handle,
       coalesce((select jsonb_agg(jsonb_build_object('mediaId', m.media, 'kind', m.kind, 'altText', m.alt_text)
                                  order by m.position)
                   from post_media m where m.org = p.org and m.post = p.id), '[]') as "media!",
       w.reason as "waiting_reason?", w.since as "waiting_since?", w.until as "waiting_until?"
  from shown_posts p
  left join accounts a on a.org = p.org and a.id = p.account
  left join lateral (
    -- why it waits: the first that applies (the order is the vocabulary's)
    select x.reason, x.since, x.until
      from (select b.paused, b.paused_by, b.blocked_until, b.blocked_by, b.limited_by, b.ready_at, q.paused as queue_paused,
                   q.blocked_until as queue_until,
                   exists (select from workers k where p.queue = any(k.queues) and not k.stopping
                              and k.seen_at > clock_timestamp() - interval '2 minutes') as served
              from buckets b
              join queues q on q.name = p.queue
             where b.org = p.org and b.id = p.bucket) s
     cross join lateral (
       select case when p.hold_reason = 'account_needs_reauth' or a.status = 'needs_reauth' then 'account_needs_reauth'
                   when s.paused or p.hold_reason = 'operator' then 'account_paused'
                   when s.queue_paused then 'platform_paused'
                   when p.run_at > clock_timestamp() and p.run_at is not distinct from p.scheduled_at then 'not_due'
                   when p.run_at > clock_timestamp() then 'platform_backoff'
                   when greatest(s.blocked_until, s.queue_until) > clock_timestamp() then 'platform_backoff'
                   when s.limited_by like 'slots%' then 'slots'
                   when s.limited_by = 'verifying' then 'after_other'
                   when s.limited_by is not null then 'account_limit'
                   when not s.served then 'no_worker' end as reason,
              p.created_at as since,
              case when s.paused or s.queue_paused or p.hold_reason is not null then null
                   when p.run_at > clock_timestamp() then p.run_at
                   when greatest(s.blocked_until, s.queue_until) > clock_timestamp()
                     then greatest(s.blocked_until, s.queue_until)
                   when s.limited_by is not null and s.ready_at < 'infinity' then s.ready_at end as until
     ) x
     where p.shown = 'queued'
  ) w on true
 where p.org = $1 and p.id = $2 and ($3::uuid is null or p.profile = $3)
