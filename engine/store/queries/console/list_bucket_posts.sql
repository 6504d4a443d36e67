-- list_bucket_posts: what lies in an account's bucket, in the order of its turn: what runs, what is due, what comes later.
--
-- $1 org uuid, $2 account uuid, $3 limit int
select p.id as "id!", p.text as "text!", j.state, j.priority, case when j.run_at < 'infinity' then j.run_at end as run_at,
       j.hold_reason, j.failures, j.looks, j.stage, j.sent_claim is not null as "unresolved!", j.give_up_at, j.created_at
  from buckets b
  join jobs j on j.org = b.org and j.bucket = b.id and j.kind = 'publish'
  join posts p on p.org = j.org and p.id = j.subject
 where b.org = $1 and b.kind = 'account' and b.subject = $2
 order by j.state = 'running' desc, j.run_at > clock_timestamp(), case when j.run_at <= clock_timestamp() then j.priority end,
          j.run_at, j.id
 limit $3::int
