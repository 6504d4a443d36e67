-- reconcile_accounts: what a settlement and a reconnection that met could not see of each other.
--
-- $1 queues text[], $2 now timestamptz or null
--
-- returns  how many jobs were resumed or hurried
--
-- Looks only at accounts that changed lately. Active again: its bucket opens, and what was held for a reconnection waits for
-- its turn. In need of its owner: a caller who waits is answered at once, through the overdue path.
with clock as (
  select coalesce($2::timestamptz, clock_timestamp()) as t
),
changed as materialized (
  select a.org, a.id, a.status
    from accounts a
   where a.platform = any($1::text[]) and a.updated_at > (select t from clock) - interval '15 minutes'
),
locked as materialized (
  select b.org, b.id, c.status
    from changed c
    join buckets b on b.org = c.org and b.id = c.id
   where (c.status = 'active' and b.paused_by = 'account_needs_reauth')
      or exists (select from jobs j
                  where j.org = b.org and j.bucket = b.id
                    and ((c.status = 'active' and j.state = 'held' and j.hold_reason = 'account_needs_reauth')
                         or (c.status = 'needs_reauth' and j.state = 'queued' and not j.may_wait and j.sent_claim is null
                             and j.give_up_at > (select t from clock))))
   order by b.org, b.id
     for no key update of b skip locked
),
resumed as (
  update jobs j
     set state = 'queued', hold_reason = null, run_at = (select t from clock)
    from locked l
   where l.status = 'active' and j.org = l.org and j.bucket = l.id and j.state = 'held'
     and j.hold_reason = 'account_needs_reauth'
  returning 1
),
hurried as (
  update jobs j
     set give_up_at = (select t from clock) - interval '2 minutes'
    from locked l
   where l.status = 'needs_reauth' and j.org = l.org and j.bucket = l.id and j.state = 'queued' and not j.may_wait
     and j.sent_claim is null and j.give_up_at > (select t from clock)
  returning 1
),
reopened as (
  update buckets b
     set paused = b.paused and b.paused_by is distinct from 'account_needs_reauth',
         paused_by = case when b.paused_by = 'account_needs_reauth' then null else b.paused_by end,
         ready_at = case when b.paused and b.paused_by is distinct from 'account_needs_reauth' then 'infinity'
                         else greatest(b.blocked_until, (select t from clock)) end
    from locked l
   where l.status = 'active' and b.org = l.org and b.id = l.id
)
select (select count(*) from resumed) + (select count(*) from hurried) as "count!"
