-- lock_buckets: lock the buckets of a queue that may yield a job now, longest ready first.
--
-- $1 queue text        $2 room int: at most so many     $3 now timestamptz or null: the database's clock
--
-- index    buckets_ready (queue, ready_at)
-- Skips what another claimer holds, so a claim waits for nobody here.
--
-- The clock is read in a query of its own: compared with a volatile function, `ready_at` would be a filter and no range.
with clock as (
  select coalesce($3::timestamptz, clock_timestamp()) as t
)
select b.org, b.id
  from buckets b
 where b.queue = $1
   and b.ready_at <= (select t from clock)
 order by b.ready_at
 limit $2::int
   for no key update skip locked
