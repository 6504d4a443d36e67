-- stop_worker: this process was told to stop; what it leaves behind is no death.
--
-- $1 id uuid
update workers set stopping = true where id = $1
