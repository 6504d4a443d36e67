-- list_letters: dead letters, newest first.
--
-- $1 org uuid or null, $2 platform text or null, $3 class text or null, $4 open only boolean
-- $5 cursor time or null, $6 cursor id or null, $7 limit int
select d.org, d.id, d.job, d.kind, d.subject, d.queue, d.bucket, d.class, d.fingerprint, d.failure, d.failures, d.looks,
       d.claim, d.sent_at, d.stage, d.generation, d.created_at, d.resolved_at, d.resolved_by, d.resolved_how, d.resolved_note, p.text as "text?", p.account as "account?", a.handle as "handle?"
  from dead_letters d
  left join posts p on p.org = d.org and p.id = d.subject
  left join accounts a on a.org = p.org and a.id = p.account
 where ($1::uuid is null or d.org = $1) and ($2::text is null or d.queue = $2) and ($3::text is null or d.class = $3)
   and (not $4::boolean or d.resolved_at is null)
   and ($5::timestamptz is null or (d.created_at, d.id) < ($5, $6::uuid))
 order by d.created_at desc, d.id desc
 limit $7::int
