-- lock_queue: lock a queue's row, last in the lock order; it guards the limits of the platform's app.
--
-- $1 queue text        $2 now timestamptz or null: the database's clock
--
-- returns  whether it is paused, and for how many milliseconds the platform or the breaker keeps it closed (0: open)
with clock as (
  select coalesce($2::timestamptz, clock_timestamp()) as t
)
select q.paused as "paused!",
       case when q.blocked_until > (select t from clock)
            then (extract(epoch from q.blocked_until - (select t from clock)) * 1000)::bigint + 1
            else 0 end as "closed_ms!"
  from queues q
 where q.name = $1
   for no key update
