-- release_unstarted: put claims back that a process got but never began; nothing is counted, the charge is given back.
--
-- $1 orgs uuid[], $2 jobs uuid[], $3 claims int[]
--
-- returns  how many were put back
with locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select j.org, j.bucket from jobs j
                            where (j.org, j.id) in (select * from unnest($1::uuid[], $2::uuid[])))
   order by b.org, b.id
     for no key update
),
back as (
  update jobs j
     set state = 'queued', lease = null
    from unnest($1::uuid[], $2::uuid[], $3::int[]) as c (org, job, claim)
   where j.org = c.org and j.id = c.job and j.claim = c.claim and j.state = 'running'
     and (select count(*) from locked) >= 0
  returning j.org, j.id, j.bucket, j.claim, j.run_at
),
given_back as (
  delete from charges c
   using back b
   where c.org = b.org and c.owner = b.bucket and c.job = b.id and c.claim = b.claim and c.at is null
),
woken as (
  update buckets b
     set running = b.running - n.count,
         ready_at = case when b.paused then 'infinity'
                         else least(b.ready_at, greatest(b.blocked_until, n.run_at, clock_timestamp())) end
    from (select org, bucket, count(*)::int as count, min(run_at) as run_at from back group by org, bucket) n
   where b.org = n.org and b.id = n.bucket
)
select count(*) as "count!" from back
