-- get_batch: one batch.
--
-- $1 org uuid, $2 batch uuid
select id, request_id, awaited, scheduled_at, metadata, warnings, created_at from batches where org = $1 and id = $2
