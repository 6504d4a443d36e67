-- list_parked: which of the given batches wait only for buckets that reopen after their callers will have given up.
--
-- $1 orgs uuid[], $2 batches uuid[], $3 within_ms bigint
--
-- An account that waits for a fresh token has it in seconds, and does not count as closed.
select w.batch as "batch!"
  from unnest($1::uuid[], $2::uuid[]) as w (org, batch)
 where exists (select from posts p where p.org = w.org and p.batch = w.batch and p.status = 'queued')
   and not exists (
     select from posts p
       left join jobs j on j.org = p.org and j.kind = 'publish' and j.subject = p.id
       left join buckets b on b.org = j.org and b.id = j.bucket
       left join queues q on q.name = j.queue
      where p.org = w.org and p.batch = w.batch and p.status = 'queued'
        and (j.id is null or j.state = 'running'
             or (not b.paused and not q.paused
                 and greatest(case when b.blocked_by is distinct from 'token' then b.blocked_until end, q.blocked_until,
                              case when b.limited_by is not null then b.ready_at end, j.run_at)
                     < clock_timestamp() + $3::bigint * interval '1 millisecond')
             or j.give_up_at < clock_timestamp()))
