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
  token_renewable     boolean not null default true,           -- false: only a person can renew it
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  primary key (org, id),
  constraint accounts_identity unique (org, platform, platform_account_id),
  foreign key (org, profile) references profiles (org, id)
) with (fillfactor = 80);

-- Consents under way: begun here, completed once by whoever comes back with the state. The state is nowhere but in the
-- person's browser; here is its hash. The PKCE verifier is sealed for the organisation.
create table pending_connects (
  org             uuid not null,
  id              uuid not null,
  state_hash      bytea not null check (length(state_hash) = 32),
  profile         uuid not null,
  platform        text not null,
  begun_by        uuid not null,                               -- the key
  redirect_uri    text not null,
  return_to       text,
  sealed_verifier bytea not null,
  expires_at      timestamptz not null,
  created_at      timestamptz not null,
  primary key (org, id),
  constraint pending_connects_state unique (state_hash),       -- directory: how a platform's redirect is found
  foreign key (org, profile) references profiles (org, id)
);
