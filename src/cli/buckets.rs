//! The verbs of buckets.

use super::{
    options::{Actor, Consent, InOrg, Page},
    values::account_id,
};
use clap::{Args, Subcommand};
use publisher::id::AccountId;

#[derive(Debug, Subcommand)]
pub(crate) enum BucketVerb {
    /// List the buckets of accounts, newest account first
    ///
    /// With --json, prints `{"data": [{"accountId", "organisation", "platform", "displayName", "handle", "accountStatus",
    /// "state", "reason", "platformPaused", "until", "queued", "running"}], "nextCursor": text or null}`; state is `ready`,
    /// `limited`, `blocked` or `paused`.
    List(ListBuckets),
    /// Show one account's bucket: what waits, since when, for what, and when it opens
    ///
    /// With --json, prints what `buckets list` has of it and `{"due", "dueSince", "later", "nextAt", "held", "workers",
    /// "closed": [{"by": "person", "owner", "platform", "limit" or "unresolved", "what", "until", "remedy"}], "limits":
    /// [{"name", "kind", "counts", "max", "unitsEach", "windowSeconds", "own", "reserved", "used", "freesAt"}], "posts":
    /// [{"id", "state", "priority", "dueAt", "failures", "looks", "stage", "unresolved", "giveUpAt", "queuedAt", "text"}]}`.
    Show(ShowBucket),
    /// Let nothing of an account or a platform be begun; asks first
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
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(Debug, Args)]
pub(crate) struct ShowBucket {
    /// The account's id, from `postrider buckets list`
    #[arg(value_name = "ACCOUNT_ID", value_parser = account_id)]
    pub(crate) account: AccountId,
    #[command(flatten)]
    pub(crate) of: InOrg,
    /// At most so many of its posts
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(i32).range(0..=200))]
    pub(crate) posts: i32,
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
    #[command(flatten)]
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) actor: Actor,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeBucket {
    #[command(flatten)]
    pub(crate) which: WhichBucket,
    #[command(flatten)]
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) actor: Actor,
}
