-- drop_spent_leases: delete expired leases none of whose jobs still runs under them.
--
-- $1 queues text[], $2 now timestamptz or null
delete from leases l
 where l.until < coalesce($2::timestamptz, clock_timestamp())
   and l.queue = any($1::text[])
   and not exists (
     select from unnest(l.orgs, l.jobs) as r (org, job)
       join jobs j on j.org = r.org and j.id = r.job and j.lease = l.id)
