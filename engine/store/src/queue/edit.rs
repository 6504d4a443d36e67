//! What owners do to a post of theirs: cancel it, change it before it has begun, or let a canceled one go after all.

use super::accept::{NewPostMedia, to_json};
use super::millis;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::Warning;
use publisher::id::{JobId, OrgId, PostId};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// What a post becomes; what is none stays as it is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PostChange {
    /// When it is to go; its deadline moves with it.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Its text.
    pub text: Option<String>,
    /// Its media, in order; an empty list leaves it without.
    pub media: Option<Vec<NewPostMedia>>,
    /// Everything it is warned of from now on.
    pub warnings: Option<Vec<Warning>>,
    /// Irreversible parts of the publication.
    pub parts: Option<u32>,
    /// Which of its content changes, for the event: `text`, `media`.
    pub changed: Vec<&'static str>,
}

/// A canceled post that is to go after all.
#[derive(Clone, Debug)]
pub struct Requeue {
    /// Its organisation.
    pub org: OrgId,
    /// The post.
    pub post: PostId,
    /// When it is to go; none: at its own time, or at once if that is past.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Whether its sends must not overlap in one bucket.
    pub exclusive: bool,
    /// Irreversible parts of the publication.
    pub parts: u32,
    /// How long after its time it is given up.
    pub give_up_after: Duration,
}

/// A post that waits again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requeued {
    /// The post.
    pub post: PostId,
    /// Its time; what is past means at once.
    pub scheduled_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Cancels a post whose job has not begun; false when there was nothing left to cancel.
    pub async fn cancel_post(&self, org: OrgId, post: PostId) -> Result<bool, StoreError> {
        let now = None::<DateTime<Utc>>;
        let row = sqlx::query_file!(
            "queries/queue/cancel_post.sql",
            org.uuid(),
            post.uuid(),
            Uuid::now_v7(),
            now
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.is_some())
    }

    /// Changes a post whose job has not begun and whose time has not come, exactly as told or not at all.
    ///
    /// `judged` is the post's `updated_at` when the change was judged. False: it has begun, its time has come, or it was
    /// changed since then; whoever asks reads it again and judges again.
    pub async fn edit_post(
        &self,
        org: OrgId,
        post: PostId,
        judged: DateTime<Utc>,
        change: &PostChange,
        now: Option<DateTime<Utc>>,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query_file!(
            "queries/queue/edit_post.sql",
            org.uuid(),
            post.uuid(),
            judged,
            to_json("posts", change)?,
            Uuid::now_v7(),
            Uuid::now_v7(),
            now
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.is_some())
    }

    /// Gives a canceled post a new job; none when it is not canceled (any more) or its account is gone.
    pub async fn requeue_canceled(
        &self,
        ask: &Requeue,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<Requeued>, StoreError> {
        let row = sqlx::query_file!(
            "queries/queue/requeue_canceled.sql",
            ask.org.uuid(),
            ask.post.uuid(),
            JobId::new().uuid(),
            ask.scheduled_at,
            ask.exclusive,
            i32::try_from(ask.parts).unwrap_or(i32::MAX),
            millis(ask.give_up_after),
            Uuid::now_v7(),
            now
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.map(|row| Requeued {
            post: ask.post,
            scheduled_at: row.scheduled_at,
        }))
    }
}
