//! The verbs of a person on duty: master keys, buckets.

use super::values::{account_id, name};
use clap::{Args, Subcommand};
use publisher::id::AccountId;

#[derive(Debug, Subcommand)]
pub(crate) enum VaultVerb {
    /// Rewrap everything sealed under the active master key, while everything runs
    ///
    /// The active key is the first of POSTRIDER_MASTER_KEY; the old ones stand behind it. One that was cut is simply begun
    /// again. With --json, prints `{"activeKey", "rewrapped", "unopened", "left", "retiredKeys": [id]}`. Exits 3, and
    /// touches nothing, if there is no new key or one is missing; 1 if something stayed under an old key.
    Rotate(RotateKeys),
    /// Show the master keys and what is sealed under each
    ///
    /// With --json, prints `{"keys": [{"id", "state", "firstSeenAt", "tokens", "checkpoints", "letters"}]}`; state is
    /// `active`, `retired`, `unknown` (not in POSTRIDER_MASTER_KEY) or `damaged` (values that name no key).
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKeys {
    /// So many values at a time
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub(crate) batch: i32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BucketVerb {
    /// List the buckets of accounts, newest account first
    ///
    /// With --json, prints `{"data": [{"accountId", "organisation", "platform", "displayName", "handle", "accountStatus",
    /// "state", "reason", "platformPaused", "until", "queued", "running"}], "nextCursor": text or null}`; state is `ready`,
    /// `limited`, `blocked` or `paused`.
    List(ListBuckets),
    /// Let nothing of an account or a platform be begun
    ///
    /// With --json, prints `{"accountId", "platform", "paused", "by"}`. Exits 3 if it is paused already.
    Pause(PauseBucket),
    /// Let a paused account or platform go on
    ///
    /// With --json, prints `{"accountId", "platform", "paused", "by"}`. Exits 3 if it is not paused, or the account needs
    /// its owner.
    Resume(ResumeBucket),
}

#[derive(Debug, Args)]
pub(crate) struct ListBuckets {
    /// Only of this organisation: name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Only of this platform
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=200))]
    pub(crate) limit: i32,
    /// Where an earlier list said that it goes on
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct WhichBucket {
    /// The account's id, from `postrider buckets list`
    #[arg(value_name = "ACCOUNT_ID", value_parser = account_id)]
    pub(crate) account: Option<AccountId>,
    /// The whole platform instead
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PauseBucket {
    #[command(flatten)]
    pub(crate) which: WhichBucket,
    /// Who is doing this, for the record; your user name unless said
    #[arg(long = "as", value_name = "NAME", value_parser = name::<200>)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeBucket {
    #[command(flatten)]
    pub(crate) which: WhichBucket,
    /// Who is doing this, for the log; your user name unless said
    #[arg(long = "as", value_name = "NAME", value_parser = name::<200>)]
    pub(crate) by: Option<String>,
}
