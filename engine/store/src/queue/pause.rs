//! A person's word that an account or a whole queue is to stand still, and that it may go on.
//!
//! What runs is not touched: only claims read these flags.

use crate::{Store, StoreError};
use publisher::id::AccountId;

/// What a pause came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paused {
    /// It stands still now.
    Now,
    /// It stood still already: who paused it, or why.
    Already(Option<String>),
    /// There is no such account or queue.
    Unknown,
}

/// What a resumption came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It goes on.
    Now,
    /// The account stands still until its owner has connected it again.
    NeedsOwner,
    /// Nobody had paused it.
    NotPaused,
    /// There is no such account or queue.
    Unknown,
}

/// Why a bucket stands still whose account needs its owner.
const NEEDS_OWNER: &str = "account_needs_reauth";

impl Store {
    /// Nothing of this account is claimed from now on.
    pub async fn pause_account(&self, account: AccountId, by: &str) -> Result<Paused, StoreError> {
        let mut tx = self.ordinary.begin().await?;
        let Some(bucket) = sqlx::query_file!("queries/queue/lock_account.sql", account.uuid())
            .fetch_optional(&mut *tx)
            .await?
        else {
            return Ok(Paused::Unknown);
        };
        if bucket.paused && bucket.paused_by.as_deref() != Some(NEEDS_OWNER) {
            return Ok(Paused::Already(bucket.paused_by));
        }
        sqlx::query_file!(
            "queries/queue/pause_account.sql",
            bucket.org,
            account.uuid(),
            by
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Paused::Now)
    }

    /// What waits for this account may be claimed again, unless the account needs its owner.
    pub async fn resume_account(&self, account: AccountId) -> Result<Resumed, StoreError> {
        let mut tx = self.ordinary.begin().await?;
        let Some(bucket) = sqlx::query_file!("queries/queue/lock_account.sql", account.uuid())
            .fetch_optional(&mut *tx)
            .await?
        else {
            return Ok(Resumed::Unknown);
        };
        if !bucket.paused {
            return Ok(Resumed::NotPaused);
        }
        let resumed = sqlx::query_file!(
            "queries/queue/resume_account.sql",
            bucket.org,
            account.uuid()
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(if resumed.paused {
            Resumed::NeedsOwner
        } else {
            Resumed::Now
        })
    }

    /// Nothing of this queue is claimed from now on.
    pub async fn pause_queue(&self, queue: &str, by: &str) -> Result<Paused, StoreError> {
        let mut tx = self.ordinary.begin().await?;
        let Some(row) = sqlx::query_file!("queries/queue/lock_paused.sql", queue)
            .fetch_optional(&mut *tx)
            .await?
        else {
            return Ok(Paused::Unknown);
        };
        if row.paused {
            return Ok(Paused::Already(row.paused_by));
        }
        sqlx::query_file!("queries/queue/pause_queue.sql", queue, by)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Paused::Now)
    }

    /// What waits in this queue may be claimed again, also after the platform blocked our app.
    pub async fn resume_queue(&self, queue: &str) -> Result<Resumed, StoreError> {
        let mut tx = self.ordinary.begin().await?;
        let Some(row) = sqlx::query_file!("queries/queue/lock_paused.sql", queue)
            .fetch_optional(&mut *tx)
            .await?
        else {
            return Ok(Resumed::Unknown);
        };
        if !row.paused && !row.refused {
            return Ok(Resumed::NotPaused);
        }
        sqlx::query_file!("queries/queue/resume_queue.sql", queue)
            .fetch_all(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Resumed::Now)
    }
}
