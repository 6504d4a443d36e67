-- lock_paused: lock a queue's row, and say who paused it.
--
-- $1 queue text
select q.paused, q.paused_by, coalesce(q.blocked_by = 'operator_blocked', false) as "refused!"
  from queues q
 where q.name = $1
   for no key update
