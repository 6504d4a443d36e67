-- read_attempted: whether a claim's settlement is already in the ledger, whose COMMIT answer may have been lost.
--
-- $1 orgs uuid[], $2 jobs uuid[], $3 claims int[]
select a.org as "org!", a.job as "job!", a.claim as "claim!"
  from attempts a
 where (a.org, a.job, a.claim) in (select * from unnest($1::uuid[], $2::uuid[], $3::int[]))
