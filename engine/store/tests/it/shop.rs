//! A shop to test in: an organisation with accounts in a database of its own, and verbs for what happens to their posts.
//!
//! Time is explicit: [`Shop::at`] counts seconds from an instant an hour ahead of the database's clock, because some
//! statements never make a bucket ready before their own present.

use chrono::{DateTime, TimeDelta, Utc};
use publisher::id::{
    AccountId, ApiKeyId, BatchId, JobId, LeaseId, OrgId, PostId, ProfileId, WorkerId,
};
use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};
use std::time::Duration;
use store::queue::{
    Accepted, ClaimRequest, Claimed, Claims, DeclaredLimit, Fence, Marked, NewBatch, NewPost,
    Refusal, Remembered, SetMark, Settled, Settlement, WorkerInfo,
};
use store::testing::TestDatabase;
use store::{NewAccount, Store};

/// The queue of a shop that says nothing else.
pub(crate) const QUEUE: &str = "toys";
/// How long a claim is leased here.
pub(crate) const LEASE: Duration = Duration::from_mins(1);

pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) org: OrgId,
    pub(crate) profile: ProfileId,
    pub(crate) worker: WorkerId,
    opened: DateTime<Utc>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let database = TestDatabase::create().await;
        let store = database.store.clone();
        let (_, clock) = store.ping().await.unwrap();
        let shop = Self {
            store,
            database,
            org: OrgId::new(),
            profile: ProfileId::new(),
            worker: WorkerId::new(),
            // Whole milliseconds, so that what is rounded to them on its way loses nothing.
            opened: DateTime::from_timestamp_millis(clock.timestamp_millis()).unwrap()
                + TimeDelta::hours(1),
        };
        shop.store
            .insert_organisation(shop.org, "Ada & Co", shop.profile)
            .await
            .unwrap();
        shop.declare(QUEUE, &[]).await;
        shop.introduce(shop.worker).await;
        shop
    }

    pub(crate) async fn introduce(&self, id: WorkerId) {
        let worker = WorkerInfo {
            id,
            name: "host/1".to_owned(),
            version: "0.1.0".to_owned(),
            queues: vec![QUEUE.to_owned()],
        };
        self.store.register_worker(&worker).await.unwrap();
    }

    /// Ends a test: invariants, deadlocks, and nobody asleep in front of work.
    pub(crate) async fn close(self) {
        assert_eq!(
            self.stranded().await,
            0,
            "jobs behind a bucket nobody wakes"
        );
        self.database.close_clean().await;
    }

    /// Waiting jobs whose bucket will never yield by itself and is not closed for a reason.
    pub(crate) async fn stranded(&self) -> i64 {
        self.database
            .count(
                "select count(*) from jobs j join buckets b on b.org = j.org and b.id = j.bucket
                  where j.state = 'queued' and b.ready_at = 'infinity' and not b.paused and b.limited_by is null",
            )
            .await
    }

    /// Seconds after the shop's first instant.
    pub(crate) fn at(&self, seconds: i64) -> DateTime<Utc> {
        self.opened + TimeDelta::seconds(seconds)
    }

    /// Milliseconds after the shop's first instant.
    pub(crate) fn at_ms(&self, millis: i64) -> DateTime<Utc> {
        self.opened + TimeDelta::milliseconds(millis)
    }

    pub(crate) async fn declare(&self, queue: &str, limits: &[DeclaredLimit]) {
        self.store.declare_limits(queue, limits).await.unwrap();
    }

    pub(crate) async fn account(&self) -> AccountId {
        self.account_on(QUEUE).await
    }
    pub(crate) async fn account_on(&self, queue: &str) -> AccountId {
        let id = AccountId::new();
        assert_eq!(self.connect(id, queue).await, Some(true));
        id
    }

    /// Connects an account, or connects a known one again with fresh tokens; whether it was new.
    pub(crate) async fn connect(&self, id: AccountId, queue: &str) -> Option<bool> {
        let name = id.to_string();
        let found = self.store.find_identity(self.org, queue, &name).await;
        let known = found.unwrap() == Some(id);
        (self.connect_as(id, known, queue, &name).await).then_some(!known)
    }

    /// Connects the platform's account `name` under an id that was found, or made; false when it is not so any more.
    pub(crate) async fn connect_as(
        &self,
        id: AccountId,
        known: bool,
        queue: &str,
        name: &str,
    ) -> bool {
        let account = NewAccount {
            org: self.org,
            id,
            known,
            profile: self.profile,
            platform: queue,
            platform_account_id: name,
            display_name: None,
            handle: Some("ada"),
            profile_data: &json!({}),
            scopes: &[],
            sealed_tokens: b"sealed",
            token_expires_at: None,
            renewable: true,
            host: Some("toys.example"),
        };
        self.store.connect_account(account).await.unwrap()
    }

    /// A post of one part that may wait a day, due at once.
    pub(crate) fn draft(&self, account: AccountId) -> NewPost {
        NewPost {
            id: PostId::new(),
            job: JobId::new(),
            position: 0,
            profile: self.profile,
            account,
            platform: QUEUE.to_owned(),
            text: "hello".to_owned(),
            options: json!({}),
            first_comment: None,
            metadata: json!({}),
            sandbox: false,
            warnings: json!([]),
            scheduled_at: None,
            priority: 1,
            give_up_after: Duration::from_hours(24),
            awaited_for: None,
            may_wait: true,
            exclusive: false,
            parts: 1,
            media: Vec::new(),
            option_media: Vec::new(),
        }
    }

    pub(crate) async fn accept(
        &self,
        posts: &[NewPost],
        key: Option<&Remembered>,
        now: DateTime<Utc>,
    ) -> Accepted {
        let batch = batch();
        self.store
            .accept(self.org, &batch, posts, key, Some(now))
            .await
            .unwrap()
    }

    /// Accepts one post and returns its job.
    pub(crate) async fn enqueue(&self, post: NewPost, now: DateTime<Utc>) -> JobId {
        let accepted = self.accept(std::slice::from_ref(&post), None, now).await;
        assert!(matches!(accepted, Accepted::New { .. }), "{accepted:?}");
        post.job
    }

    /// Accepts `count` ordinary posts of one account in one request; returns their jobs, oldest first.
    pub(crate) async fn enqueue_many(
        &self,
        account: AccountId,
        count: i16,
        now: DateTime<Utc>,
    ) -> Vec<JobId> {
        let posts: Vec<NewPost> = (0..count)
            .map(|position| NewPost {
                position,
                ..self.draft(account)
            })
            .collect();
        let accepted = self.accept(&posts, None, now).await;
        assert!(matches!(accepted, Accepted::New { .. }), "{accepted:?}");
        posts.iter().map(|post| post.job).collect()
    }

    pub(crate) fn ask(&self, room: i32, now: DateTime<Utc>) -> ClaimRequest<'static> {
        ClaimRequest {
            queue: QUEUE,
            room,
            worker: self.worker,
            lease_id: LeaseId::new(),
            lease: LEASE,
            now: Some(now),
        }
    }

    pub(crate) async fn claim(&self, room: i32, now: DateTime<Utc>) -> Claims {
        self.store.claim(self.ask(room, now)).await.unwrap()
    }

    /// Claims the one job that is due.
    pub(crate) async fn claim_one(&self, now: DateTime<Utc>) -> Claimed {
        let mut jobs = self.claim(10, now).await.jobs;
        assert_eq!(jobs.len(), 1, "one job is due");
        jobs.remove(0)
    }

    pub(crate) async fn mark(&self, job: &Claimed, now: DateTime<Utc>) -> Result<Marked, Refusal> {
        let ask = SetMark {
            fence: job.fence(),
            checkpoint: b"checkpoint",
            stage: "sending",
            margin: Duration::from_secs(11),
            call: Duration::from_secs(10),
            begin: Duration::from_mins(10),
            now: Some(now),
        };
        self.store.set_mark(ask).await.unwrap()
    }

    pub(crate) async fn settle_all(&self, batch: &[Settlement], now: DateTime<Utc>) -> Settled {
        self.store.settle(batch, Some(now)).await.unwrap()
    }

    /// Settles one claim; true when it held its fence.
    pub(crate) async fn settle(&self, settlement: Settlement, now: DateTime<Utc>) -> bool {
        let settled = self.settle_all(&[settlement], now).await;
        settled.lost.is_empty()
    }

    /// One row, as JSON; null when there is none.
    pub(crate) async fn row(&self, table: &str, condition: &str) -> Value {
        let question = format!("select to_jsonb(x) from {table} x where {condition} limit 1");
        self.database
            .ask(&question)
            .await
            .map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }

    pub(crate) async fn job(&self, id: JobId) -> Value {
        self.row("jobs", &format!("id = '{id}'")).await
    }

    /// The post of a claimed job.
    pub(crate) async fn post_of(&self, job: &Claimed) -> Value {
        self.row("posts", &format!("id = '{}'", job.subject)).await
    }

    pub(crate) async fn bucket(&self, account: AccountId) -> Value {
        self.row("buckets", &format!("id = '{account}'")).await
    }

    /// When a bucket may yield, in milliseconds after the shop's first instant; none for never.
    pub(crate) async fn ready_ms(&self, account: AccountId) -> Option<i64> {
        let at = self
            .database
            .ask(&format!(
                "select (extract(epoch from ready_at) * 1000)::numeric(20, 0) from buckets
                  where id = '{account}' and ready_at < 'infinity'"
            ))
            .await?;
        Some(at.parse::<i64>().unwrap() - self.opened.timestamp_millis())
    }

    /// Locks a bucket until the returned transaction ends.
    #[expect(clippy::disallowed_methods, reason = "a test's own lock")]
    pub(crate) async fn hold_bucket(&self, account: AccountId) -> Transaction<'static, Postgres> {
        let mut held = self.database.pool.begin().await.unwrap();
        sqlx::query("select from buckets where id = $1 for no key update")
            .bind(account.uuid())
            .execute(&mut *held)
            .await
            .unwrap();
        held
    }

    /// Runs a statement inside a transaction, and leaves it open.
    #[expect(clippy::disallowed_methods, reason = "a test's own statement")]
    pub(crate) async fn begin_in(
        &self,
        mut open: Transaction<'static, Postgres>,
        statement: &'static str,
    ) -> Transaction<'static, Postgres> {
        sqlx::query(statement).execute(&mut *open).await.unwrap();
        open
    }

    /// Runs a statement inside a transaction that holds a lock, and commits it.
    pub(crate) async fn run_in(
        &self,
        open: Transaction<'static, Postgres>,
        statement: &'static str,
    ) {
        self.begin_in(open, statement).await.commit().await.unwrap();
    }

    /// Waits until so many sessions of this database stand behind a lock.
    pub(crate) async fn wait_blocked(&self, sessions: i64) {
        let question = "select count(*) from pg_stat_activity
                         where datname = current_database() and wait_event_type = 'Lock'";
        for _ in 0..2000 {
            if self.database.count(question).await == sessions {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("{sessions} sessions never stood behind a lock");
    }

    /// Rows of a table.
    pub(crate) async fn count(&self, table: &str, condition: &str) -> i64 {
        self.database
            .count(&format!("select count(*) from {table} where {condition}"))
            .await
    }
}

/// An ordinary request of its own.
pub(crate) fn batch() -> NewBatch {
    NewBatch {
        id: BatchId::new(),
        api_key: None::<ApiKeyId>,
        request_id: "req_1".to_owned(),
        awaited: false,
        scheduled_at: None,
        metadata: json!({}),
        warnings: json!([]),
    }
}

/// The lease under which a job was claimed, as its worker's heartbeat names it.
pub(crate) fn leases_of(jobs: &[Claimed]) -> Vec<LeaseId> {
    let mut leases: Vec<LeaseId> = jobs.iter().map(|job| job.lease).collect();
    leases.dedup();
    leases
}

pub(crate) fn fences(jobs: &[Claimed]) -> Vec<Fence> {
    jobs.iter().map(Claimed::fence).collect()
}

/// A rolling window of an account.
pub(crate) fn window(
    name: &'static str,
    counts: &'static str,
    max_units: u32,
    units: u32,
    window_ms: i64,
) -> DeclaredLimit {
    DeclaredLimit {
        scope: "account",
        name,
        meter: counts,
        kind: "window",
        counts,
        max_units,
        units,
        window_ms: Some(window_ms),
        ..DeclaredLimit::default()
    }
}

/// How many jobs of an account may run at once.
pub(crate) fn slots(max_units: u32) -> DeclaredLimit {
    DeclaredLimit {
        scope: "account",
        name: "slots",
        meter: "slots",
        kind: "slots",
        counts: "calls",
        max_units,
        units: 1,
        ..DeclaredLimit::default()
    }
}
