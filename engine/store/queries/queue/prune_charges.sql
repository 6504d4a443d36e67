-- prune_charges: forget charges that no window of their queue can still see.
--
-- $1 room int, $2 now timestamptz or null
--
-- returns  how many were forgotten; an hour beyond the longest window is kept
with gone as (
  delete from charges c
   where c.ctid = any(array(
     select o.ctid
       from charges o
      where o.at < coalesce($2::timestamptz, clock_timestamp())
                   - (select coalesce(max(l.window_ms), 0) * interval '1 millisecond' + interval '1 hour' from limits l)
      limit $1::int
   ))
  returning 1
)
select count(*) as "count!" from gone
