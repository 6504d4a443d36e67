//! The verbs of accounts.

use super::{
    options::{Actor, Consent},
    values::account_id,
};
use clap::{Args, Subcommand};
use publisher::id::AccountId;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountVerb {
    /// List connected accounts, oldest first
    ///
    /// With --json, prints `{"data": [Account]}`; an Account is as `accounts show` has it, without `posts`.
    List(ListAccounts),
    /// Show one account
    ///
    /// With --json, prints an Account: `{"id", "organisation": {"id", "name"}, "profileId", "platform",
    /// "platformAccountId", "displayName", "handle", "status", "statusReason", "scopes", "tokenExpiresAt", "createdAt",
    /// "updatedAt", "posts": {"queued", "running"}}`; status is `active`, `needs_reauth` or `paused`.
    Show(ShowAccount),
    /// Disconnect an account for good: its tokens and its profile are deleted everywhere
    ///
    /// What has not been sent is canceled; what is being sent at this moment becomes a dead letter of class ambiguous. Texts,
    /// times and outcomes of its posts are kept. The platform is asked to end the session, and is not waited for long. With
    /// --json, prints `{"id", "deleted", "canceledPosts", "unresolvedPosts", "publishedPosts", "warnings": [{"code",
    /// "message"}]}`. Exits 1 if there is no such account (any more).
    Disconnect(DisconnectAccount),
}

#[derive(Debug, Args)]
pub(crate) struct ListAccounts {
    /// Only of this organisation: name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Only of this platform
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Only with this status
    #[arg(long, value_name = "STATUS", value_parser = ["active", "needs_reauth", "paused"])]
    pub(crate) status: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowAccount {
    /// Its id, from `postrider accounts list`
    #[arg(value_name = "ACCOUNT_ID", value_parser = account_id)]
    pub(crate) id: AccountId,
}

#[derive(Debug, Args)]
pub(crate) struct DisconnectAccount {
    /// Its id, from `postrider accounts list`
    #[arg(value_name = "ACCOUNT_ID", value_parser = account_id)]
    pub(crate) id: AccountId,
    #[command(flatten)]
    pub(crate) actor: Actor,
    #[command(flatten)]
    pub(crate) consent: Consent,
}
