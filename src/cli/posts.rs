//! The verbs of posts.

use super::{
    content::ContentChange,
    options::{Actor, Consent, InOrg, Page},
    values::{instant, post_id},
};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use publisher::id::PostId;

#[derive(Debug, Subcommand)]
pub(crate) enum Posts {
    /// List posts, newest first
    ///
    /// With --json, prints `{"data": [Post], "nextCursor": text or null}`; a Post is as `posts show` has it, without
    /// `attempts`.
    List(ListPosts),
    /// Show one post with its attempts
    ///
    /// With --json, prints a Post: `{"id", "batchId", "profileId", "account": {"id", "platformAccountId", "displayName",
    /// "handle"}, "platform", "status", "text", "media", "options", "metadata", "scheduledAt", "publishedAt", "uri", "cid", "url",
    /// "warnings", "error", "waiting": {"reason", "since", "until"} or null, "createdAt", "updatedAt", "attempts":
    /// [{"job", "claim", "startedAt", "endedAt", "outcome", "settlement", "class", "code", "message", "rule",
    /// "httpStatus", "platformResponse"}]}`; `job` and `claim` say which work it was.
    Show(ShowPost),
    /// Cancel a post that has not begun; asks first
    ///
    /// With --json, prints `{"id", "status"}`. Exits 3 if it has begun or ended.
    Cancel(CancelPost),
    /// Give a scheduled post that has not begun another time
    ///
    /// With --json, prints `{"id", "status", "scheduledAt"}`. Exits 3 if it has begun or ended, or if its time has come.
    Reschedule(ReschedulePost),
    /// Change text or media of a scheduled post that has not begun
    ///
    /// The post as it would be is judged by its platform's rules; what is not named stays. With --json, prints a Post as
    /// `posts list` has it. Exits 2 if rules are broken, 3 if it has begun or ended, or if its time has come.
    Edit(EditPost),
    /// Queue a failed, rejected or canceled post again; asks first
    ///
    /// What may be public already is looked for first, and refused where the platform cannot be asked. A canceled post keeps
    /// its time unless --at says another one. With --json, prints `{"id", "status", "scheduledAt"}`. Exits 3 in any other
    /// state.
    Retry(RetryPost),
}

#[derive(Debug, Args)]
pub(crate) struct CancelPost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    #[command(flatten)]
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct ReschedulePost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    /// When it is to go, such as 2026-12-24T18:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub(crate) at: DateTime<Utc>,
    #[command(flatten)]
    pub(crate) of: InOrg,
}

#[derive(Debug, Args)]
pub(crate) struct EditPost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    #[command(flatten)]
    pub(crate) content: ContentChange,
    /// Its new time, too, such as 2026-12-24T18:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub(crate) at: Option<DateTime<Utc>>,
    #[command(flatten)]
    pub(crate) of: InOrg,
}

#[derive(Debug, Args)]
pub(crate) struct RetryPost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    /// When it is to go, such as 2026-12-24T18:00:00Z; without it at once
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub(crate) at: Option<DateTime<Utc>>,
    #[command(flatten)]
    pub(crate) actor: Actor,
    #[command(flatten)]
    pub(crate) of: InOrg,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct ListPosts {
    /// The organisation: name or id; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Only with these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = STATUSES)]
    pub(crate) status: Vec<String>,
    /// Only for these platforms
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    #[command(flatten)]
    pub(crate) page: Page,
}

const STATUSES: [&str; 6] = [
    "queued",
    "publishing",
    "published",
    "rejected",
    "failed",
    "canceled",
];

#[derive(Debug, Args)]
pub(crate) struct ShowPost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    #[command(flatten)]
    pub(crate) of: InOrg,
}
