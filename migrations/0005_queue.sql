-- The queue. A job waits in a bucket, a bucket hangs under a queue; a claim takes jobs through the buckets.
--
-- Row layout: no column that a claim, a renewal or a mark writes stands in an index or in an index's predicate, so that
-- those updates stay within their page (HOT). That is why `jobs` has no index on state, lease or mark.

create table queues (
  name          text primary key,                              -- a platform's wire id, or `webhook`
  blocked_until timestamptz not null default '-infinity',      -- the platform's word, or the breaker's
  blocked_by    text,
  paused        boolean not null default false,                -- a person's word; no end
  paused_by     text
) with (fillfactor = 10, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

create table buckets (
  org           uuid not null,
  id            uuid not null,                                 -- an account's bucket has the account's id
  queue         text not null,
  kind          text not null check (kind in ('account', 'refresh', 'webhook')),
  subject       uuid not null,                                 -- the account or the endpoint
  host          text,                                          -- where users choose the host: what a host limit closes
  ready_at      timestamptz not null default 'infinity',       -- earliest instant at which a claim may succeed
  blocked_until timestamptz not null default '-infinity',
  blocked_by    text,
  paused        boolean not null default false,
  paused_by     text,
  limited_by    text,                                          -- what made `ready_at` late, when a due job waits behind it
  running       int not null default 0 check (running >= 0),   -- slots in use; moves only with a job's state
  sequence      bigint not null default 0,                     -- last minted sequence number, microseconds
  marked_job    uuid,                                          -- the one unresolved exclusive send
  primary key (org, id),
  constraint buckets_subject unique (org, kind, subject)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

create index buckets_ready on buckets (queue, ready_at);

create table workers (
  id         uuid primary key,
  name       text not null,                                    -- host/pid; shown, never compared
  version    text not null,
  queues     text[] not null,
  started_at timestamptz not null default now(),
  seen_at    timestamptz not null default now(),
  stopping   boolean not null default false
);

-- One claim's lease: who holds its jobs, and until when. Renewed by one statement per worker.
create table leases (
  id     uuid primary key,
  worker uuid not null,
  queue  text not null,
  until  timestamptz not null,
  orgs   uuid[] not null,
  jobs   uuid[] not null,
  check (cardinality(orgs) = cardinality(jobs))
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);

create table jobs (
  org                 uuid not null,
  id                  uuid not null,
  kind                text not null check (kind in ('publish', 'refresh', 'webhook')),
  queue               text not null,
  bucket              uuid not null,
  subject             uuid not null,                           -- the post, the account, the delivery
  priority            smallint not null check (priority between 0 and 2),  -- 0 a caller waits, 1 scheduled, 2 bulk
  run_at              timestamptz not null,                    -- 'infinity' while held
  give_up_at          timestamptz not null,
  state               text not null default 'queued' check (state in ('queued', 'running', 'held')),
  hold_reason         text check (hold_reason in ('account_needs_reauth', 'operator')),
  may_wait            boolean not null,                        -- scheduled: an account's trouble holds it instead of ending it
  failures            smallint not null default 0 check (failures between 0 and 100),
  deaths              smallint not null default 0 check (deaths between 0 and 100),
  looks               smallint not null default 0 check (looks between 0 and 1000),
  absences            smallint not null default 0,             -- how often a list read-back said "absent"
  claim               int not null default 0,                  -- the fence
  lease               uuid,
  claimed_at          timestamptz,
  sent_claim          int,                                     -- the send mark: this claim may have sent; 0: inherited
  sent_at             timestamptz,
  answer_by           timestamptz,                             -- a marked request is in the air until then at the latest
  exclusive           boolean not null,                        -- its sends must not overlap in one bucket
  parts               int not null default 1 check (parts >= 1),
  stage               text,
  checkpoint          bytea,                                   -- sealed
  receipt             jsonb,
  token_seen          int,
  generation          smallint not null default 0,
  after_job           uuid,
  cancel_requested_at timestamptz,
  awaited_until       timestamptz,
  payload             jsonb not null default '{}',
  created_at          timestamptz not null default now(),
  primary key (org, id),
  constraint jobs_single_flight unique (org, kind, subject),   -- one live job per post, per refresh, per delivery
  check ((state = 'running') = (lease is not null)),
  check ((state = 'held') = (hold_reason is not null)),
  check ((state = 'held') = (run_at = 'infinity')),
  check ((sent_claim is null) = (sent_at is null)),
  check (sent_claim is null or sent_claim <= claim)
) with (fillfactor = 60, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02);

create index jobs_head on jobs (org, bucket, priority, run_at, id);
create index jobs_deadline on jobs (queue, give_up_at);

-- The ledger: one complete row per claim that sent, failed or ended something; written once, by the settlement.
create table attempts (
  org               uuid not null,
  job               uuid not null,
  claim             int not null,
  kind              text not null,
  subject           uuid not null,
  queue             text not null,
  worker            uuid,
  started_at        timestamptz not null,
  ended_at          timestamptz not null,
  outcome           text not null
                    check (outcome in ('published', 'progressed', 'failed', 'unknown', 'absent', 'died', 'canceled')),
  settlement        text not null,
  class             text,
  code              text,
  message           text,
  rule              text,
  http_status       smallint,
  platform_response jsonb,
  primary key (org, job, claim)
);

create index attempts_of on attempts (org, subject, started_at);

-- Evidence of a publication that came after its claim was lost.
create table receipts (
  org     uuid not null,
  job     uuid not null,
  claim   int not null,
  post    uuid not null,
  receipt jsonb not null,
  at      timestamptz not null default now(),
  primary key (org, job, claim)
);

create index receipts_of on receipts (org, post);

-- A published bound. The platform's declaration has the nil organisation and the nil owner; an override names both.
create table limits (
  org       uuid not null,
  queue     text not null,
  scope     text not null check (scope in ('account', 'host', 'app', 'org')),
  owner     uuid not null,
  name      text not null,
  meter     text not null,
  kind      text not null check (kind in ('rate', 'window', 'calendar', 'slots')),
  counts    text not null check (counts in ('posts', 'calls')),
  max_units int not null check (max_units >= 0),
  units     int not null check (units > 0),                    -- cost of one part of a publication
  window_ms bigint check ((kind in ('window', 'rate')) = (window_ms is not null)),
  zone      text check ((kind = 'calendar') = (zone is not null)),
  burst     int check ((kind = 'rate') = (burst is not null)),
  primary key (org, queue, scope, owner, name)
);

-- A use of a meter: reserved while `at` is null, then dated by the settlement; deleted when given back.
create table charges (
  org    uuid not null,
  owner  uuid not null,
  meter  text not null,
  job    uuid not null,
  claim  int not null,
  counts text not null,
  units  int not null,
  at     timestamptz,
  primary key (org, owner, meter, job, claim)
) with (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.02);

create index charges_window on charges (org, owner, meter, at);
create index charges_open on charges (org, owner, job) where at is null;

create table dead_letters (
  org            uuid not null,
  id             uuid not null,
  job            uuid not null,
  kind           text not null,
  subject        uuid not null,
  queue          text not null,
  bucket         uuid not null,
  class          text not null
                 check (class in ('rejected', 'account_blocked', 'exhausted', 'expired', 'ambiguous', 'poison')),
  fingerprint    text not null,                                -- the same fault on a thousand posts has one fingerprint
  failure        jsonb not null,                               -- the last failure, classified
  failures       smallint not null,
  looks          smallint not null,
  claim          int not null,
  sent_at        timestamptz,                                  -- set: a send is unresolved
  answer_by      timestamptz,                                  -- it was in the air until then at the latest
  stage          text,
  checkpoint     bytea,
  absences       smallint not null default 0,
  exclusive      boolean not null,
  parts          int not null,
  generation     smallint not null,
  payload        jsonb not null,
  created_at     timestamptz not null default now(),
  resolved_at    timestamptz,
  resolved_by    text,
  resolved_how   text check (resolved_how in ('redriven', 'discarded', 'confirmed_published', 'confirmed_absent')),
  resolved_note  text,
  primary key (org, id),
  constraint dead_letters_job unique (org, job),
  check ((resolved_at is null) = (resolved_how is null))
);

create index dead_letters_newest on dead_letters (org, created_at desc, id desc);
create index dead_letters_open on dead_letters (queue, class) where resolved_at is null;
create index dead_letters_of on dead_letters (org, subject);

-- The outbox: what happened, in the words of the webhook catalogue. Written by the transaction that made it happen.
create table events (
  org        uuid not null,
  id         uuid not null,
  type       text not null,
  subject    uuid not null,                                    -- the post or the account
  data       jsonb not null,
  created_at timestamptz not null default now(),
  primary key (org, id)
);

create index events_of on events (org, subject, created_at);

-- What a reader sees of a post: the stored status refined by its live job, its account and media, and why it waits.
create view shown_posts as
select p.*, s.shown, j.id as job, j.run_at, j.give_up_at,
       a.platform_account_id, a.display_name, a.handle,
       coalesce((select jsonb_agg(jsonb_build_object('mediaId', m.media, 'kind', m.kind, 'altText', m.alt_text)
                                  || case when m.captions = '[]' then '{}'
                                          else jsonb_build_object('captions', m.captions) end
                                  order by m.position)
                   from post_media m where m.org = p.org and m.post = p.id and not m.in_options), '[]') as media,
       w.reason as waiting_reason, w.since as waiting_since, w.until as waiting_until
  from posts p
  left join jobs j on j.org = p.org and j.kind = 'publish' and j.subject = p.id
  left join accounts a on a.org = p.org and a.id = p.account
 cross join lateral (
   select case when p.status <> 'queued' then p.status
               when j.state = 'running' or j.checkpoint is not null or j.receipt is not null or j.sent_claim is not null
                 then 'publishing'
               else 'queued' end as shown
 ) s
  left join lateral (
    -- the first reason that applies; the order is the vocabulary's
    select case when j.hold_reason = 'account_needs_reauth' or a.status = 'needs_reauth' then 'account_needs_reauth'
                when b.paused or j.hold_reason = 'operator' then 'account_paused'
                when q.paused then 'platform_paused'
                when j.run_at > clock_timestamp() and j.run_at is not distinct from p.scheduled_at then 'not_due'
                when j.run_at > clock_timestamp() then 'platform_backoff'
                when greatest(b.blocked_until, q.blocked_until) > clock_timestamp() then 'platform_backoff'
                when b.limited_by = 'slots' then 'slots'
                when b.limited_by = 'verifying' then 'after_other'
                when b.limited_by is not null then 'account_limit'
                when not exists (select from workers k where p.platform = any(k.queues) and not k.stopping
                                    and k.seen_at > clock_timestamp() - interval '2 minutes') then 'no_worker'
           end as reason,
           p.created_at as since,
           case when b.paused or q.paused or j.hold_reason is not null then null
                when j.run_at > clock_timestamp() then j.run_at
                when greatest(b.blocked_until, q.blocked_until) > clock_timestamp()
                  then greatest(b.blocked_until, q.blocked_until)
                when b.limited_by is not null and b.ready_at < 'infinity' then b.ready_at end as until
      from buckets b
      join queues q on q.name = b.queue
     where s.shown = 'queued' and b.org = j.org and b.id = j.bucket
  ) w on true;
