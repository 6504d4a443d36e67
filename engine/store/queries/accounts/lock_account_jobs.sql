-- lock_account_jobs: lock the jobs in the given, already locked, buckets.
--
-- $1 org uuid, $2 buckets uuid[]
--
-- A send mark takes its job's row alone: behind this lock the marks are as they are, and no other is set.
select j.id
  from jobs j
 where j.org = $1 and j.bucket = any($2::uuid[])
 order by j.org, j.id
   for no key update
