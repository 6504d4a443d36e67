-- replace_tokens: keep fresh tokens whose refresh lost its lease before it could settle: compare-and-set on their generation.
--
-- $1 org, $2 account, $3 expected generation int, $4 sealed bytea, $5 token_expires_at
-- $6 profile jsonb and $7 host text: what the account's are from now on; null leaves them as they are
--
-- returns  one row when they were kept; none when somebody stored newer ones
with locked as materialized (
  select b.org, b.id
    from buckets b
   where b.org = $1 and b.kind = 'account' and b.subject = $2
     for no key update
),
kept as (
  update accounts a
     set sealed_tokens = $4, token_generation = a.token_generation + 1, token_expires_at = $5,
         profile_data = coalesce($6::jsonb, a.profile_data),
         token_refreshed_at = clock_timestamp(), updated_at = clock_timestamp()
    from locked l
   where a.org = $1 and a.id = $2 and a.token_generation = $3
  returning a.id
),
reopened as (
  update buckets b
     set host = coalesce($7::text, b.host),
         blocked_until = case when b.blocked_by = 'token' then '-infinity' else b.blocked_until end,
         blocked_by = case when b.blocked_by = 'token' then null else b.blocked_by end,
         ready_at = case when b.paused then 'infinity'
                         when b.blocked_by = 'token' then clock_timestamp() else b.ready_at end
    from kept k
   where b.org = $1 and b.kind = 'account' and b.subject = k.id
)
select k.id from kept k
