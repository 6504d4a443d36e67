-- connect_account: store a granted account with its buckets, or renew the one that is there already.
--
-- $1 org, $2 id (if new), $3 profile (if new), $4 platform, $5 platform_account_id, $6 display_name, $7 handle
-- $8 profile_data jsonb, $9 scopes text[], $10 sealed bytea, $11 token_expires_at, $12 refresh bucket uuid (if new)
-- $13 host text or null, $14 now timestamptz or null, $15 token_renewable, $16 known boolean: the id was found, not made
--
-- returns  the account's id; none when it is not as the caller found it: connected, or disconnected, by somebody else meanwhile
--
-- A renewed account keeps id and profile; its buckets open, and what was held for a reconnection waits for its turn again.
-- The tokens are sealed for the id: the caller looks it up first and seals for the one that will be stored. An id that was
-- disconnected meanwhile never comes back: its bucket is gone, whatever this statement's snapshot says of its account.
with clock as (
  select coalesce($14::timestamptz, clock_timestamp()) as t
),
known as materialized (
  select a.id from accounts a where a.org = $1 and a.platform = $4 and a.platform_account_id = $5
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where b.org = $1 and b.subject in (select k.id from known k)
   order by b.org, b.id
     for no key update
),
stored as (
  insert into accounts as a (org, id, profile, platform, platform_account_id, display_name, handle, profile_data, scopes,
                             sealed_tokens, token_expires_at, token_renewable)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $15
   where $16::boolean = ((select count(*) from locked) > 0)
  on conflict on constraint accounts_identity do update
     set display_name = excluded.display_name, handle = excluded.handle, profile_data = excluded.profile_data,
         scopes = excluded.scopes, sealed_tokens = excluded.sealed_tokens,
         token_generation = a.token_generation + 1, token_expires_at = excluded.token_expires_at,
         token_renewable = excluded.token_renewable,
         token_refreshed_at = null, status = 'active', status_reason = null, updated_at = (select t from clock)
   where a.id = $2
  returning a.id, not $16::boolean as created
),
-- the queue is known from its first account on, also before any worker serves it
listed as (
  insert into queues (name) select $4 from stored s on conflict do nothing
),
opened as (
  insert into buckets as b (org, id, queue, kind, subject, host)
  select $1, s.id, $4, 'account', s.id, $13 from stored s where s.created
  union all
  select $1, $12, $4, 'refresh', s.id, $13 from stored s where s.created
  returning b.id
),
-- Locked before it is looked at: a job that became held while this statement stood in line is resumed too. It has no lease
-- then, but a check constraint is asked first about the row as the snapshot has it.
waiting as materialized (
  select j.id, j.hold_reason
    from jobs j
   where j.org = $1 and j.bucket = $2 and j.state in ('running', 'held')
     and (select count(*) from locked) >= 0
   order by j.id
     for no key update
),
resumed as (
  update jobs j
     set state = 'queued', hold_reason = null, run_at = (select t from clock), lease = null
    from stored s
   cross join waiting w
   where not s.created and j.org = $1 and j.id = w.id and w.hold_reason = 'account_needs_reauth'
),
reopened as (
  update buckets b
     set paused = b.paused and b.paused_by is distinct from 'account_needs_reauth',
         paused_by = case when b.paused_by = 'account_needs_reauth' then null else b.paused_by end,
         blocked_until = case when b.blocked_by = 'token' then '-infinity' else b.blocked_until end,
         blocked_by = case when b.blocked_by = 'token' then null else b.blocked_by end, host = $13,
         ready_at = case when b.paused and b.paused_by is distinct from 'account_needs_reauth' then 'infinity'
                         when b.blocked_by = 'token' then (select t from clock)
                         else greatest(b.blocked_until, (select t from clock)) end
    from stored s
   where not s.created and b.org = $1 and b.subject = s.id
)
select s.id as "id!" from stored s
