//! Accepting: judge every target by its platform's rules, then store everything or nothing.

use super::Client;
use super::compose::{Content, TargetMedia, compose};
use crate::error::{AcceptError, TargetViolation};
use crate::telemetry;
use chrono::{DateTime, Utc};
use publisher::id::{ApiKeyId, BatchId, JobId, OrgId, PostId};
use publisher::{Connector, OptionMedia, Post, Warning};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::queue::{Accepted, NewBatch, NewPost, Remembered};
use store::{AccountRow, MediaRow, StoreError};
use tracing::Instrument as _;

/// One request, its shape checked and its accounts resolved.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Whose.
    pub org: OrgId,
    /// The key that sent it.
    pub api_key: Option<ApiKeyId>,
    /// The request.
    pub request_id: String,
    /// The caller's idempotency key.
    pub remembered: Option<Remembered>,
    /// When it is to go; none: now, and the caller waits.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What the caller asked to be kept; an object.
    pub metadata: Value,
    /// About the whole request.
    pub warnings: Vec<Warning>,
    /// At least one.
    pub targets: Vec<Target>,
}

/// One target of a request.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its account.
    pub account: AccountRow,
    /// Its text.
    pub text: String,
    /// Its media, in order.
    pub media: Vec<TargetMedia>,
    /// A comment to be placed under it.
    pub first_comment: Option<String>,
    /// The platform's options; an object.
    pub options: Value,
    /// What the caller asked to be kept; an object.
    pub metadata: Value,
    /// The caller's deadline, counted from its time.
    pub publish_within: Option<Duration>,
    /// About this target.
    pub warnings: Vec<Warning>,
}

/// A request was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// Now.
    New {
        /// As this batch.
        batch: BatchId,
    },
    /// Before, under the same idempotency key.
    Known {
        /// As this batch.
        batch: BatchId,
    },
}

/// What an idempotency key already stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// The same request: this is its batch.
    Known {
        /// The batch.
        batch: BatchId,
    },
    /// Another request.
    KeyReused,
}

impl Client {
    /// What an idempotency key already stands for; none if it is free.
    pub async fn replayed(
        &self,
        org: OrgId,
        remembered: &Remembered,
    ) -> Result<Option<Replay>, StoreError> {
        let known = self.store.read_key(org, &remembered.key).await?;
        Ok(known.map(|(fingerprint, batch)| {
            if fingerprint == remembered.fingerprint {
                Replay::Known { batch }
            } else {
                Replay::KeyReused
            }
        }))
    }

    /// Judges and stores a request: every post with its job, or nothing.
    ///
    /// Errors: [`AcceptError::Preflight`] with *all* broken rules of all targets; nothing is stored then. A lost COMMIT answer
    /// is asked for again under the caller's idempotency key, or under the batch's id.
    pub async fn accept(&self, submission: Submission) -> Result<Acceptance, AcceptError> {
        let posts = self.judge(&submission).await?;
        let batch = NewBatch {
            id: BatchId::new(),
            api_key: submission.api_key,
            request_id: submission.request_id,
            awaited: submission.scheduled_at.is_none(),
            scheduled_at: submission.scheduled_at,
            metadata: submission.metadata,
            warnings: json!(submission.warnings),
        };
        let remembered = submission.remembered.as_ref();
        let span = telemetry::accept(batch.id, posts.len());
        let store = async {
            let (org, batch, posts) = (submission.org, &batch, &posts);
            match self.store.accept(org, batch, posts, remembered, None).await {
                Err(error) if error.is_passing() => {
                    self.accept_again(org, batch, posts, remembered, error)
                        .await
                }
                other => other,
            }
        };
        match store.instrument(span).await? {
            Accepted::New { .. } => Ok(Acceptance::New { batch: batch.id }),
            Accepted::Known(known) if known == batch.id => Ok(Acceptance::New { batch: known }),
            Accepted::Known(known) => Ok(Acceptance::Known { batch: known }),
            Accepted::KeyReused => Err(AcceptError::KeyReused),
            Accepted::KeyRevoked => Err(AcceptError::KeyRevoked),
            Accepted::AccountGone => Err(AcceptError::AccountGone),
        }
    }

