-- list_settled: which of the given batches have no target open any more.
--
-- $1 orgs uuid[], $2 batches uuid[]
select w.batch as "batch!"
  from unnest($1::uuid[], $2::uuid[]) as w (org, batch)
 where not exists (select from posts p where p.org = w.org and p.batch = w.batch and p.status = 'queued')
