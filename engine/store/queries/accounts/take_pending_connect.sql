-- take_pending_connect: end a consent under way and return it: whoever gets the row is the only one.
--
-- $1 state_hash bytea
-- $2 org uuid or null, $3 begun_by uuid or null    where the caller is known, only a consent of theirs
-- $4 now timestamptz or null
--
-- returns  the row, and whether it had not expired; no row for a state that nobody knows, was used, or is somebody else's
with clock as (
  select coalesce($4::timestamptz, clock_timestamp()) as t
)
delete from pending_connects p
 using clock c
 where p.state_hash = $1 and ($2::uuid is null or p.org = $2) and ($3::uuid is null or p.begun_by = $3)
returning p.org, p.profile, p.platform, p.begun_by, p.redirect_uri, p.return_to, p.sealed_verifier,
          p.expires_at > c.t as "is_valid!"
