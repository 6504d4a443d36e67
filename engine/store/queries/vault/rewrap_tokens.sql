-- rewrap_tokens: put rewrapped tokens in the place of those that were read: compare-and-set on the bytes.
--
-- $1 orgs uuid[], $2 accounts uuid[], $3 read bytea[], $4 rewrapped bytea[]
--
-- returns  how many were still what was read
--
-- The secret stays what it was, so the token's generation does, too.
with wanted as materialized (
  select * from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) as w (org, id, old, new)
),
locked as materialized (
  select b.org, b.subject
    from buckets b
   where b.kind = 'account' and (b.org, b.subject) in (select w.org, w.id from wanted w)
   order by b.org, b.id
     for no key update
),
rewrapped as (
  update accounts a
     set sealed_tokens = w.new
    from wanted w
    join locked l on l.org = w.org and l.subject = w.id
   where a.org = w.org and a.id = w.id and a.sealed_tokens = w.old
  returning 1
)
select count(*) as "count!" from rewrapped
