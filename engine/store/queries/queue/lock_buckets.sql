-- lock_buckets: lock the buckets of a queue that may yield a job now, longest ready first.
--
-- $1 queue text        $2 room int: at most so many     $3 now timestamptz or null: the database's clock
--
-- index    buckets_ready (queue, ready_at)
-- Skips what another claimer holds, so a claim waits for nobody here.
select b.org, b.id
  from buckets b
 where b.queue = $1
   and b.ready_at <= coalesce($3::timestamptz, clock_timestamp())
 order by b.ready_at
 limit $2::int
   for no key update skip locked
