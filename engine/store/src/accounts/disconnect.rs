//! Disconnecting an account: what lives of it ends, and nothing that its platform gave or said is kept.
//!
//! One transaction under the account's locks, in their order: buckets, jobs, then the rest.

use crate::queue::to_json;
use crate::{Store, StoreError, answered};
use chrono::{DateTime, Utc};
use publisher::Warning;
use publisher::id::{AccountId, ApiKeyId, OrgId};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// What is written about the posts that a disconnection ends.
#[derive(Clone, Debug, Serialize)]
pub struct LastWords {
    /// Of the attempts that it ends.
    pub code: String,
    /// Of the attempts that it ends.
    pub message: String,
    /// Stands wherever the platform's words stood.
    #[serde(skip)]
    pub forgotten: String,
    /// Added to what is canceled.
    pub canceled: Warning,
    /// Added to what is public in part.
    pub cut: Warning,
    /// Of what may be public, and nobody can look; the platform is added.
    pub error: Value,
    /// The same, in its dead letter.
    pub failure: Value,
    /// The same, as its fingerprint goes on behind the platform.
    pub fingerprint: String,
}

/// Posts that a disconnection ended, or would end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Nothing of them was sent.
    pub canceled: i64,
    /// They may be public: an ambiguous dead letter each.
    pub unresolved: i64,
    /// They are public, at least in part.
    pub published: i64,
}

/// What disconnecting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnect {
    /// The account is gone.
    Done(Ended),
    /// There is no such account (any more); nothing was done.
    Gone,
    /// The API key was revoked meanwhile; nothing was done.
    KeyRevoked,
}

/// One try: what it came to, and whether that is certain.
enum Tried {
    Certain(Disconnect),
    /// The COMMIT was not answered.
    Unsure(Ended, StoreError),
}

/// How long one try may take: a long history is rewritten.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it is tried while the database comes and goes.
const TRIES: usize = 3;

impl Store {
    /// What a disconnection would end, if it happened now.
    pub async fn count_live(&self, org: OrgId, account: AccountId) -> Result<Ended, StoreError> {
        Ok(sqlx::query_file_as!(
            Ended,
            "queries/accounts/count_live.sql",
            org.uuid(),
            account.uuid()
        )
        .fetch_one(&self.ordinary)
        .await?)
    }

    /// Disconnects an account: everything that lives of it ends, its tokens and whatever its platform gave or said are deleted
    /// everywhere, or nothing is done at all.
    ///
    /// `key` is read again inside of the transaction. A COMMIT whose answer was lost is tried again, and recognised by the
    /// account being gone. Errors: the database is away; if [`StoreError::outcome_is_unknown`], it may have been done.
    pub async fn disconnect_account(
        &self,
        org: OrgId,
        account: AccountId,
        key: Option<ApiKeyId>,
        words: &LastWords,
        now: Option<DateTime<Utc>>,
    ) -> Result<Disconnect, StoreError> {
        let mut unsure = None;
        for tries_left in (0..TRIES).rev() {
            let tried = Box::pin(self.try_disconnect(org, account, key, words, now));
            match answered(PATIENCE, tried).await {
                // Whoever's COMMIT it was: what this caller wanted is done.
                Ok(Tried::Certain(Disconnect::Gone)) => {
                    return Ok(unsure.map_or(Disconnect::Gone, Disconnect::Done));
                }
                Ok(Tried::Certain(end)) => return Ok(end),
                Ok(Tried::Unsure(ended, error)) => {
                    unsure = Some(ended);
                    if tries_left == 0 {
                        return Err(error);
                    }
                }
                Err(error) if error.is_passing() && tries_left > 0 => {
                    // Silence may have followed the COMMIT.
                    if matches!(error, StoreError::NoAnswer) {
                        unsure.get_or_insert_default();
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::NoAnswer)
    }

    async fn try_disconnect(
        &self,
        org: OrgId,
        account: AccountId,
        key: Option<ApiKeyId>,
        words: &LastWords,
        now: Option<DateTime<Utc>>,
    ) -> Result<Tried, StoreError> {
        let (org, account) = (org.uuid(), account.uuid());
        let mut tx = self.ordinary.begin().await?;
        let buckets: Vec<Uuid> =
            sqlx::query_file!("queries/accounts/lock_account_buckets.sql", org, account)
                .fetch_all(&mut *tx)
                .await?
                .into_iter()
                .map(|row| row.id)
                .collect();
        if buckets.is_empty() {
            return Ok(Tried::Certain(Disconnect::Gone));
        }
        if let Some(key) = key {
            let row = sqlx::query_file!("queries/tenants/key_is_valid.sql", org, key.uuid())
                .fetch_one(&mut *tx)
                .await?;
            if !row.valid {
                return Ok(Tried::Certain(Disconnect::KeyRevoked));
            }
        }
        sqlx::query_file!("queries/accounts/lock_account_jobs.sql", org, &buckets)
            .fetch_all(&mut *tx)
            .await?;
        sqlx::query_file!(
            "queries/accounts/forget_history.sql",
            org,
            account,
            words.forgotten
        )
        .fetch_one(&mut *tx)
        .await?;
        let ended = sqlx::query_file!(
            "queries/accounts/end_jobs.sql",
            org,
            &buckets,
            to_json("posts", words)?,
            now
        )
        .fetch_one(&mut *tx)
        .await?;
        let ended = Ended {
            canceled: ended.canceled,
            unresolved: ended.unresolved,
            published: ended.published,
        };
        let deleted = sqlx::query_file!(
            "queries/accounts/delete_account.sql",
            org,
            account,
            &buckets
        )
        .fetch_one(&mut *tx)
        .await?;
        if deleted.count != 1 {
            return Err(StoreError::WrongCount {
                statement: "delete_account",
                expected: 1,
                actual: deleted.count,
            });
        }
        match tx.commit().await.map_err(StoreError::from) {
            Ok(()) => Ok(Tried::Certain(Disconnect::Done(ended))),
            Err(error) if error.outcome_is_unknown() => Ok(Tried::Unsure(ended, error)),
            Err(error) => Err(error),
        }
    }
}
