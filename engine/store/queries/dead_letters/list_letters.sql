-- list_letters: dead letters, newest first.
--
-- $1 org uuid or null, $2 platform text or null, $3 class text or null, $4 open only boolean
-- $5 cursor time or null, $6 cursor id or null, $7 limit int
-- $8 account uuid or null, $9 fingerprint text or null, $10 post uuid or null
-- $11 since timestamptz or null (inclusive), $12 until timestamptz or null (exclusive): when they ended
select d.org, o.name as organisation, d.id, d.job, d.kind, d.subject, d.queue, d.bucket, d.class, d.fingerprint, d.failure,
       d.failures, d.looks, d.claim, d.sent_at, d.stage, d.generation, d.created_at, d.resolved_at, d.resolved_by,
       d.resolved_how, d.resolved_note, p.text as "text?", p.account as "account?", a.handle as "handle?",
       a.display_name as "display_name?", a.platform_account_id is not null as "connected!"
  from dead_letters d
  join organisations o on o.id = d.org
  left join posts p on p.org = d.org and p.id = d.subject
  left join accounts a on a.org = p.org and a.id = p.account
 where ($1::uuid is null or d.org = $1) and ($2::text is null or d.queue = $2) and ($3::text is null or d.class = $3)
   and (not $4::boolean or d.resolved_at is null)
   and ($8::uuid is null or d.bucket = $8) and ($9::text is null or d.fingerprint = $9)
   and ($10::uuid is null or d.subject = $10)
   and ($11::timestamptz is null or d.created_at >= $11) and ($12::timestamptz is null or d.created_at < $12)
   and ($5::timestamptz is null or (d.created_at, d.id) < ($5, $6::uuid))
 order by d.created_at desc, d.id desc
 limit $7::int