    /// After an error that passes: look whether the batch is there, and only then try once more.
    async fn accept_again(
        &self,
        org: OrgId,
        batch: &NewBatch,
        posts: &[NewPost],
        remembered: Option<&Remembered>,
        first: StoreError,
    ) -> Result<Accepted, StoreError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match self.store.get_batch(org, batch.id).await {
            Ok(Some(stored)) => Ok(Accepted::New {
                at: stored.created_at,
            }),
            Ok(None) => match self.store.accept(org, batch, posts, remembered, None).await {
                // The first one arrived after all, between the look and now: the rows are ours.
                Err(conflict @ StoreError::Conflict { .. }) => self
                    .store
                    .get_batch(org, batch.id)
                    .await?
                    .map(|stored| Accepted::New {
                        at: stored.created_at,
                    })
                    .ok_or(conflict),
                other => other,
            },
            Err(_) => Err(first),
        }
    }

    async fn judge(&self, submission: &Submission) -> Result<Vec<NewPost>, AcceptError> {
        let connectors: Vec<&Arc<Connector>> = submission
            .targets
            .iter()
            .map(|target| {
                let platform = &target.account.platform;
                let gone = || AcceptError::PlatformGone {
                    platform: platform.clone(),
                };
                self.registry.get(platform).ok_or_else(gone)
            })
            .collect::<Result<_, _>>()?;
        let pairs = submission.targets.iter().zip(&connectors);
        let named: Vec<Vec<OptionMedia>> = pairs
            .map(|(target, connector)| connector.publisher.media_in_options(&target.options))
            .collect();
        let contents: Vec<Content<'_>> = submission
            .targets
            .iter()
            .zip(&named)
            .map(|(target, named)| Content {
                text: &target.text,
                media: &target.media,
                first_comment: target.first_comment.as_deref(),
                options: &target.options,
                named,
            })
            .collect();
        let files = contents.iter().flat_map(Content::files);
        let library = self.find_media(submission.org, files).await?;
        let mut violations = Vec::new();
        let mut posts = Vec::with_capacity(submission.targets.len());
        for (index, (content, connector)) in contents.into_iter().zip(&connectors).enumerate() {
            let target = &submission.targets[index];
            let (post, mut report) = compose(PostId::new(), content, &library);
            let judged = connector.publisher.preflight(&post);
            report.violations.extend(judged.violations);
            report.warnings.extend(judged.warnings);
            let told = |violation| TargetViolation {
                target: index,
                platform: target.account.platform.clone(),
                violation,
            };
            violations.extend(report.violations.drain(..).map(told));
            let row = self.row_of(submission, index, target, connector, &post, report.warnings);
            posts.push(row);
        }
        if violations.is_empty() {
            Ok(posts)
        } else {
            Err(AcceptError::Preflight(violations))
        }
    }

    /// The files of the library that are named, by id.
    pub(super) async fn find_media<'a>(
        &self,
        org: OrgId,
        ids: impl Iterator<Item = &'a str>,
    ) -> Result<HashMap<String, MediaRow>, StoreError> {
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = self.store.find_media(org, &ids).await?;
        Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
    }

    fn row_of(
        &self,
        submission: &Submission,
        index: usize,
        target: &Target,
        connector: &Arc<Connector>,
        post: &Post,
        judged: Vec<Warning>,
    ) -> NewPost {
        let scheduled = submission.scheduled_at.is_some();
        let default = if scheduled {
            self.config.give_up_scheduled
        } else {
            self.config.give_up_immediate
        };
        let mut warnings = target.warnings.clone();
        warnings.extend(judged);
        NewPost {
            id: post.id,
            job: JobId::new(),
            position: i16::try_from(index).unwrap_or(i16::MAX),
            profile: target.account.profile,
            account: target.account.id,
            platform: target.account.platform.clone(),
            text: target.text.clone(),
            options: target.options.clone(),
            first_comment: target
                .first_comment
                .as_ref()
                .map(|text| json!({"text": text})),
            metadata: target.metadata.clone(),
            sandbox: false,
            warnings: json!(warnings),
            scheduled_at: submission.scheduled_at,
            priority: i16::from(scheduled),
            give_up_after: target.publish_within.unwrap_or(default),
            awaited_for: (!scheduled).then_some(self.config.wait),
            may_wait: scheduled,
            exclusive: connector.habits.read_back.is_exclusive(),
            parts: connector.publisher.parts(post).max(1),
            media: target.media.iter().map(TargetMedia::to_row).collect(),
            // Those of captions stand with their film, and go with it when it is changed.
            option_media: post
                .option_media
                .iter()
                .map(|media| media.id.clone())
                .filter(|id| target.media.iter().all(|media| !media.has_captions(id)))
                .collect(),
        }
    }
}
