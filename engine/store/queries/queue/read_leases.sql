-- read_leases: what is leased under claims whose COMMIT answer was lost, so that it can be put back at once.
--
-- $1 worker uuid, $2 leases uuid[]
select j.org as "org!", j.id as "job!", j.claim as "claim!"
  from leases l
 cross join lateral unnest(l.orgs, l.jobs) as r (org, job)
  join jobs j on j.org = r.org and j.id = r.job and j.lease = l.id
 where l.id = any($2::uuid[]) and l.worker = $1
