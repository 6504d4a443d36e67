-- check_invariants: what must hold at any instant, as counts of rows that break it. Reads only; every count must be 0.
select
  (select count(*) from posts p where p.status = 'queued'
      and not exists (select from jobs j where j.org = p.org and j.kind = 'publish' and j.subject = p.id))
    as "posts_without_job!",
  (select count(*) from jobs j where j.kind = 'publish'
      and not exists (select from posts p where p.org = j.org and p.id = j.subject and p.status = 'queued'))
    as "jobs_without_open_post!",
  (select count(*) from jobs j
      where not exists (select from buckets b where b.org = j.org and b.id = j.bucket and b.queue = j.queue))
    as "jobs_without_bucket!",
  (select count(*) from jobs j where j.state = 'running' and not exists (select from leases l where l.id = j.lease))
    as "running_without_lease!",
  (select count(*) from buckets b where b.running <> (select count(*) from jobs j
      where j.org = b.org and j.bucket = b.id and j.state = 'running'))
    as "buckets_with_wrong_slots!",
  (select count(*) from posts p where p.status in ('rejected', 'failed')
      and not exists (select from dead_letters d where d.org = p.org and d.subject = p.id
                        and (d.resolved_at is null or d.resolved_how <> 'redriven')))
    as "unpublished_without_letter!",
  (select count(*) from posts p where p.status = 'published' and p.receipt is null) as "published_without_receipt!",
  (select count(*) from charges c where c.at is null
      and not exists (select from jobs j where j.org = c.org and j.id = c.job))
    as "charges_without_job!",
  (select count(*) from buckets b where b.marked_job is not null
      and not exists (select from jobs j where j.org = b.org and j.id = b.marked_job and j.sent_claim is not null))
    as "marks_without_job!",
  (select count(*) from jobs j join buckets b on b.org = j.org and b.id = j.bucket
      where j.state = 'queued' and j.run_at <= clock_timestamp() - interval '1 minute' and b.ready_at = 'infinity'
        and not b.paused and b.limited_by is null)
    as "stranded_jobs!"
