-- insert_pending_connect: remember a consent that is begun, until somebody comes back with its state or it expires.
--
-- $1 org, $2 id, $3 state_hash bytea    SHA-256 of the state, which is stored nowhere
-- $4 profile, $5 platform text, $6 begun_by uuid: the key
-- $7 redirect_uri text, $8 return_to text or null
-- $9 sealed_verifier bytea
-- $10 lives_ms bigint, $11 room int     at most so many of an organisation at a time
-- $12 now timestamptz or null
--
-- returns  when it expires; no row when the organisation has too many
with clock as (
  select coalesce($12::timestamptz, clock_timestamp()) as t
)
insert into pending_connects (org, id, state_hash, profile, platform, begun_by, redirect_uri, return_to, sealed_verifier,
                              expires_at, created_at)
select $1, $2, $3, $4, $5, $6, $7, $8, $9, c.t + $10::bigint * interval '1 millisecond', c.t
  from clock c
 where (select count(*) from pending_connects p where p.org = $1 and p.expires_at > c.t) < $11::int
returning expires_at
