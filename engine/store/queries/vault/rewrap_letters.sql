-- rewrap_letters: put rewrapped checkpoints in the place of those that were read: compare-and-set on the bytes.
--
-- $1 orgs uuid[], $2 letters uuid[], $3 read bytea[], $4 rewrapped bytea[]
--
-- returns  how many were still what was read
--
-- Letters that somebody dealt with, too: they are kept, and so are the keys that open them.
with wanted as materialized (
  select * from unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) as w (org, id, old, new)
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where (b.org, b.id) in (select x.org, x.bucket from wanted w join dead_letters x on x.org = w.org and x.id = w.id)
   order by b.org, b.id
     for no key update
),
rewrapped as (
  update dead_letters x
     set checkpoint = w.new
    from wanted w
   cross join locked l
   where x.org = w.org and x.id = w.id and x.checkpoint = w.old and l.org = x.org and l.id = x.bucket
  returning 1
)
select count(*) as "count!" from rewrapped
