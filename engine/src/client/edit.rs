//! Editing: judge the post as it would be, then change it exactly so, or not at all.
//!
//! Judging takes time, and a claim or another edit may come between: the change is written only over the very post that was
//! judged; otherwise it is read and judged again.

use super::Client;
use super::compose::{Content, TargetMedia, compose};
use crate::error::{EditError, TargetViolation};
use chrono::{DateTime, TimeDelta, Utc};
use publisher::id::{OrgId, PostId};
use publisher::{Violation, Warning};
use serde::Deserialize as _;
use store::queue::PostChange;
use store::{PostRow, StoreError};

/// How often a change is judged before it is given up: each time somebody else changed the post meanwhile.
pub(super) const JUDGED_MAX: usize = 5;

/// A post scheduled closer than this is not scheduled.
pub(super) const SCHEDULE_AHEAD: TimeDelta = TimeDelta::seconds(1);

/// The warning about a field that nobody knows: it is of the request, and outlives a new judgement of the content.
const UNKNOWN_FIELD: &str = "request.unknown_field";

/// What is to become of a post; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Its time.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Its text.
    pub text: Option<String>,
    /// Its media; an empty list leaves it without.
    pub media: Option<Vec<TargetMedia>>,
    /// About the request that asks for it.
    pub warnings: Vec<Warning>,
}

impl Client {
    /// Changes a post that has not begun, exactly as told or not at all; returns it as it is then.
    ///
    /// What is not named stays, the platform's options among it. New content is judged by the platform's rules.
    /// The deadline moves with the time.
    pub async fn edit_post(
        &self,
        org: OrgId,
        id: PostId,
        edit: &Edit,
    ) -> Result<PostRow, EditError> {
        for _ in 0..JUDGED_MAX {
            let post = self.store.get_post(org, id, None).await?;
            let post = post.ok_or(EditError::NotFound)?;
            let change = self.judge_edit(org, &post, edit).await?;
            if self
                .store
                .edit_post(org, id, post.updated_at, &change, None)
                .await?
            {
                let edited = self.store.get_post(org, id, None).await?;
                return edited.ok_or(EditError::NotFound);
            }
        }
        Err(EditError::Contended)
    }

    /// Whether a post may be edited now.
    ///
    /// Errors: [`EditError::Begun`], [`EditError::Window`].
    pub async fn check_editable(&self, post: &PostRow) -> Result<DateTime<Utc>, EditError> {
        if post.shown != "queued" {
            return Err(EditError::Begun {
                status: post.shown.clone(),
            });
        }
        let (_, now) = self.store.ping().await?;
        if post.scheduled_at.is_none_or(|at| at <= now) {
            return Err(EditError::Window {
                scheduled_at: post.scheduled_at,
            });
        }
        Ok(now)
    }

    async fn judge_edit(
        &self,
        org: OrgId,
        post: &PostRow,
        edit: &Edit,
    ) -> Result<PostChange, EditError> {
        let now = self.check_editable(post).await?;
        if edit
            .scheduled_at
            .is_some_and(|at| at < now + SCHEDULE_AHEAD)
        {
            return Err(EditError::TooSoon);
        }
        self.judge_change(org, post, edit).await
    }

    /// What a post becomes by an edit, judged by its platform's rules as it would be then.
    pub(super) async fn judge_change(
        &self,
        org: OrgId,
        post: &PostRow,
        edit: &Edit,
    ) -> Result<PostChange, EditError> {
        let mut change = PostChange {
            scheduled_at: edit.scheduled_at,
            text: edit.text.clone(),
            media: edit
                .media
                .as_ref()
                .map(|media| media.iter().map(TargetMedia::to_row).collect()),
            ..PostChange::default()
        };
        let mut warnings = stored_warnings(post)?;
        if edit.text.is_some() || edit.media.is_some() {
            let (parts, judged) = self.judge_content(org, post, edit).await?;
            warnings.retain(|warning| warning.code == UNKNOWN_FIELD);
            warnings.extend(judged);
            change.parts = Some(parts);
            change.changed.extend(edit.text.is_some().then_some("text"));
            change
                .changed
                .extend(edit.media.is_some().then_some("media"));
        }
        for warning in &edit.warnings {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        change.warnings = Some(warnings);
        Ok(change)
    }

    /// How many parts the edited post has, and what its platform warns of.
    async fn judge_content(
        &self,
        org: OrgId,
        post: &PostRow,
        edit: &Edit,
    ) -> Result<(u32, Vec<Warning>), EditError> {
        let connector =
            self.registry
                .get(&post.platform)
                .ok_or_else(|| EditError::PlatformGone {
                    platform: post.platform.clone(),
                })?;
        let media = match &edit.media {
            Some(media) => media.clone(),
            None => TargetMedia::of_post(post)?,
        };
        let named = connector.publisher.media_in_options(&post.options);
        let content = Content {
            text: edit.text.as_deref().unwrap_or(&post.text),
            media: &media,
            first_comment: first_comment(post),
            options: &post.options,
            named: &named,
        };
        let library = self.find_media(org, content.files()).await?;
        let (composed, mut report) = compose(post.id, content, &library);
        if content.text.is_empty() && media.is_empty() {
            report.violations.push(Violation {
                rule: "targets.text.required".to_owned(),
                path: if edit.text.is_some() { "text" } else { "media" }.to_owned(),
                message: "The post would have neither text nor media.".to_owned(),
                remediation: Some("Give it a text, or keep its media.".to_owned()),
            });
        }
        let judged = connector.publisher.preflight(&composed);
        report.violations.extend(judged.violations);
        report.warnings.extend(judged.warnings);
        if report.violations.is_empty() {
            let parts = connector.publisher.parts(&composed).max(1);
            return Ok((parts, report.warnings));
        }
        let told = |violation| TargetViolation {
            target: 0,
            platform: post.platform.clone(),
            violation,
        };
        Err(EditError::Preflight(
            report.violations.into_iter().map(told).collect(),
        ))
    }
}

/// The text of a stored post's first comment.
pub(super) fn first_comment(post: &PostRow) -> Option<&str> {
    post.first_comment.as_ref()?["text"].as_str()
}

fn stored_warnings(post: &PostRow) -> Result<Vec<Warning>, StoreError> {
    Vec::deserialize(&post.warnings).map_err(|_| StoreError::Inconsistent {
        table: "posts",
        column: "warnings",
        row: post.id.to_string(),
    })
}
