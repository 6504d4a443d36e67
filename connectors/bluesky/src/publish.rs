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
    identity::{Freshness, Identities, casts_doubt},
    options::Options,
    part::{self, Part},
    preflight,
    record::Frozen,
    send::{evidence, says_not_found},
    video::{Film, VideoService},
    wire::{COLLECTION, Xrpc},
};
use async_trait::async_trait;
use publisher::{
    Account, CallError, Evidence, Failure, Habits, Http, OptionMedia, Post, Progress, Publisher,
    Quota, Report, Step,
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use url::Url;

/// A record that is not there yet is looked for again at least this often.
const LOOK_AFTER_MAX: Duration = Duration::from_secs(10);

/// Bluesky's publisher.
#[derive(Debug)]
pub(crate) struct Bluesky {
    pub(crate) http: Http,
    pub(crate) habits: Habits,
    pub(crate) identities: Arc<Identities>,
    pub(crate) video: VideoService,
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
        let home = pds(step.account)?;
        let task = Task {
            step,
            pds: &home,
            options: &options,
            part,
            number,
            total: plan.len(),
        };
        match self.advance(&task).await {
            Err(failure) if casts_doubt(&failure) => {
                Err(self.or_moved(&step, &home, failure).await)
            }
            other => other,
        }
    }

    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure> {
        let Some(checkpoint) = step.checkpoint else {
            return Ok(Evidence::Unknowable);
        };
        let frozen: Frozen = checkpoint.read()?;
        let home = pds(step.account)?;
        let seen = self.look(&step, &home, &frozen).await;
        let missed = match &seen {
            Ok(Evidence::Absent) => true,
            Err(failure) => casts_doubt(failure),
            Ok(_) => false,
        };
        // Records move with their account, so what is not here any more may be there.
        if missed && let Some(new) = self.moved(&step, &home).await {
            return self.look(&step, &new, &frozen).await;
        }
        seen
    }
}

impl Bluesky {
    /// The part's next step: its video's way, if it has one; freezing; sending.
    async fn advance(&self, task: &Task<'_>) -> Result<Progress, Failure> {
        let named = |failure| task.part.place.named(failure);
        let (film, known) = match self.film(task).await.map_err(named)? {
            Film::Working(progress) => return Ok(*progress),
            Film::Ready(ready) => (Some(ready.filmed), ready.before),
            Film::None(known) => (None, known),
        };
        let frozen = self.frozen(task, known, film).await.map_err(named)?;
        let permit = task.step.mark.set(frozen.checkpoint()?).await?;
        self.send(task, frozen, permit).await.map_err(named)
    }

    async fn moved(&self, step: &Step<'_>, home: &Url) -> Option<Url> {
        let did = &step.account.platform_account_id;
        self.identities
            .moved_from(home, did, Freshness::InDoubt, step.now, step.deadline)
            .await
    }

    /// What a failure means if the account lives elsewhere by now: its session must be renewed there.
    async fn or_moved(&self, step: &Step<'_>, home: &Url, failure: Failure) -> Failure {
        match self.moved(step, home).await {
            Some(new) => Failure::unauthorized(
                "bluesky.account.moved",
                format!(
                    "the account has moved to {}; its session is renewed there",
                    new.host_str().unwrap_or_default()
                ),
            ),
            None => failure,
        }
    }

    /// Looks under the key of a part in the repository at `pds`.
    async fn look(&self, step: &Step<'_>, pds: &Url, frozen: &Frozen) -> Result<Evidence, Failure> {
        let did = step.account.platform_account_id.as_str();
        let call = self.http.get(&Xrpc::GetRecord.at(pds)).query(&[
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
            return evidence(step, frozen, &answer);
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
