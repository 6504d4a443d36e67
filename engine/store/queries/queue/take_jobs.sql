-- take_jobs: lease the most urgent due jobs of the given, already locked, buckets.
--
-- $1 orgs uuid[], $2 buckets uuid[]   the buckets locked by lock_buckets in this transaction
-- $3 queue text                       their queue, locked by lock_queue
-- $4 room int                         upper bound on rows returned; > 0
-- $5 worker uuid, $6 lease uuid       who takes them; a fresh lease id
-- $7 lease_ms bigint                  how long they are leased
-- $8 now timestamptz or null          the database's clock unless a test says otherwise
--
-- returns  one row per leased job, most urgent first; its `claim` is the fence for mark, renew and settle
-- writes   jobs (queued → running), leases (one row), charges (reservations, I5)
-- index    jobs_head (org, bucket, priority, run_at, id); the update stays HOT
--
-- Runs as its own statement after the locks, so that its snapshot contains every enqueue that committed before them.
-- Each bucket gets its first job before any gets its second: urgent and old first within an account, fair between them.
-- A job whose charge is still open (a poll, a look) rides on it; the others are charged in all meters or not taken.
with clock as (
  select coalesce($8::timestamptz, clock_timestamp()) as t
),
locked as materialized (
  select b.org, b.id, b.kind, b.running, b.sequence, b.marked_job
    from unnest($1::uuid[], $2::uuid[]) as l (org, id)
    join buckets b on b.org = l.org and b.id = l.id
   where not b.paused and b.blocked_until <= (select t from clock)
),
-- the limits in force for each bucket: the platform's declaration unless the account has one of its own
bounds as materialized (
  select distinct on (b.org, b.id, l.name)
         b.org, b.id, l.name, l.meter, l.kind, l.counts, l.max_units, l.units, l.window_ms, b.running
    from locked b
    join limits l on l.queue = $3 and l.scope = 'account'
     and (l.owner = '00000000-0000-0000-0000-000000000000' or (l.org = b.org and l.owner = b.id))
   where b.kind = 'account'
   order by b.org, b.id, l.name, l.owner desc
),
-- parts that each bucket may still publish, and jobs that it may still run
rooms as materialized (
  select b.org, b.id, b.marked_job,
         coalesce(min(greatest(0, x.max_units - (
           select coalesce(sum(c.units), 0) from charges c
            where c.org = x.org and c.owner = x.id and c.meter = x.meter and c.at is null
         ) - (
           select coalesce(sum(c.units), 0) from charges c
            where c.org = x.org and c.owner = x.id and c.meter = x.meter
              and c.at > (select t from clock) - x.window_ms * interval '1 millisecond'
         )) / x.units) filter (where x.kind = 'window'), 2147483647) as parts,
         coalesce(min(greatest(0, x.max_units - x.running)) filter (where x.kind = 'slots'), 2147483647) as slots
    from locked b
    left join bounds x on x.org = b.org and x.id = b.id
   group by b.org, b.id, b.marked_job
),
-- jobs that ride on an open charge: polls and looks; found through the charges, so that nothing waits in front of them
riders as materialized (
  select distinct h.org, r.id as bucket, h.id, h.priority, h.run_at, 0 as parts
    from rooms r
    join charges c on c.org = r.org and c.owner = r.id and c.at is null
    join jobs h on h.org = c.org and h.id = c.job
   where h.state = 'queued' and h.run_at <= (select t from clock)
),
heads as materialized (
  select r.org, r.id as bucket, j.id, j.priority, j.run_at, j.parts
    from rooms r
   cross join generate_series(0, 2) as p (priority)
   cross join lateral (
     select h.id, h.priority, h.run_at, h.parts
       from jobs h
      where h.org = r.org and h.bucket = r.id and h.priority = p.priority
        and h.run_at <= (select t from clock) and h.state = 'queued'
        -- while another send of the bucket is unresolved, an exclusive job could only be turned away
        and (not h.exclusive or r.marked_job is null or h.id = r.marked_job)
        -- a rider must not take the place of the job behind it
        and (h.org, h.id) not in (select k.org, k.id from riders k)
      order by h.run_at, h.id
      limit least($4::int, r.slots, r.parts)
   ) j
),
-- `n` counts only what fits: the others take no slot from the riders behind them
ranked as materialized (
  select l.*, count(*) filter (where l.parts = 0 or l.parts_so_far <= l.room_parts)
                over (partition by l.org, l.bucket order by l.priority, l.run_at, l.id) as n
    from (
      select r.parts as room_parts, r.slots as room_slots, j.*,
             sum(j.parts) over (partition by j.org, j.bucket order by j.priority, j.run_at, j.id) as parts_so_far
        from (select * from riders union all select * from heads) j
        join rooms r on r.org = j.org and r.id = j.bucket
    ) l
),
picked as materialized (
  select h.org, h.id, h.bucket, h.n, h.parts = 0 as charged
    from ranked h
   where h.n <= h.room_slots and (h.parts = 0 or h.parts_so_far <= h.room_parts)
   order by h.n, h.priority, h.run_at, h.org, h.id
   limit $4::int
),
taken as (
  update jobs j
     set state = 'running', claim = j.claim + 1, lease = $6, claimed_at = (select t from clock)
    from picked p
   where j.org = p.org and j.id = p.id and j.state = 'queued' and j.run_at <= (select t from clock)
  returning j.*, p.n, p.charged
),
leased as (
  insert into leases (id, worker, queue, until, orgs, jobs)
  select $6, $5, $3, (select t from clock) + $7::bigint * interval '1 millisecond',
         array_agg(t.org order by t.id), array_agg(t.id order by t.id)
    from taken t
  having count(*) > 0
),
charged as (
  insert into charges (org, owner, meter, job, claim, counts, units)
  select t.org, t.bucket, x.meter, t.id, t.claim, min(x.counts), max(x.units) * min(t.parts)
    from taken t
    join bounds x on x.org = t.org and x.id = t.bucket and x.kind = 'window'
   where not t.charged and t.kind = 'publish'
   group by t.org, t.bucket, x.meter, t.id, t.claim
),
minted as (
  select t.org, t.id,
         greatest(b.sequence, (extract(epoch from (select t from clock)) * 1000000)::bigint)
           + row_number() over (partition by t.org, t.bucket order by t.n) as sequence
    from taken t
    join locked b on b.org = t.org and b.id = t.bucket
)
select t.org as "org!", t.id as "job!", t.kind as "kind!", t.queue as "queue!", t.bucket as "bucket!",
       t.subject as "subject!", t.priority as "priority!", t.run_at as "run_at!",
       t.give_up_at as "give_up_at!", t.may_wait as "may_wait!",
       t.failures as "failures!", t.deaths as "deaths!", t.looks as "looks!", t.absences as "absences!",
       t.claim as "claim!", t.lease as "lease!", t.claimed_at as "claimed_at!", t.sent_claim, t.sent_at, t.answer_by,
       t.exclusive as "exclusive!", t.parts as "parts!", t.stage, t.checkpoint, t.receipt, t.token_seen,
       t.generation as "generation!", t.cancel_requested_at, t.payload as "payload!", m.sequence as "sequence!"
  from taken t
  join minted m on m.org = t.org and m.id = t.id
 order by t.n, t.priority, t.run_at, t.id
