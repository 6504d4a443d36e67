-- count_key_uses: how many sealed values name each master key.
--
-- returns  one row per key id; none for its name: values that are no envelope of a known version
--
-- Reads the first bytes of every sealed value: byte 1 is the version, bytes 2 to 9 are the key's id, padded with NULs.
with sealed as (
  select 'tokens' as kind, a.sealed_tokens as value from accounts a where a.sealed_tokens is not null
  union all
  select 'checkpoints', j.checkpoint from jobs j where j.checkpoint is not null
  union all
  select 'letters', d.checkpoint from dead_letters d where d.checkpoint is not null
),
named as (
  select s.kind,
         case when length(s.value) >= 97 and get_byte(s.value, 0) = 1
              then encode(rtrim(substr(s.value, 2, 8), '\x00'::bytea), 'escape') end as key_id
    from sealed s
)
select n.key_id, count(*) filter (where n.kind = 'tokens') as "tokens!",
       count(*) filter (where n.kind = 'checkpoints') as "checkpoints!", count(*) filter (where n.kind = 'letters') as "letters!"
  from named n
 group by n.key_id
 order by n.key_id
