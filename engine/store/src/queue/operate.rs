//! What keepers and operators do to the queue.

use super::accept::to_json;
use super::{PostChange, Requeued, millis};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, DeadLetterId, JobId, OrgId};
use serde::Serialize;
use std::time::Duration;
use uuid::Uuid;

/// Tokens that were refreshed, and what goes with them.
#[derive(Clone, Copy, Debug)]
pub struct FreshTokens<'a> {
    /// The account's organisation.
    pub org: OrgId,
    /// The account.
    pub account: AccountId,
    /// The generation that they replace.
    pub expected: i32,
    /// The tokens, sealed.
    pub sealed: &'a [u8],
    /// When they end.
    pub expires_at: Option<DateTime<Utc>>,
    /// What the connector keeps of the account from now on; none leaves it as it is.
    pub profile: Option<&'a serde_json::Value>,
    /// The host of that profile, where users choose it; none leaves it as it is.
    pub host: Option<&'a str>,
}

/// A limit as its platform declares it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeclaredLimit {
    /// `account`, `host`, `app` or `org`.
    pub scope: &'static str,
    /// Unique within the platform.
    pub name: &'static str,
    /// What a charge names.
    pub meter: &'static str,
    /// `rate`, `window`, `calendar` or `slots`; claims heed `window` and `slots`.
    pub kind: &'static str,
    /// `posts` or `calls`.
    pub counts: &'static str,
    /// The bound.
    pub max_units: u32,
    /// Cost of one part of a publication.
    pub units: u32,
    /// Length of the window; of a rate: the time in which its burst is replenished.
    pub window_ms: Option<i64>,
    /// Of a calendar: the zone's IANA name.
    pub zone: Option<&'static str>,
    /// Of a rate: what may be taken at once.
    pub burst: Option<u32>,
}

/// How a dead letter is sent again.
#[derive(Clone, Debug)]
pub struct Redrive {
    /// Its organisation.
    pub org: OrgId,
    /// The letter.
    pub letter: DeadLetterId,
    /// Who wants it.
    pub by: String,
    /// An ambiguous one without a look first, on a person's word that nothing is there.
    pub blind: bool,
    /// How long the new job may take, counted from its time.
    pub give_up_after: Duration,
    /// When it is to go; none: at once. What is looked at first takes none.
    pub scheduled_at: Option<DateTime<Utc>>,
}

/// How the post of a dead letter is changed and sent.
#[derive(Clone, Debug)]
pub struct EditLetter {
    /// Its organisation.
    pub org: OrgId,
    /// The letter.
    pub letter: DeadLetterId,
    /// Who wants it.
    pub by: String,
    /// The post's `updated_at` when the change was judged.
    pub judged: DateTime<Utc>,
    /// What its post becomes; no time: at once.
    pub change: PostChange,
    /// How long the new job may take, counted from its time.
    pub give_up_after: Duration,
}

impl Store {
    /// Makes a queue and its declared limits what the connector of this build says; overrides stay.
    pub async fn declare_limits(
        &self,
        queue: &str,
        limits: &[DeclaredLimit],
    ) -> Result<(), StoreError> {
        sqlx::query_file!(
            "queries/queue/declare_limits.sql",
            queue,
            to_json("limits", limits)?
        )
        .execute(&self.ordinary)
        .await?;
        Ok(())
    }

    /// Plans one refresh for each account of a platform whose token ends within `horizon`; returns how many.
    pub async fn plan_refreshes(
        &self,
        queue: &str,
        horizon: Duration,
        give_up_after: Duration,
        room: i32,
        now: Option<DateTime<Utc>>,
    ) -> Result<i64, StoreError> {
        let (horizon, give_up) = (millis(horizon), millis(give_up_after));
        Ok(sqlx::query_file!(
            "queries/queue/plan_refreshes.sql",
            queue,
            horizon,
            give_up,
            room,
            now
        )
        .fetch_one(&self.ordinary)
        .await?
        .count)
    }

    /// Keeps fresh tokens whose refresh lost its lease before it could settle; false when somebody stored newer ones.
    pub async fn replace_tokens(&self, fresh: FreshTokens<'_>) -> Result<bool, StoreError> {
        let row = sqlx::query_file!(
            "queries/queue/replace_tokens.sql",
            fresh.org.uuid(),
            fresh.account.uuid(),
            fresh.expected,
            fresh.sealed,
            fresh.expires_at,
            fresh.profile,
            fresh.host,
        )
        .fetch_optional(&self.reserved)
        .await?;
        Ok(row.is_some())
    }

    /// Repairs what a settlement and a reconnection that met could not see of each other; returns how many jobs moved.
    pub async fn reconcile_accounts(
        &self,
        queues: &[String],
        now: Option<DateTime<Utc>>,
    ) -> Result<i64, StoreError> {
        Ok(
            sqlx::query_file!("queries/queue/reconcile_accounts.sql", queues, now)
                .fetch_one(&self.ordinary)
                .await?
                .count,
        )
    }

    /// Forgets charges that no window can still see; returns how many.
    pub async fn prune_charges(
        &self,
        room: i32,
        now: Option<DateTime<Utc>>,
    ) -> Result<i64, StoreError> {
        Ok(
            sqlx::query_file!("queries/queue/prune_charges.sql", room, now)
                .fetch_one(&self.ordinary)
                .await?
                .count,
        )
    }

    /// Closes every account of one host; nothing wider.
    pub async fn close_host(
        &self,
        queue: &str,
        host: &str,
        closed: Duration,
        why: &str,
    ) -> Result<(), StoreError> {
        let now = None::<DateTime<Utc>>;
        sqlx::query_file!(
            "queries/queue/close_host.sql",
            queue,
            host,
            millis(closed),
            why,
            now
        )
        .execute(&self.ordinary)
        .await?;
        Ok(())
    }

    /// Changes the post of an open dead letter and sends it as a new job without the old checkpoint, all of it or nothing.
    ///
    /// None: the letter is not open (any more), a send of it is unresolved, its account is gone, or the post was changed since
    /// it was judged; whoever asks reads it again and judges again.
    pub async fn edit_letter(
        &self,
        ask: &EditLetter,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<Requeued>, StoreError> {
        let row = sqlx::query_file!(
            "queries/dead_letters/edit.sql",
            ask.org.uuid(),
            ask.letter.uuid(),
            JobId::new().uuid(),
            ask.by,
            ask.judged,
            to_json("posts", &ask.change)?,
            millis(ask.give_up_after),
            Uuid::now_v7(),
            Uuid::now_v7(),
            now,
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.map(|row| Requeued {
            post: row.post.into(),
            scheduled_at: row.scheduled_at,
        }))
    }

    /// Sends an open dead letter again as a new job; none when it was not open (any more).
    pub async fn redrive(&self, ask: &Redrive) -> Result<Option<Requeued>, StoreError> {
        let row = sqlx::query_file!(
            "queries/queue/redrive.sql",
            ask.org.uuid(),
            ask.letter.uuid(),
            JobId::new().uuid(),
            ask.by,
            ask.blind,
            millis(ask.give_up_after),
            true,
            Uuid::now_v7(),
            None::<DateTime<Utc>>,
            ask.scheduled_at,
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.map(|row| Requeued {
            post: row.post.into(),
            scheduled_at: row.scheduled_at,
        }))
    }
}
