-- list_bucket_limits: the limits in force for an account's bucket, with what is used of each.
--
-- $1 org uuid, $2 account uuid, $3 now timestamptz or null
--
-- `reserved` is charged by claims that have not settled, `dated` what was used within the window; `frees_at` is when the
-- oldest of it leaves. Of slots, what runs is reserved.
with clock as (
  select coalesce($3::timestamptz, clock_timestamp()) as t
),
bounds as materialized (
  select distinct on (l.name)
         b.org, b.id, b.running, l.name, l.meter, l.kind, l.counts, l.max_units, l.units, l.window_ms, l.zone,
         l.owner = b.id as own
    from buckets b
    join limits l on l.queue = b.queue and l.scope = 'account'
     and (l.owner = '00000000-0000-0000-0000-000000000000' or (l.org = b.org and l.owner = b.id))
   where b.org = $1 and b.kind = 'account' and b.subject = $2
   order by l.name, l.owner desc
)
select x.name, x.kind, x.counts, x.max_units, x.units, x.window_ms, x.zone, x.own as "own!",
       case when x.kind = 'slots' then x.running
            else (select coalesce(sum(c.units), 0) from charges c
                   where c.org = x.org and c.owner = x.id and c.meter = x.meter and c.at is null) end as "reserved!",
       coalesce(d.units, 0) as "dated!", d.first_at + x.window_ms * interval '1 millisecond' as frees_at
  from bounds x
  left join lateral (
    select sum(c.units) as units, min(c.at) as first_at
      from charges c
     where c.org = x.org and c.owner = x.id and c.meter = x.meter
       and c.at > (select t from clock) - x.window_ms * interval '1 millisecond'
  ) d on x.kind <> 'slots'
 order by x.name
