-- Who owns what. Everything else carries `org` first in its key, so that an organisation can live in a database of its own.

create table organisations (
  id         uuid primary key,
  name       text not null check (length(name) between 1 and 200),
  created_at timestamptz not null default now()
) with (fillfactor = 50);

create unique index organisations_name on organisations (lower(name));

create table profiles (
  org        uuid not null references organisations (id),
  id         uuid not null,
  name       text not null check (length(name) between 1 and 120),
  slug       text not null check (slug ~ '^[a-z0-9-]{1,64}$'),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (org, id),
  constraint profiles_slug unique (org, slug)
);

create table api_keys (
  org          uuid not null references organisations (id),
  id           uuid not null,
  name         text not null check (length(name) between 1 and 100),
  prefix       text not null check (prefix in ('lmp_live_', 'lmp_test_')),
  last4        text not null,
  hash         bytea not null check (length(hash) = 32),      -- SHA-256 of the whole key; the key itself is nowhere
  scopes       text[] not null,
  profile      uuid,                                          -- null: the whole organisation
  created_at   timestamptz not null default now(),
  last_used_at timestamptz,
  expires_at   timestamptz,
  revoked_at   timestamptz,
  primary key (org, id),
  constraint api_keys_hash unique (hash),                     -- directory: how a caller is found
  foreign key (org, profile) references profiles (org, id)
);

-- One sealed, known word per master key id: tells a wrong key from a right one before anything is opened with it.
create table canaries (
  key_id     text primary key,
  sealed     bytea not null,
  created_at timestamptz not null default now()
);
