//! Buckets of accounts and workers, as operators read them; what pauses and resumes them is in [`crate::queue`].

use crate::posts::Cursor;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, OrgId, WorkerId};

/// The bucket of an account with what waits and runs in it.
#[derive(Clone, Debug)]
pub struct BucketRow {
    /// Its organisation.
    pub org: OrgId,
    /// The organisation's name.
    pub organisation: String,
    /// The account, and the bucket.
    pub account: AccountId,
    /// Its queue: the platform's wire id.
    pub queue: String,
    /// The name that identifies the account to people.
    pub display_name: Option<String>,
    /// The platform's name of it.
    pub handle: Option<String>,
    /// `active`, `needs_reauth` or `paused`.
    pub account_status: String,
    /// `paused`, `blocked`, `limited` or `ready`: the first that applies.
    pub state: String,
    /// Who paused it, why it is blocked, which limit.
    pub reason: Option<String>,
    /// Whether its whole queue is paused.
    pub queue_paused: bool,
    /// When it opens by itself, if that is known.
    pub until: Option<DateTime<Utc>>,
    /// Jobs that wait, those that wait for a person included.
    pub queued: i64,
    /// Jobs that run.
    pub running: i32,
    /// When its account was connected.
    pub created_at: DateTime<Utc>,
}

/// Which buckets a list shows.
#[derive(Clone, Debug, Default)]
pub struct BucketFilter {
    /// Only of this organisation.
    pub org: Option<OrgId>,
    /// Only of this platform.
    pub platform: Option<String>,
    /// Only of this account.
    pub account: Option<AccountId>,
}

/// A worker process with what it holds.
#[derive(Clone, Debug)]
pub struct WorkerRow {
    /// New for each life of a process.
    pub id: WorkerId,
    /// `host/pid`
    pub name: String,
    /// Of its build.
    pub version: String,
    /// What it serves.
    pub queues: Vec<String>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Its last heartbeat.
    pub seen_at: DateTime<Utc>,
    /// Whether it was told to stop.
    pub stopping: bool,
    /// Leases that it holds.
    pub leases: i64,
    /// Jobs that run under its leases.
    pub running: i64,
}

impl Store {
    /// A page of the buckets of accounts, newest account first.
    pub async fn list_buckets(
        &self,
        filter: &BucketFilter,
        after: Option<&Cursor>,
        limit: i32,
    ) -> Result<Vec<BucketRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            BucketRow,
            "queries/console/list_buckets.sql",
            filter.org.map(OrgId::uuid),
            filter.platform,
            filter.account.map(AccountId::uuid),
            after.map(|cursor| cursor.at),
            after.map(|cursor| cursor.id),
            limit,
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// Every worker that is known, the one seen last first; silent ones are forgotten after a day.
    pub async fn list_workers(&self, limit: i32) -> Result<Vec<WorkerRow>, StoreError> {
        Ok(
            sqlx::query_file_as!(WorkerRow, "queries/console/list_workers.sql", limit)
                .fetch_all(&self.ordinary)
                .await?,
        )
    }
}
