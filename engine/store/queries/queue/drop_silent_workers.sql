-- drop_silent_workers: forget workers not heard of for a day that hold no lease.
delete from workers w
 where w.seen_at < clock_timestamp() - interval '1 day'
   and not exists (select from leases l where l.worker = w.id)
