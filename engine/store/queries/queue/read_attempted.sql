-- read_attempted: whether a settlement is already in the ledger, whose COMMIT answer may have been lost.
--
-- $1 orgs uuid[], $2 jobs uuid[], $3 claims int[], $4 settlements text[], $5 outcomes text[]
--
-- The row of a claim that a reaper ended is not the row that its worker meant to write: what was settled must agree too.
select a.org as "org!", a.job as "job!", a.claim as "claim!"
  from attempts a
  join unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[]) as s (org, job, claim, settlement, outcome)
    on s.org = a.org and s.job = a.job and s.claim = a.claim and s.settlement = a.settlement and s.outcome = a.outcome
