//! Buckets of accounts and workers, as operators read them; what pauses and resumes them is in [`crate::queue`].

use crate::posts::Cursor;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, OrgId, PostId, WorkerId};
use uuid::Uuid;

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

/// Everything that decides when an account's bucket may yield, and what waits in it by kind. Instants are to come.
#[derive(Clone, Debug)]
pub struct BucketDetail {
    /// What happened to the account, and what to do.
    pub status_reason: Option<String>,
    /// Whether a person, or the account's need of its owner, closed it.
    pub paused: bool,
    /// Who, or `account_needs_reauth`.
    pub paused_by: Option<String>,
    /// Whether its platform is closed by a person or because our app is blocked.
    pub platform_paused: bool,
    /// Who, or why.
    pub platform_paused_by: Option<String>,
    /// Until when the platform's word closes it.
    pub blocked_until: Option<DateTime<Utc>>,
    /// Why.
    pub blocked_by: Option<String>,
    /// Until when the platform's word closes the whole platform.
    pub platform_blocked_until: Option<DateTime<Utc>>,
    /// Why.
    pub platform_blocked_by: Option<String>,
    /// The limit that the next job waits for; `slots`, or `verifying`: another send is unresolved.
    pub limited_by: Option<String>,
    /// The post whose send is unresolved, so that no other of the account may begin.
    pub unresolved: Option<Uuid>,
    /// Since when.
    pub unresolved_since: Option<DateTime<Utc>>,
    /// Jobs whose time has come.
    pub due: i64,
    /// Since when the first of them is due.
    pub due_since: Option<DateTime<Utc>>,
    /// Jobs whose time is to come.
    pub later: i64,
    /// When the first of them is due.
    pub next_at: Option<DateTime<Utc>>,
    /// Jobs that wait for a person.
    pub held: i64,
    /// Workers that serve its platform now.
    pub workers: i64,
}

/// A limit in force for an account's bucket, with what is used of it.
#[derive(Clone, Debug)]
pub struct BucketLimit {
    /// Its name.
    pub name: String,
    /// `window`, `slots`, `rate` or `calendar`.
    pub kind: String,
    /// `posts` or `calls`.
    pub counts: String,
    /// The bound.
    pub max_units: i32,
    /// What one part of a publication costs.
    pub units: i32,
    /// Length of its window.
    pub window_ms: Option<i64>,
    /// The zone of its calendar.
    pub zone: Option<String>,
    /// Whether it is the account's own instead of the platform's declaration.
    pub own: bool,
    /// Units charged by claims that have not settled; slots in use.
    pub reserved: i64,
    /// Units used within the window.
    pub dated: i64,
    /// When the oldest of these leave the window.
    pub frees_at: Option<DateTime<Utc>>,
}

/// A post with a live job in an account's bucket.
#[derive(Clone, Debug)]
pub struct BucketPost {
    /// The post.
    pub id: PostId,
    /// Its text.
    pub text: String,
    /// `queued`, `running` or `held`.
    pub state: String,
    /// 0 a caller waits, 1 scheduled, 2 bulk.
    pub priority: i16,
    /// When it is due; none while it is held.
    pub run_at: Option<DateTime<Utc>>,
    /// Why it waits for a person.
    pub hold_reason: Option<String>,
    /// Counted failures.
    pub failures: i16,
    /// Looks since the last mark.
    pub looks: i16,
    /// How far it got, in one word.
    pub stage: Option<String>,
    /// Whether a send of it is unresolved.
    pub unresolved: bool,
    /// When it is given up.
    pub give_up_at: DateTime<Utc>,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
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

    /// What decides when an account's bucket may yield; none if there is no such account.
    pub async fn read_bucket(
        &self,
        org: OrgId,
        account: AccountId,
    ) -> Result<Option<BucketDetail>, StoreError> {
        Ok(sqlx::query_file_as!(
            BucketDetail,
            "queries/console/read_bucket.sql",
            org.uuid(),
            account.uuid(),
            None::<DateTime<Utc>>,
        )
        .fetch_optional(&self.ordinary)
        .await?)
    }

    /// The limits in force for an account's bucket, by name.
    pub async fn list_bucket_limits(
        &self,
        org: OrgId,
        account: AccountId,
    ) -> Result<Vec<BucketLimit>, StoreError> {
        Ok(sqlx::query_file_as!(
            BucketLimit,
            "queries/console/list_bucket_limits.sql",
            org.uuid(),
            account.uuid(),
            None::<DateTime<Utc>>,
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// The first posts of an account's bucket, in the order of their turn.
    pub async fn list_bucket_posts(
        &self,
        org: OrgId,
        account: AccountId,
        limit: i32,
    ) -> Result<Vec<BucketPost>, StoreError> {
        Ok(sqlx::query_file_as!(
            BucketPost,
            "queries/console/list_bucket_posts.sql",
            org.uuid(),
            account.uuid(),
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
