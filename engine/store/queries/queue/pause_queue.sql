-- pause_queue: nothing of a queue is claimed from now on; what runs ends.
--
-- $1 queue text, $2 by text
update queues set paused = true, paused_by = $2 where name = $1
