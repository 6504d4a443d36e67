-- list_canaries: the canary of every master key id ever used.
select key_id, sealed, created_at from canaries order by key_id
