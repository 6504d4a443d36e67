-- put_canary: store the canary of a master key id that has none yet.
--
-- $1 key_id text, $2 sealed bytea
insert into canaries (key_id, sealed) values ($1, $2) on conflict (key_id) do nothing
