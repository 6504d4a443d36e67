-- list_workers: every worker that is known, the one seen last first, with what it holds.
--
-- $1 limit int
select w.id, w.name, w.version, w.queues, w.started_at, w.seen_at, w.stopping,
       (select count(*) from leases l where l.worker = w.id and l.until > clock_timestamp()) as "leases!",
       (select count(*)
          from leases l
         cross join lateral unnest(l.orgs, l.jobs) as held (org, id)
          join jobs j on j.org = held.org and j.id = held.id and j.lease = l.id and j.state = 'running'
         where l.worker = w.id) as "running!"
  from workers w
 order by w.seen_at desc, w.id
 limit $1::int
