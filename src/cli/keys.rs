//! The verbs of API keys.

use super::{
    options::{Consent, InOrg},
    values::{key_id, name},
};
use clap::{Args, Subcommand};
use publisher::id::ApiKeyId;

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make an API key; it is shown this once
    ///
    /// With --json, prints `{"id", "organisation", "name", "key", "createdAt"}`.
    Create(CreateKey),
    /// List API keys, revoked ones included
    ///
    /// With --json, prints `{"data": [{"id", "organisation", "name", "prefix", "last4", "scopes", "profileId",
    /// "createdAt", "lastUsedAt", "expiresAt", "revokedAt"}]}`.
    List(ListKeys),
    /// Revoke an API key at once; asks first
    ///
    /// With --json, prints `{"id", "revokedAt"}`.
    Revoke(RevokeKey),
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// The organisation; made, with its Default profile, if there is none of this name
    #[arg(long, value_name = "NAME", value_parser = name::<200>)]
    pub(crate) org: String,
    /// What the key is called in lists
    #[arg(long, value_name = "NAME", default_value = "command line", value_parser = name::<100>)]
    pub(crate) name: String,
    /// Make a test key (lmp_test_…), which can read and is refused every write
    #[arg(long)]
    pub(crate) test: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListKeys {
    /// Only of this organisation: name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeKey {
    /// Its id, from `postrider keys list`
    #[arg(value_name = "KEY_ID", value_parser = key_id)]
    pub(crate) id: ApiKeyId,
    #[command(flatten)]
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
