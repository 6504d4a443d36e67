//! The contract between the engine and a platform.
//!
//! [`Publisher`] is all that a platform must be able to do. It reports; it never decides, waits or retries. The one thing
//! that cannot be undone, the request that makes something public, needs a [`Permit`], and a permit is only to be had by
//! committing a send mark first ([`Mark::set`]).

use crate::failure::Failure;
use crate::http::Deadline;
use crate::id::AccountId;
use crate::media::MediaReader;
use crate::post::{OptionMedia, Post};
use crate::preflight::{Report, Warning};
use crate::quota::{Quota, Usage, Usages};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

/// One platform's ability to publish.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Judges `post` by the platform's published rules. Pure: no network, no clock. Reports *all* violations, and a
    /// warning for every field that the platform would silently ignore.
    fn preflight(&self, post: &Post) -> Report;

    /// How many irreversible parts the publication has (a thread of five posts: 5); at least 1. Quotas are charged by it.
    fn parts(&self, post: &Post) -> u32 {
        let _ = post;
        1
    }

    /// Which files of the library the options name, and where. They are looked up when the post is judged, kept as long as
    /// the post refers to them, and lie in [`Post::option_media`]. Pure, and forgiving: what is malformed names nothing here
    /// and is a violation of [`Publisher::preflight`].
    fn media_in_options(&self, options: &serde_json::Value) -> Vec<OptionMedia> {
        let _ = options;
        Vec::new()
    }

    /// Units of `quota` that publishing this post costs, as a whole.
    ///
    /// Where a platform prices operations differently (YouTube: a thumbnail and a comment cost fifty units each) this is
    /// their sum; everywhere else [`Quota::units`] for each part. Pure.
    fn units(&self, post: &Post, quota: &Quota) -> u32 {
        quota.units.saturating_mul(self.parts(post))
    }

    /// Performs the next step of publishing and says how far it got.
    ///
    /// One call makes **at most one irreversible request**. Directly before it the connector awaits `step.mark.set(…)`:
    /// one committed statement that stores what is needed to find the effect again, checks fence, lease margin, deadline
    /// and cancel, and returns the [`Permit`] that [`crate::http::Http::post_once`] takes by value. No permit, no request.
    /// Whatever must be remembered comes back in [`Progress::Pending`]; what is already public is in its `receipt`.
    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure>;

    /// Looks, without changing anything, whether this post already exists on the platform.
    ///
    /// Called only while a send mark is unresolved (`step.sent_at` is set). [`Evidence::Absent`] may be said only when
    /// [`Step::settled_since_sent`] is true for this platform's call deadline and quiet time, and only by comparing
    /// content; before that the answer is [`Evidence::NotYet`]. An error of the look itself is a plain [`Failure`] and is
    /// never taken for a verdict about the post.
    ///
    /// Where nobody can look, and the platform answers a repetition of the identical request with the first post, the answer
    /// is [`Evidence::ResendIsSafe`] ([`crate::connector::Habits::resend`] says for how long). `publish` is then called in the
    /// same claim, with [`Step::is_resend`]: it marks again and repeats the frozen request byte for byte, once. A
    /// [`crate::failure::Class::Duplicate`] that names the first post ([`Failure::original`]) is then taken for its receipt.
    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure>;
}

/// Everything that one call of a [`Publisher`] may know and use.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// What is to be published.
    pub post: &'a Post,
    /// For whom.
    pub account: &'a Account,
    /// The access token; opened for this step only.
    pub token: &'a SecretString,
    /// Reads the post's media.
    pub media: &'a dyn MediaReader,
    /// What the previous step asked to be remembered.
    pub checkpoint: Option<&'a Checkpoint>,
    /// What is already public.
    pub receipt: Option<&'a Receipt>,
    /// When the unresolved send mark was set, by the database's clock.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the call made under that mark was certainly over, by the same clock.
    pub answer_by: Option<DateTime<Utc>>,
    /// Sets the send mark.
    pub mark: &'a dyn Mark,
    /// Takes what the platform's answers say about its own counts.
    pub usages: &'a Usages,
    /// The same for every attempt of this publication; for platforms that take one.
    pub idempotency_key: &'a str,
    /// Microseconds since 1970, strictly increasing per account and claim; the seed of minted keys.
    pub sequence: i64,
    /// The database's clock at the claim.
    pub now: DateTime<Utc>,
    /// The call must have returned by then; [`crate::http::Http`] keeps it.
    pub deadline: Deadline,
}

/// Stands for a duration that no clock can hold.
const A_YEAR: chrono::Duration = chrono::Duration::days(365);

impl Step<'_> {
    /// In `publish`: whether an earlier send is unresolved and its frozen request is to be repeated (after
    /// [`Evidence::ResendIsSafe`], and never otherwise).
    pub fn is_resend(&self) -> bool {
        self.sent_at.is_some()
    }

    /// Notes what an answer says about the platform's own count.
    pub fn note(&self, usage: Usage) {
        self.usages.note(usage);
    }

    /// Whether a request sent under the mark can no longer take effect unseen: its call is certainly over, and so is the
    /// platform's quiet time after it.
    pub fn settled_since_sent(&self, call_deadline: Duration, quiet: Duration) -> bool {
        self.left_until_settled(call_deadline, quiet).is_zero()
    }

    /// How long until [`Step::settled_since_sent`]; zero when it is true already, or when nothing was sent.
    ///
    /// Counts from [`Step::answer_by`]: a permit may be used late, so the mark's own instant says too little.
    pub fn left_until_settled(&self, call_deadline: Duration, quiet: Duration) -> Duration {
        let Some(sent_at) = self.sent_at else {
            return Duration::ZERO;
        };
        let call = chrono::Duration::from_std(call_deadline).unwrap_or(A_YEAR);
        let answered = self.answer_by.unwrap_or(sent_at + call).max(sent_at + call);
        let quiet = chrono::Duration::from_std(quiet).unwrap_or(A_YEAR);
        (answered + quiet - self.now)
            .to_std()
            .unwrap_or(Duration::ZERO)
    }
}

