-- forget_history: delete what the platform gave or said from everything that is kept of an account's posts.
--
-- $1 org uuid, $2 account uuid, $3 forgotten text: stands where the platform's words stood
--
-- What stays: our ids, the caller's text, first comment, media and metadata, instants, outcomes with code and rule. What goes:
-- receipts (the fact of one stays, empty), options (they name boards, replies and the like by the platform's ids), messages,
-- the platform's answers, checkpoints, payloads, and of an event whatever is not listed here.
with posts_of as materialized (
  select p.id from posts p where p.org = $1 and p.account = $2
),
subjects as materialized (
  select p.id from posts_of p
  union all
  select $2::uuid
),
posts_forgotten as (
  update posts p
     set receipt = case when p.receipt is not null then '{}'::jsonb end, options = '{}',
         warnings = (select coalesce(jsonb_agg(case when w.item ->> 'code' like 'request.%' then w.item
                                                    else jsonb_build_object('code', w.item -> 'code', 'message', $3::text) end
                                               order by w.n), '[]')
                       from jsonb_array_elements(p.warnings) with ordinality as w (item, n)),
         error = case when p.error is not null
                      then jsonb_strip_nulls(jsonb_build_object('code', p.error -> 'code', 'message', $3::text,
                                                                'rule', p.error -> 'rule', 'platform', p.platform)) end
   where p.org = $1 and p.id in (select o.id from posts_of o)
     and (p.receipt <> '{}' or p.options <> '{}' or p.warnings <> '[]' or p.error is not null)
),
attempts_forgotten as (
  update attempts a
     set message = null, platform_response = null
   where a.org = $1 and a.subject in (select s.id from subjects s)
     and (a.message is not null or a.platform_response is not null)
),
receipts_forgotten as (
  update receipts r
     set receipt = '{}'
   where r.org = $1 and r.post in (select o.id from posts_of o) and r.receipt <> '{}'
),
letters_forgotten as (
  update dead_letters d
     set failure = jsonb_strip_nulls(jsonb_build_object('class', d.failure -> 'class', 'code', d.failure -> 'code',
                                                        'message', $3::text, 'rule', d.failure -> 'rule',
                                                        'httpStatus', d.failure -> 'httpStatus')),
         checkpoint = null, payload = '{}',
         resolved_note = case when d.resolved_how is distinct from 'confirmed_published' then d.resolved_note end
   where d.org = $1 and d.subject in (select s.id from subjects s)
),
events_forgotten as (
  update events e
     set data = (select coalesce(jsonb_object_agg(d.name, case d.name
                                   when 'error' then jsonb_strip_nulls(jsonb_build_object(
                                     'code', d.value -> 'code', 'message', $3::text, 'rule', d.value -> 'rule',
                                     'platform', d.value -> 'platform'))
                                   else d.value end), '{}')
                   from jsonb_each(e.data) as d (name, value)
                  where d.name in ('id', 'platform', 'accountId', 'profileId', 'scheduledAt', 'previousScheduledAt', 'queuedAt',
                                   'publishedAt', 'rejectedAt', 'canceledAt', 'changed', 'error'))
   where e.org = $1 and e.subject in (select s.id from subjects s)
)
select count(*) as "posts!" from posts_of
