-- next_ready: in how many milliseconds the next bucket of a queue may yield; null when none will by itself.
--
-- $1 queue text, $2 now timestamptz or null
-- index    buckets_ready (queue, ready_at)
select case when min(b.ready_at) < 'infinity'
            then greatest(0, extract(epoch from min(b.ready_at) - coalesce($2::timestamptz, clock_timestamp())) * 1000)::bigint
       end as "ready_ms"
  from buckets b
 where b.queue = $1
