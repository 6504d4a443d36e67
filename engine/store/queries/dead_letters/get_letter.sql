-- get_letter: one dead letter, by its id or by the id of its post (the newest).
--
-- $1 id uuid, $2 org uuid or null
select d.org, o.name as organisation, d.id, d.job, d.kind, d.subject, d.queue, d.bucket, d.class, d.fingerprint, d.failure,
       d.failures, d.looks, d.claim, d.sent_at, d.stage, d.generation, d.created_at, d.resolved_at, d.resolved_by,
       d.resolved_how, d.resolved_note, p.text as "text?", p.account as "account?", a.handle as "handle?",
       a.display_name as "display_name?", a.platform_account_id is not null as "connected!"
  from dead_letters d
  join organisations o on o.id = d.org
  left join posts p on p.org = d.org and p.id = d.subject
  left join accounts a on a.org = p.org and a.id = p.account
 where (d.id = $1 or d.subject = $1) and ($2::uuid is null or d.org = $2)
 order by d.created_at desc, d.id desc
 limit 1
