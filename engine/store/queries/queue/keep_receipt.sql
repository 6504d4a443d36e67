-- keep_receipt: keep the receipt of a claim that was lost before it could report; adopt_receipts follows it.
--
-- $1 org, $2 job, $3 claim, $4 post uuid, $5 receipt jsonb, $6 now timestamptz or null
--
-- A live job finds it at its next claim, before any look, mark or redrive. Of an account that was disconnected only the fact
-- is kept: no bucket is left to lock.
with locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select p.org, p.account from posts p where p.org = $1 and p.id = $4)
   order by b.org, b.id
     for no key update
)
insert into receipts (org, job, claim, post, receipt, at)
select $1, $2, $3, $4, case when (select count(*) from locked) > 0 then $5::jsonb else '{}' end,
       coalesce($6::timestamptz, clock_timestamp())
on conflict do nothing
