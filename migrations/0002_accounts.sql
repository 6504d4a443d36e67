-- Connected accounts. Secrets are sealed by the vault before they come here; `token_generation` is what a compare-and-set
-- replaces them by.

create table accounts (
  org                 uuid not null,
  id                  uuid not null,                           -- also the id of its bucket
  profile             uuid not null,
  platform            text not null,
  platform_account_id text not null,
  display_name        text,
  handle              text,
  profile_data        jsonb not null default '{}',             -- what the connector asked to be kept; no secrets
  scopes              text[] not null default '{}',
  status              text not null default 'active' check (status in ('active', 'needs_reauth', 'paused')),
  status_reason       text,                                    -- for people: what happened, what to do
  sealed_tokens       bytea,
  token_generation    int not null default 1,
  token_expires_at    timestamptz,
  token_refreshed_at  timestamptz,
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  primary key (org, id),
  constraint accounts_identity unique (org, platform, platform_account_id),
  foreign key (org, profile) references profiles (org, id)
) with (fillfactor = 80);
