-- prune_pending_connects: forget consents that expired; for an hour they are still told from those that never were.
--
-- $1 room int, $2 now timestamptz or null
--
-- returns  how many were forgotten
with gone as (
  delete from pending_connects p
   where (p.org, p.id) in (
     select o.org, o.id
       from pending_connects o
      where o.expires_at < coalesce($2::timestamptz, clock_timestamp()) - interval '1 hour'
      order by o.org, o.id
      limit $1::int
   )
  returning 1
)
select count(*) as "count!" from gone
