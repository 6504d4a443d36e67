-- discard: close an open dead letter without sending anything.
--
-- $1 org uuid, $2 letter uuid, $3 by text, $4 why text, $5 now timestamptz or null
--
-- returns  one row when it was closed by this
--
-- Takes the letter's row alone: a redrive of it that comes first is waited for and then seen.
update dead_letters d
   set resolved_at = coalesce($5::timestamptz, clock_timestamp()), resolved_by = $3, resolved_how = 'discarded',
       resolved_note = $4
 where d.org = $1 and d.id = $2 and d.resolved_at is null
returning d.resolved_at as "resolved_at!"
