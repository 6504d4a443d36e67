-- close_host: close every account of one host, where users choose the host; nothing wider.
--
-- $1 queue text, $2 host text, $3 closed_ms bigint, $4 why text, $5 now timestamptz or null
with clock as (
  select coalesce($5::timestamptz, clock_timestamp()) as t
),
locked as materialized (
  select b.org, b.id
    from buckets b
   where b.queue = $1 and b.host = $2 and b.kind = 'account'
     and b.blocked_until < (select t from clock) + $3::bigint * interval '1 millisecond' - interval '1 second'
   order by b.org, b.id
     for no key update
)
update buckets b
   set blocked_until = greatest(b.blocked_until, (select t from clock) + $3::bigint * interval '1 millisecond'),
       blocked_by = $4,
       ready_at = greatest(b.ready_at, (select t from clock) + $3::bigint * interval '1 millisecond')
  from locked l
 where b.org = l.org and b.id = l.id
