-- settle: write the outcomes of a batch of attempts, each with everything it implies, in one commit (I8).
--
-- $1 settlements jsonb   an array; the fields are those of `settled` below, written by store::queue::Settlement
-- $2 now timestamptz or null
--
-- returns  (org, job, claim) of every settlement that held its fence; the others changed nothing
--
-- Lock order: buckets by id → jobs → the rest. Nothing here touches a queue's row except to close it.
-- A mark that a settlement keeps stays with the job; whatever resolves it also forgets the looks.
with clock as (
  select coalesce($2::timestamptz, clock_timestamp()) as t
),
settled as materialized (
  select *
    from jsonb_to_recordset($1::jsonb) as s (
      org uuid, job uuid, claim int, kind text, after_ms bigint,
      failures int, looks int, deaths int, absences int,
      resolves_mark boolean, expired_lease_only boolean, seen_sent_claim int,
      checkpoint text, stage text, drops_checkpoint boolean, receipt jsonb,
      hold_reason text, token_seen int,
      blocks_ms bigint, blocked_by text, closes_queue_ms bigint, pauses_queue boolean,
      refreshes_token boolean, account_status text, account_reason text,
      outcome text, class text, code text, message text, rule text, http_status int, platform_response jsonb,
      post_status text, post_receipt jsonb, post_warnings jsonb, post_error jsonb,
      letter uuid, letter_class text, fingerprint text, failure jsonb,
      sealed_tokens text, token_generation int, token_expires_at timestamptz, profile jsonb, host text,
      refresh_job uuid, refresh_give_up_ms bigint, event uuid, event_type text, event_data jsonb
    )
),
-- the account whose other bucket this settlement may touch: a refused token, a fresh one, a person who must act
accounts_touched as materialized (
  select distinct s.org, case j.kind when 'refresh' then j.subject else j.bucket end as account
    from settled s
    join jobs j on j.org = s.org and j.id = s.job
   where s.refreshes_token or s.sealed_tokens is not null or s.account_status is not null
),
bucket_ids as materialized (
  select j.org, j.bucket as id from settled s join jobs j on j.org = s.org and j.id = s.job
  union
  select b.org, b.id from accounts_touched a join buckets b on b.org = a.org and b.kind = 'account' and b.subject = a.account
  union
  select b.org, b.id from accounts_touched a join buckets b on b.org = a.org and b.kind = 'refresh' and b.subject = a.account
),
buckets_locked as materialized (
  select b.org, b.id, b.kind, b.subject
    from bucket_ids i
    join buckets b on b.org = i.org and b.id = i.id
   order by b.org, b.id
     for no key update of b
),
-- their newest versions, whatever this statement's snapshot says of them
accounts_locked as materialized (
  select a.org, a.id, a.status, a.token_generation, a.token_refreshed_at, a.token_expires_at
    from accounts_touched t
    join accounts a on a.org = t.org and a.id = t.account
   where (select count(*) from buckets_locked) >= 0
   order by a.org, a.id
     for no key update of a
),
held as materialized (
  select j.org, j.id, j.claim, j.kind as job_kind, j.queue, j.bucket, j.subject, j.priority, j.run_at, j.lease,
         j.claimed_at, j.failures, j.looks, j.absences, j.sent_claim, j.sent_at, j.exclusive, j.parts, j.stage,
         j.checkpoint, j.generation, j.payload, j.awaited_until, j.answer_by, j.receipt as stored_receipt,
         case j.kind when 'refresh' then j.subject else j.bucket end as account
    from jobs j
   where (j.org, j.id) in (select s.org, s.job from settled s)
     and j.state = 'running'
     and (select count(*) from buckets_locked) >= 0
   order by j.org, j.id
     for no key update
),
-- What a reaper may end: a lease that is over, and that nobody renews at this moment.
leases_over as materialized (
  select l.id
    from leases l
   where l.id in (select h.lease from held h join settled s on s.org = h.org and s.job = h.id and s.expired_lease_only)
     and l.until < (select t from clock)
     for no key update skip locked
),
-- whoever reports an account's trouble with a token that was replaced meanwhile reports the past: the job just waits its turn
fenced as materialized (
  select h.*, case when o.outdated and s.kind = 'hold' then 'snooze' else s.kind end as kind, s.after_ms,
         s.failures as more_failures, s.looks as more_looks, s.deaths as more_deaths,
         s.absences as more_absences, s.resolves_mark, s.checkpoint as new_checkpoint, s.stage as new_stage,
         s.drops_checkpoint, s.receipt, s.hold_reason, s.token_seen, s.blocks_ms, s.blocked_by, s.closes_queue_ms,
         s.pauses_queue, s.refreshes_token,
         case when not o.outdated then s.account_status end as account_status, s.account_reason,
         s.outcome, s.class, s.code, s.message,
         s.rule, s.http_status, s.platform_response, s.post_status, s.post_receipt, s.post_warnings, s.post_error,
         s.letter, s.letter_class, s.fingerprint, s.failure, s.sealed_tokens, s.token_generation, s.token_expires_at,
         s.profile, s.host,
         s.refresh_job, s.refresh_give_up_ms,
         case when not (o.outdated and s.event_type = 'token.revoked') then s.event end as event, s.event_type, s.event_data,
         s.kind in ('complete', 'cancel', 'dead_letter') as ends,
         (select t from clock) + coalesce(s.after_ms, 0) * interval '1 millisecond' as due_at
    from settled s
    join held h on h.org = s.org and h.id = s.job and h.claim = s.claim
   cross join lateral (
     select s.account_status = 'needs_reauth' and coalesce((
       select a.token_generation > s.token_seen from accounts_locked a where a.org = h.org and a.id = h.account), false) as outdated
   ) o
   where not coalesce(s.expired_lease_only, false)
      or (h.sent_claim is not distinct from s.seen_sent_claim
          and exists (select from leases_over l where l.id = h.lease))
),
ended as (
  delete from jobs j
   using fenced f
   where f.ends and j.org = f.org and j.id = f.id
  returning 1
),
kept as (
  update jobs j
     set state = case when f.kind = 'hold' then 'held' else 'queued' end,
         hold_reason = case when f.kind = 'hold' then f.hold_reason end,
         run_at = case when f.kind = 'hold' then 'infinity'
                       when f.kind = 'release' and f.after_ms = 0 then j.run_at
                       else f.due_at end,
         lease = null,
         failures = j.failures + coalesce(f.more_failures, 0),
         looks = case when f.resolves_mark then 0 else j.looks + coalesce(f.more_looks, 0) end,
         deaths = case when f.more_deaths > 0 then j.deaths + f.more_deaths
                       when f.kind = 'release' then j.deaths else 0 end,
         absences = j.absences + coalesce(f.more_absences, 0),
         sent_claim = case when f.resolves_mark then null else j.sent_claim end,
         sent_at = case when f.resolves_mark then null else j.sent_at end,
         answer_by = case when f.resolves_mark then null else j.answer_by end,
         checkpoint = case when f.drops_checkpoint then null
                           when f.new_checkpoint is not null then decode(f.new_checkpoint, 'base64')
                           else j.checkpoint end,
         stage = case when f.drops_checkpoint then null else coalesce(f.new_stage, j.stage) end,
         receipt = coalesce(f.receipt, j.receipt),
         token_seen = coalesce(f.token_seen, j.token_seen)
    from fenced f
   where not f.ends and j.org = f.org and j.id = f.id
  returning 1
),
noted as (
  insert into attempts (org, job, claim, kind, subject, queue, worker, started_at, ended_at, outcome, settlement,
                        class, code, message, rule, http_status, platform_response)
  select f.org, f.id, f.claim, f.job_kind, f.subject, f.queue, l.worker, f.claimed_at, (select t from clock), f.outcome,
         f.kind, f.class, f.code, f.message, f.rule, f.http_status, f.platform_response
    from fenced f
    left join leases l on l.id = f.lease
   where f.outcome is not null
),
told as (
  update posts p
     set status = f.post_status,
         published_at = case when f.post_status = 'published' then (select t from clock) end,
         receipt = coalesce(f.post_receipt, f.stored_receipt, p.receipt),
         warnings = p.warnings || coalesce(f.post_warnings, '[]'),
         error = f.post_error,
         updated_at = (select t from clock)
    from fenced f
   where f.post_status is not null and p.org = f.org and p.id = f.subject
),
-- Charges. `posts` are given back unless something took effect or may have; `calls` are used by the mark itself.
dated as (
  update charges c
     set at = (select t from clock)
    from fenced f
   where c.org = f.org and c.owner = f.bucket and c.job = f.id and c.at is null
     and f.kind in ('complete', 'cancel', 'dead_letter', 'retry', 'snooze', 'hold', 'release')
     and (f.kind = 'complete' or f.letter_class = 'ambiguous' or (c.counts = 'calls' and f.sent_claim is not null))
     and not (f.kind in ('snooze', 'hold', 'release') and not coalesce(f.resolves_mark, false) and f.sent_claim is not null)
),
given_back as (
  delete from charges c
   using fenced f
   where c.org = f.org and c.owner = f.bucket and c.job = f.id and c.at is null
     and f.kind in ('cancel', 'dead_letter', 'retry', 'snooze', 'hold', 'release', 'verify')
     and f.letter_class is distinct from 'ambiguous'
     and (c.counts = 'posts' or f.sent_claim is null)
     and not (f.kind in ('snooze', 'hold', 'release', 'verify') and not coalesce(f.resolves_mark, false) and f.sent_claim is not null)
),
buried as (
  insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures, looks, claim,
                            sent_at, answer_by, stage, checkpoint, absences, exclusive, parts, generation, payload, created_at)
  select f.org, f.letter, f.id, f.job_kind, f.subject, f.queue, f.bucket, f.letter_class, f.fingerprint, f.failure,
         f.failures + coalesce(f.more_failures, 0), f.looks, f.claim,
         case when f.letter_class = 'ambiguous' then f.sent_at end,
         case when f.letter_class = 'ambiguous' then f.answer_by end, f.stage, f.checkpoint, f.absences, f.exclusive, f.parts,
         f.generation, f.payload, (select t from clock)
    from fenced f
   where f.kind = 'dead_letter' and f.letter is not null
),
-- A refused token: ask for a fresh one unless it is there already; the account waits for it. One that was refused although
-- it is fresh closes the account for a while, so that no loop of refreshes begins.
stale_tokens as materialized (
  select distinct on (f.org, f.account) f.org, f.account, f.refresh_job, f.refresh_give_up_ms, f.queue,
         coalesce(a.token_refreshed_at > (select t from clock) - interval '5 minutes'
                  and coalesce(a.token_expires_at > (select t from clock), true), false) as refused_fresh
    from fenced f
    join accounts_locked a on a.org = f.org and a.id = f.account
     and a.status = 'active' and a.token_generation <= f.token_seen
   where f.refreshes_token
   order by f.org, f.account, f.refresh_job
),
refreshing as (
  insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive)
  select s.org, s.refresh_job, 'refresh', s.queue, b.id, s.account, 0, (select t from clock),
         (select t from clock) + s.refresh_give_up_ms * interval '1 millisecond', true, false
    from stale_tokens s
    join buckets b on b.org = s.org and b.kind = 'refresh' and b.subject = s.account
   where not s.refused_fresh
  on conflict on constraint jobs_single_flight do nothing
),
account_states as (
  update accounts a
     set status = coalesce(n.status, a.status),
         status_reason = case when n.status = 'active' then null else coalesce(n.reason, a.status_reason) end,
         sealed_tokens = coalesce(n.sealed_tokens, a.sealed_tokens),
         token_generation = a.token_generation + case when n.sealed_tokens is null then 0 else 1 end,
         token_expires_at = case when n.sealed_tokens is null then a.token_expires_at else n.token_expires_at end,
         token_refreshed_at = case when n.sealed_tokens is null then a.token_refreshed_at else (select t from clock) end,
         profile_data = coalesce(n.profile, a.profile_data),
         updated_at = (select t from clock)
    from (select f.org, f.account, max(f.account_status) as status, max(f.account_reason) as reason,
                 decode(max(f.sealed_tokens), 'base64') as sealed_tokens, max(f.token_generation) as expected,
                 max(f.token_seen) filter (where f.account_status is not null) as seen,
                 max(f.token_expires_at) as token_expires_at,
                 (array_agg(f.profile) filter (where f.profile is not null))[1] as profile, max(f.host) as host
            from fenced f
           where f.account_status is not null or f.sealed_tokens is not null
           group by f.org, f.account) n
    join accounts_locked l on l.org = n.org and l.id = n.account
   where a.org = n.org and a.id = n.account
     and (n.expected is null or a.token_generation = n.expected)
     and (n.seen is null or a.token_generation <= n.seen)
  returning a.org, a.id, a.status, n.host, n.sealed_tokens is not null as refreshed
),
-- Per bucket: slots given back, what is due next, how long it is closed, whether it opens or pauses.
settled_of as materialized (
  select f.org, f.bucket as id, count(*)::int as settled,
         min(case when f.kind = 'release' and f.after_ms = 0 then f.run_at else f.due_at end)
           filter (where not f.ends and f.kind <> 'hold') as due_at,
         max(f.blocks_ms) as blocks_ms, max(f.blocked_by) filter (where f.blocks_ms is not null) as blocked_by,
         array_agg(f.id) filter (where f.ends or f.resolves_mark) as unmarked
    from fenced f
   group by f.org, f.bucket
),
changes as materialized (
  select b.org, b.id, b.kind, coalesce(o.settled, 0) as settled, o.due_at, o.blocked_by, o.unmarked,
         (select t from clock) + o.blocks_ms * interval '1 millisecond' as blocks_until,
         t.account is not null as waits_for_token,
         case when b.kind = 'account' and t.account is not null
              then (select t from clock) + interval '30 minutes' end as token_until,
         a.host, coalesce(a.refreshed, false) as refreshed, coalesce(a.status = 'needs_reauth', false) as needs_reauth
    from buckets_locked b
    left join settled_of o on o.org = b.org and o.id = b.id
    left join stale_tokens t on t.org = b.org and t.account = b.subject
    left join account_states a on a.org = b.org and a.id = b.subject
),
woken as (
  update buckets b
     set running = b.running - c.settled, host = coalesce(c.host, b.host),
         marked_job = case when b.marked_job = any(c.unmarked) then null else b.marked_job end,
         paused = b.paused or (c.needs_reauth and b.kind = 'account'),
         paused_by = case when c.needs_reauth and b.kind = 'account' then coalesce(b.paused_by, 'account_needs_reauth')
                          else b.paused_by end,
         blocked_until = case when c.refreshed and b.blocked_by = 'token' then '-infinity'
                              else greatest(b.blocked_until, c.blocks_until, c.token_until) end,
         blocked_by = case when c.refreshed and b.blocked_by = 'token' then null
                           when c.token_until >= greatest(b.blocked_until, c.blocks_until) then 'token'
                           when c.blocks_until >= b.blocked_until then c.blocked_by
                           else b.blocked_by end,
         ready_at = case when b.paused or (c.needs_reauth and b.kind = 'account') then 'infinity'
                         when c.refreshed and b.blocked_by = 'token' then (select t from clock)
                         else greatest(b.blocked_until, c.blocks_until, c.token_until,
                                       least(b.ready_at, c.due_at,
                                             case when b.limited_by is not null or (c.waits_for_token and b.kind = 'refresh')
                                                  then (select t from clock) end)) end
    from changes c
   where b.org = c.org and b.id = c.id
),
-- A caller who waits learns at once that the account needs its owner; scheduled posts of it wait.
hurried as (
  update jobs j
     set give_up_at = (select t from clock) - interval '2 minutes'
    from account_states a
   where a.status = 'needs_reauth' and j.org = a.org and j.bucket = a.id and j.state = 'queued'
     and not j.may_wait and j.sent_claim is null
     and not exists (select from fenced f where f.org = j.org and f.id = j.id)
),
closed as (
  update queues q
     set blocked_until = greatest(q.blocked_until, (select t from clock) + n.closes_ms * interval '1 millisecond'),
         blocked_by = case when n.closes_ms is not null then n.by else q.blocked_by end,
         paused = q.paused or n.pauses,
         paused_by = case when n.pauses then coalesce(q.paused_by, n.by) else q.paused_by end
    from (select f.queue, max(f.closes_queue_ms) as closes_ms, bool_or(coalesce(f.pauses_queue, false)) as pauses,
                 max(f.blocked_by) as by
            from fenced f
           where f.closes_queue_ms is not null or f.pauses_queue
           group by f.queue) n
   where q.name = n.queue
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select f.org, f.event, f.event_type, case when f.event_type like 'token.%' then f.account else f.subject end,
         f.event_data || case f.event_type
                           when 'post.published' then jsonb_build_object('publishedAt', (select t from clock))
                           when 'post.rejected' then jsonb_build_object('rejectedAt', (select t from clock))
                           when 'post.failed' then jsonb_build_object('rejectedAt', (select t from clock))
                           when 'post.canceled' then jsonb_build_object('canceledAt', (select t from clock))
                           else '{}' end,
         (select t from clock)
    from fenced f
   where f.event is not null
),
-- One notification for all callers who still wait; it only shortens their poll.
called as (
  select pg_notify('settled', '') from (select 1 from fenced f
    where f.ends and f.awaited_until > (select t from clock) limit 1) one
)
select f.org as "org!", f.id as "job!", f.claim as "claim!", f.subject as "subject!", (select count(*) from called) as "called!"
  from fenced f
