-- read_expired: running jobs whose lease is over, and whose marked request can no longer be in the air.
--
-- $1 queues text[], $2 room int, $3 grace_ms bigint, $4 now timestamptz or null
--
-- Reads only: the engine settles each under its fence, so the true holder and a second reaper do no harm.
with clock as (
  select coalesce($4::timestamptz, clock_timestamp()) as t
)
select j.org as "org!", j.id as "job!", j.claim as "claim!", j.kind as "kind!", j.queue as "queue!",
       j.bucket as "bucket!", j.subject as "subject!", j.failures as "failures!", j.deaths as "deaths!",
       j.looks as "looks!", j.absences as "absences!", j.sent_claim, j.receipt is not null as "public!",
       j.give_up_at <= (select t from clock) as "expired!", j.may_wait as "may_wait!",
       coalesce(w.stopping, false) as "stopping!"
  from leases l
 cross join lateral unnest(l.orgs, l.jobs) as r (org, job)
  join jobs j on j.org = r.org and j.id = r.job and j.lease = l.id
  left join workers w on w.id = l.worker
 where l.until < (select t from clock) - $3::bigint * interval '1 millisecond'
   and l.queue = any($1::text[])
   and (j.sent_claim is distinct from j.claim
        or j.answer_by < (select t from clock) - $3::bigint * interval '1 millisecond')
 order by l.until
 limit $2::int
