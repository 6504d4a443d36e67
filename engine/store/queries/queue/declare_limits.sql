-- declare_limits: make a platform's queue and its declared limits what the connector of this build says.
--
-- $1 queue text, $2 limits jsonb: an array of {scope, name, meter, kind, counts, max_units, units, window_ms, zone, burst}
with listed as (
  insert into queues (name) values ($1) on conflict do nothing
),
declared as materialized (
  select * from jsonb_to_recordset($2::jsonb) as l (
    scope text, name text, meter text, kind text, counts text, max_units int, units int, window_ms bigint, zone text, burst int)
),
gone as (
  delete from limits l
   where l.queue = $1 and l.owner = '00000000-0000-0000-0000-000000000000'
     and not exists (select from declared d where d.scope = l.scope and d.name = l.name)
)
insert into limits (org, queue, scope, owner, name, meter, kind, counts, max_units, units, window_ms, zone, burst)
select '00000000-0000-0000-0000-000000000000', $1, d.scope, '00000000-0000-0000-0000-000000000000', d.name, d.meter, d.kind,
       d.counts, d.max_units, d.units, d.window_ms, d.zone, d.burst
  from declared d
on conflict (org, queue, scope, owner, name) do update
   set meter = excluded.meter, kind = excluded.kind, counts = excluded.counts, max_units = excluded.max_units,
       units = excluded.units, window_ms = excluded.window_ms, zone = excluded.zone, burst = excluded.burst