/// The account as a connector sees it: no secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Our id.
    pub id: AccountId,
    /// The platform's id of it (Bluesky: the DID).
    pub platform_account_id: String,
    /// The platform's name of it, as typed after an `@`.
    pub handle: Option<String>,
    /// What the connector asked to be kept with it at connect (Bluesky: the PDS); an object.
    pub profile: serde_json::Value,
}

/// Sets the send mark of the current claim.
#[async_trait]
pub trait Mark: Send + Sync {
    /// Commits `checkpoint` and the mark in one statement, or changes nothing.
    ///
    /// Errors: the mark was refused (lease lost or too short, past the deadline, canceled, another send of the account is
    /// unresolved). Pass the failure on unchanged with `?`: the engine knows why and ignores its class.
    async fn set(&self, checkpoint: Checkpoint) -> Result<Permit, Failure>;
}

/// The right to make one irreversible request, once, until `not_after`.
///
/// Not `Clone`: [`crate::http::Http::post_once`] consumes it.
#[derive(Debug)]
pub struct Permit {
    not_after: Deadline,
    call_max: Option<Duration>,
}

impl Permit {
    /// For whoever committed a send mark (the engine; tests). The request must begin before `not_after`.
    pub fn granted(not_after: Deadline) -> Self {
        Self {
            not_after,
            call_max: None,
        }
    }

    /// Bounds the whole call, answer included: after that, whoever waits for the mark may look.
    #[must_use]
    pub fn call_max(mut self, call_max: Duration) -> Self {
        self.call_max = Some(call_max);
        self
    }

    /// When a call that begins now must be over.
    pub fn over_by(&self) -> Option<Deadline> {
        self.call_max.map(Deadline::after)
    }

    /// The instant after which nothing may be sent.
    pub fn not_after(&self) -> Deadline {
        self.not_after
    }
}

/// How far publishing got.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// It is public, as a whole.
    Published(Receipt),
    /// More steps follow.
    Pending {
        /// What the next step must know.
        checkpoint: Checkpoint,
        /// Not before.
        poll_after: Duration,
        /// What is already public.
        receipt: Option<Receipt>,
    },
}

/// What a look found.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// It is there, so far.
    Found(Progress),
    /// It is certainly not there, and will not appear.
    Absent,
    /// Too early to say.
    NotYet {
        /// Look again then.
        look_after: Duration,
    },
    /// The platform answers a repetition of the identical frozen request with the first post.
    ResendIsSafe {
        /// For how long.
        until: Duration,
    },
    /// Nobody can tell.
    Unknowable,
}

/// Proof of publication.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The platform's id or URI of it.
    pub uri: Option<String>,
    /// The platform's content id, where there is one.
    pub cid: Option<String>,
    /// Where a person can see it.
    pub url: Option<String>,
    /// Who can see it now.
    pub visibility: Visibility,
    /// What is public beside the first part, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// What became of it otherwise than asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Receipt {
    /// The further posts of a thread, in order.
    pub fn thread(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.role == Role::Thread)
    }

    /// The first comment.
    pub fn first_comment(&self) -> Option<&Part> {
        self.parts
            .iter()
            .find(|part| part.role == Role::FirstComment)
    }
}

/// A part of a publication beside its first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is.
    pub role: Role,
    /// The platform's id or URI of it.
    pub uri: String,
    /// The platform's content id, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cid: Option<String>,
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A further post of a thread.
    Thread,
    /// The first comment.
    FirstComment,
}

/// Who can see a publication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everyone it is meant for.
    #[default]
    Public,
    /// Taken, but still being processed.
    Processing,
    /// Handed to the account's own inbox.
    Inbox,
}

/// What a connector must remember between steps: its own serde type, versioned, sealed by the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The connector's version of `body`; see [`crate::connector::Habits::checkpoint_version`].
    pub version: u16,
    /// One plain word for people (`container`, `ready`); the only part that is not sealed.
    pub stage: String,
    /// The connector's own value; may hold bearer URLs, therefore sealed at rest.
    pub body: serde_json::Value,
}

/// Largest checkpoint, in bytes of its JSON.
pub const CHECKPOINT_BYTES_MAX: usize = 256 * 1024;

impl Checkpoint {
    /// Wraps the connector's own value.
    ///
    /// Errors: the value cannot be written as JSON, or is larger than [`CHECKPOINT_BYTES_MAX`]: a mistake of the connector.
    pub fn new(version: u16, stage: &str, value: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_value(value).map_err(|e| {
            Failure::rejected(
                "checkpoint.write",
                format!("the checkpoint cannot be written: {e}"),
            )
        })?;
        let size = body.to_string().len();
        if size > CHECKPOINT_BYTES_MAX {
            return Err(Failure::rejected(
                "checkpoint.size",
                format!(
                    "the checkpoint has {size} bytes; at most {CHECKPOINT_BYTES_MAX} can be kept"
                ),
            ));
        }
        Ok(Self {
            version,
            stage: stage.to_owned(),
            body,
        })
    }

    /// Reads the connector's own value back.
    ///
    /// Errors: [`crate::failure::Class::Stale`] if the body is not of that type (the engine has checked the version before).
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_value(self.body.clone()).map_err(|e| {
            Failure::stale(
                "checkpoint.read",
                format!("the checkpoint cannot be read: {e}"),
            )
        })
    }
}
