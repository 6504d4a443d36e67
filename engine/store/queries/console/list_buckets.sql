-- list_buckets: the buckets of accounts, newest account first: whether each may yield, and what waits in it.
--
-- $1 org uuid or null, $2 queue text or null, $3 account uuid or null: only these
-- $4 at timestamptz, $5 id uuid or null: behind this one
-- $6 limit int
--
-- `state` is the first that applies: paused (a person's word, or the account needs its owner), blocked (the platform's
-- word), limited (a limit is used up), ready.
with clock as (
  select clock_timestamp() as t
)
select b.org, o.name as organisation, b.id as account, b.queue, a.display_name, a.handle, a.status as account_status,
       s.state as "state!",
       case s.state when 'paused' then coalesce(b.paused_by, q.paused_by)
                    when 'blocked' then case when b.blocked_until > (select t from clock) then b.blocked_by else q.blocked_by end
                    when 'limited' then b.limited_by end as reason,
       q.paused as queue_paused,
       case when s.state = 'blocked' and greatest(b.blocked_until, q.blocked_until) < 'infinity'
              then greatest(b.blocked_until, q.blocked_until)
            when s.state = 'limited' and b.ready_at < 'infinity' then b.ready_at end as until,
       (select count(*) from jobs j where j.org = b.org and j.bucket = b.id and j.state <> 'running') as "queued!",
       b.running as "running!", a.created_at
  from buckets b
  join organisations o on o.id = b.org
  join queues q on q.name = b.queue
  join accounts a on a.org = b.org and a.id = b.subject
 cross join lateral (
   select case when b.paused or q.paused then 'paused'
               when greatest(b.blocked_until, q.blocked_until) > (select t from clock) then 'blocked'
               when b.limited_by is not null and b.ready_at > (select t from clock) then 'limited'
               else 'ready' end as state
 ) s
 where b.kind = 'account' and ($1::uuid is null or b.org = $1) and ($2::text is null or b.queue = $2)
   and ($3::uuid is null or b.id = $3)
   and ($4::timestamptz is null or (a.created_at, a.id) < ($4, $5::uuid))
 order by a.created_at desc, a.id desc
 limit $6::int
