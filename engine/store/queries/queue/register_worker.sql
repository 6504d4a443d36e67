-- register_worker: this process begins to work.
--
-- $1 id uuid, $2 name text, $3 version text, $4 queues text[]
insert into workers (id, name, version, queues) values ($1, $2, $3, $4)
