-- A batch is one accepted request, a post one text for one account.

create table batches (
  org          uuid not null,
  id           uuid not null,
  api_key      uuid,
  request_id   text not null,
  awaited      boolean not null,                               -- immediate: the caller waited for the results
  scheduled_at timestamptz,
  metadata     jsonb not null default '{}',
  warnings     jsonb not null default '[]',
  created_at   timestamptz not null default now(),
  primary key (org, id)
);

create table posts (
  org           uuid not null,
  id            uuid not null,
  batch         uuid not null,
  position      smallint not null,                             -- index of the target in its request
  profile       uuid not null,
  account       uuid not null,
  platform      text not null,
  text          text not null,
  options       jsonb not null default '{}',
  first_comment jsonb,
  metadata      jsonb not null default '{}',
  sandbox       boolean not null default false,
  status        text not null default 'queued'
                check (status in ('queued', 'published', 'rejected', 'failed', 'canceled')),
  scheduled_at  timestamptz,
  published_at  timestamptz,
  receipt       jsonb,
  warnings      jsonb not null default '[]',
  error         jsonb,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  primary key (org, id),
  constraint posts_batch unique (org, batch, position),
  check ((status = 'published') = (published_at is not null))
) with (fillfactor = 50);

create index posts_newest on posts (org, created_at desc, id desc);

create table post_media (
  org        uuid not null,
  post       uuid not null,
  in_options boolean not null default false,                   -- named by the platform's options, not attached
  position   smallint not null,
  media      text not null,
  kind       text check (kind in ('image', 'video')),
  alt_text   text,
  captions   jsonb not null default '[]',                      -- [{lang, mediaId}]
  primary key (org, post, in_options, position),
  constraint post_media_attached check (in_options = (kind is null))
);

create index post_media_of on post_media (org, media);

-- What an Idempotency-Key points to.
create table idempotency (
  org         uuid not null,
  key         text not null check (length(key) between 1 and 255),
  fingerprint bytea not null check (length(fingerprint) = 32), -- over method, path and body
  batch       uuid not null,
  created_at  timestamptz not null default now(),
  primary key (org, key)
);
