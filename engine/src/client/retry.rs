//! Retrying on its owner's word: what ended unpublished is queued again, and what may be public is looked for first.

use super::Client;
use super::compose::{Content, TargetMedia, compose};
use super::edit::{SCHEDULE_AHEAD, first_comment};
use crate::console::{REDRIVE_GIVE_UP, can_be_known};
use crate::error::RetryError;
use chrono::{DateTime, Utc};
use publisher::id::{OrgId, PostId};
use store::PostRow;
use store::queue::{Redrive, Requeue, Requeued};

impl Client {
    /// Queues a failed, rejected or canceled post again, at `scheduled_at` if that is given.
    ///
    /// A failed or rejected one is redriven through its dead letter, in the name of `by`, and never blindly. A canceled one
    /// gets a new job; without a time it keeps its own, or goes at once if that is past.
    pub async fn retry_post(
        &self,
        org: OrgId,
        id: PostId,
        by: &str,
        scheduled_at: Option<DateTime<Utc>>,
    ) -> Result<Requeued, RetryError> {
        let post = self.store.get_post(org, id, None).await?;
        let post = post.ok_or(RetryError::NotFound)?;
        if !matches!(post.shown.as_str(), "failed" | "rejected" | "canceled") {
            return Err(RetryError::Status { status: post.shown });
        }
        if post.platform_account_id.is_none() {
            return Err(RetryError::AccountMissing);
        }
        if let Some(at) = scheduled_at {
            let (_, now) = self.store.ping().await?;
            if at < now + SCHEDULE_AHEAD {
                return Err(RetryError::TooSoon);
            }
        }
        let requeued = if post.shown == "canceled" {
            let ask = self.requeue(org, &post, scheduled_at).await?;
            self.store.requeue_canceled(&ask, None).await?
        } else {
            self.redrive_letter(org, id, by, scheduled_at).await?
        };
        requeued.ok_or(RetryError::Raced)
    }

    async fn redrive_letter(
        &self,
        org: OrgId,
        post: PostId,
        by: &str,
        scheduled_at: Option<DateTime<Utc>>,
    ) -> Result<Option<Requeued>, RetryError> {
        let Some(letter) = self.store.get_letter(post.uuid(), Some(org)).await? else {
            return Err(RetryError::Raced);
        };
        match letter.resolved_how.as_deref() {
            None => {}
            Some("discarded") => return Err(RetryError::Discarded),
            Some(_) => return Err(RetryError::Raced),
        }
        if !can_be_known(&letter, &self.registry) {
            return Err(RetryError::CannotLook {
                platform: letter.queue,
            });
        }
        if letter.sent_at.is_some() && scheduled_at.is_some() {
            return Err(RetryError::LooksFirst);
        }
        let ask = Redrive {
            org,
            letter: letter.id,
            by: by.to_owned(),
            blind: false,
            give_up_after: REDRIVE_GIVE_UP,
            scheduled_at,
        };
        Ok(self.store.redrive(&ask).await?)
    }

    async fn requeue(
        &self,
        org: OrgId,
        post: &PostRow,
        scheduled_at: Option<DateTime<Utc>>,
    ) -> Result<Requeue, RetryError> {
        let Some(connector) = self.registry.get(&post.platform) else {
            return Err(RetryError::PlatformGone {
                platform: post.platform.clone(),
            });
        };
        let media = TargetMedia::of_post(post)?;
        let named = connector.publisher.media_in_options(&post.options);
        let content = Content {
            text: &post.text,
            media: &media,
            first_comment: first_comment(post),
            options: &post.options,
            named: &named,
        };
        let library = self.find_media(org, content.files()).await?;
        let (composed, _) = compose(post.id, content, &library);
        Ok(Requeue {
            org,
            post: post.id,
            scheduled_at,
            exclusive: connector.habits.read_back.is_exclusive(),
            parts: connector.publisher.parts(&composed).max(1),
            give_up_after: self.config.give_up_scheduled,
        })
    }
}
