-- The content library. The row is written after the file is safe on disk, and deleted before it.

create table media (
  org          uuid not null references organisations (id),
  id           text not null check (id ~ '^med_[0-9A-Za-z]{22}$'),
  profile      uuid not null,
  content_type text not null,                                  -- from the bytes, not from the caller
  size_bytes   bigint not null check (size_bytes > 0),
  sha256       bytea not null check (length(sha256) = 32),
  width        int,                                            -- as displayed: orientation applied
  height       int,
  duration_ms  int,                                            -- of films, where it is known
  created_at   timestamptz not null default now(),
  primary key (org, id),
  foreign key (org, profile) references profiles (org, id)
);

create index media_newest on media (org, created_at desc, id desc);
