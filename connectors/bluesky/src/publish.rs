//! Publishing: freeze a part, mark, send; and looking under its key when nobody knows.
//!
//! A publication has one or more parts ([`crate::part`]), each of them one irreversible request under a key of its own.
//! The receipt says how many are public; each call of `publish` sends the next one.
//!
//! Everything before the request is harmless to repeat: resolving a handle changes nothing, and uploading the same bytes
//! gives the same blob. The request itself is harmless to repeat *as it was*: a PDS that already has the identical record
//! under the key answers a put with it and writes nothing, and refuses a whole batch. So once a part is frozen in the
//! checkpoint, every later step sends exactly that, and what arrives minutes after its connection was cut makes no second
//! post.

use crate::{
    failures,
    options::Options,
    part::{self, Part},
    preflight,
    record::Frozen,
    send::{evidence, says_not_found},
    wire::{COLLECTION, Xrpc},
};
use async_trait::async_trait;
use publisher::{
    Account, CallError, Checkpoint, Evidence, Failure, Habits, Http, OptionMedia, Post, Progress,
    Publisher, Quota, Report, Step,
};
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// A record that is not there yet is looked for again at least this often.
const LOOK_AFTER_MAX: Duration = Duration::from_secs(10);

/// Bluesky's publisher.
#[derive(Debug)]
pub(crate) struct Bluesky {
    pub(crate) http: Http,
    pub(crate) habits: Habits,
}

/// The part that a step works on, and what it may use.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) step: Step<'a>,
    pub(crate) pds: &'a Url,
    pub(crate) options: &'a Options,
    pub(crate) part: &'a Part<'a>,
    /// Its place in the publication, from 0.
    pub(crate) number: usize,
    /// How many parts there are.
    pub(crate) total: usize,
}

impl Task<'_> {
    /// The account's repository.
    pub(crate) fn did(&self) -> &str {
        &self.step.account.platform_account_id
    }
}

#[async_trait]
impl Publisher for Bluesky {
    fn preflight(&self, post: &Post) -> Report {
        preflight::judge(post)
    }

    /// In puts: a part that goes out with its gates costs as many as its points need.
    fn parts(&self, post: &Post) -> u32 {
        let (options, _) = Options::read(&post.options);
        part::plan(post, &options).iter().map(Part::units).sum()
    }

    fn units(&self, post: &Post, _: &Quota) -> u32 {
        let (options, _) = Options::read(&post.options);
        part::plan(post, &options).iter().map(Part::points).sum()
    }

    fn media_in_options(&self, options: &Value) -> Vec<OptionMedia> {
        Options::read(options).0.media()
    }

    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure> {
        let options = Options::accepted(&step.post.options)?;
        let plan = part::plan(step.post, &options);
        let number = part::done(step.receipt);
        let Some(part) = plan.get(number) else {
            return Ok(Progress::Published(
                step.receipt.cloned().unwrap_or_default(),
            ));
        };
        let task = Task {
            step,
            pds: &pds(step.account)?,
            options: &options,
            part,
            number,
            total: plan.len(),
        };
        let known = step.checkpoint.map(Checkpoint::read).transpose()?;
        let named = |failure| part.place.named(failure);
        let frozen = self.frozen(&task, known).await.map_err(named)?;
        let permit = step.mark.set(frozen.checkpoint()?).await?;
        self.send(&task, frozen, permit).await.map_err(named)
    }

    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure> {
        let Some(checkpoint) = step.checkpoint else {
            return Ok(Evidence::Unknowable);
        };
        let frozen: Frozen = checkpoint.read()?;
        let did = step.account.platform_account_id.as_str();
        let call = self
            .http
            .get(&Xrpc::GetRecord.at(&pds(step.account)?))
            .query(&[
                ("repo", did),
                ("collection", COLLECTION),
                ("rkey", &frozen.rkey),
            ]);
        let answer = call
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::GetRecord, &e))?;
        if answer.is_success() {
            return evidence(&step, &frozen, &answer);
        }
        if !says_not_found(&answer) {
            return Err(failures::failure(Xrpc::GetRecord, &answer, step.now));
        }
        let left = step.left_until_settled(self.habits.call_deadline, self.habits.quiet);
        if left.is_zero() {
            Ok(Evidence::Absent)
        } else {
            Ok(Evidence::NotYet {
                look_after: left.min(LOOK_AFTER_MAX),
            })
        }
    }
}

/// The account's own server, found when it was connected.
pub(crate) fn pds(account: &Account) -> Result<Url, Failure> {
    account.profile["pds"]
        .as_str()
        .and_then(|pds| Url::parse(pds).ok())
        .ok_or_else(|| {
            Failure::account_blocked("bluesky.account.pds", "the account's PDS is not known")
                .remediation("Connect the account again.")
        })
}

/// Whether `did` has the form of a decentralised identifier.
pub(crate) fn is_did(did: &str) -> bool {
    let mut parts = did.splitn(3, ':');
    did.len() <= 2_048
        && parts.next() == Some("did")
        && parts.next().is_some_and(|method| {
            !method.is_empty() && method.bytes().all(|b| b.is_ascii_lowercase())
        })
        && parts.next().is_some_and(|id| {
            !id.is_empty()
                && !id.ends_with(':')
                && id.bytes().all(|b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'%' | b'-')
                })
        })
}

/// A call that got no whole answer.
pub(crate) fn unreachable(call: Xrpc, error: &CallError) -> Failure {
    error.failure(&call.code("no_answer"))
}
