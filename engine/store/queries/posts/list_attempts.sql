-- list_attempts: the ledger of one post, oldest first.
--
-- $1 org uuid, $2 post uuid
select a.job, a.claim, a.started_at, a.ended_at, a.outcome, a.settlement, a.class, a.code, a.message, a.rule, a.http_status,
       a.platform_response
  from attempts a
 where a.org = $1 and a.subject = $2
 order by a.started_at, a.job, a.claim
