-- redrive: send an open dead letter again, as a new job of the next generation.
--
-- $1 org uuid, $2 letter uuid, $3 job uuid (new), $4 by text, $5 blind boolean: an ambiguous one without a look first
-- $6 give_up_ms bigint, $7 may_wait boolean, $8 event uuid, $9 now timestamptz or null
-- $10 scheduled_at timestamptz or null: at once. A letter whose mark is kept is looked at at once, so it takes none.
--
-- returns  one row when it was redriven
--
-- The checkpoint is kept, so that what was minted once is used again. The mark of an ambiguous letter is kept too (as claim
-- 0 of the new job): its first claim looks and does not send. `blind` drops it, on a person's word that nothing is there.
with clock as (
  select coalesce($9::timestamptz, clock_timestamp()) as t
),
locked as materialized (
  select b.org, b.id, b.marked_job
    from buckets b
   where (b.org, b.id) in (select d.org, d.bucket from dead_letters d where d.org = $1 and d.id = $2)
   order by b.org, b.id
     for no key update
),
resolved as (
  update dead_letters d
     set resolved_at = (select t from clock), resolved_by = $4, resolved_how = 'redriven',
         resolved_note = case when $5 and d.class = 'ambiguous' then 'sent again without a look, on the operator''s word' end
    from locked l
   where d.org = $1 and d.id = $2 and d.bucket = l.id and d.resolved_at is null and d.kind = 'publish'
     -- the looks of one account must not overlap: what a list shows could be taken for the other's
     and not (d.exclusive and d.sent_at is not null and not $5 and l.marked_job is not null)
     and ($10::timestamptz is null or d.sent_at is null or $5)
  returning d.*
),
queued as (
  insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive, parts,
                    sent_claim, sent_at, answer_by, stage, checkpoint, absences, generation, payload, created_at)
  select r.org, $3, r.kind, r.queue, r.bucket, r.subject, 1, greatest($10::timestamptz, (select t from clock)),
         greatest($10::timestamptz, (select t from clock)) + $6::bigint * interval '1 millisecond', $7, r.exclusive, r.parts,
         case when r.sent_at is not null and not $5 then 0 end, case when not $5 then r.sent_at end,
         case when not $5 then r.answer_by end, r.stage, r.checkpoint, r.absences, r.generation + 1, r.payload,
         (select t from clock)
    from resolved r
  returning org, id, bucket, queue, subject, run_at, case when exclusive and sent_claim is not null then id end as marks
),
told as (
  update posts p
     set status = 'queued', error = null, scheduled_at = coalesce($10::timestamptz, p.scheduled_at),
         updated_at = (select t from clock)
    from queued q
   where p.org = q.org and p.id = q.subject
  returning p.id, p.platform, p.account, p.profile, p.scheduled_at
),
woken as (
  update buckets b
     set marked_job = coalesce(q.marks, b.marked_job),
         ready_at = case when b.paused then 'infinity'
                         else least(b.ready_at, greatest(b.blocked_until, q.run_at, clock_timestamp())) end
    from queued q
   where b.org = q.org and b.id = q.bucket
),
announced as (
  insert into events (org, id, type, subject, data, created_at)
  select $1, $8, 'post.queued', t.id,
         jsonb_build_object('id', t.id, 'platform', t.platform, 'accountId', t.account, 'profileId', t.profile,
                            'scheduledAt', t.scheduled_at, 'queuedAt', (select t from clock)),
         (select t from clock)
    from told t
),
called as (
  select pg_notify('due', q.queue) from queued q where q.run_at <= (select t from clock)
)
select q.subject as "post!", t.scheduled_at, (select count(*) from called) as "called!"
  from queued q
  left join told t on t.id = q.subject
