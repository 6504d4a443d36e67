//! Claiming: lock first, then look.

use super::{Fence, millis};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{
    AccountId, BatchId, BucketId, JobId, LeaseId, OrgId, PostId, ProfileId, WorkerId,
};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// What a claimer asks for.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRequest<'a> {
    /// Which queue.
    pub queue: &'a str,
    /// At most so many jobs; at least 1.
    pub room: i32,
    /// Who asks.
    pub worker: WorkerId,
    /// Names the lease, so that a claim whose COMMIT answer was lost can be found again.
    pub lease_id: LeaseId,
    /// How long the jobs are leased.
    pub lease: Duration,
    /// The database's clock unless a test says otherwise.
    pub now: Option<DateTime<Utc>>,
}

/// What a claim gave.
#[derive(Debug, Default)]
pub struct Claims {
    /// The leased jobs, most urgent first.
    pub jobs: Vec<Claimed>,
    /// When to look again if nothing else wakes us: none means that nothing is due by itself.
    pub look_in: Option<Duration>,
}

/// A leased job.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Its organisation.
    pub org: OrgId,
    /// Its id.
    pub job: JobId,
    /// `publish`, `refresh` or `webhook`.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Its bucket.
    pub bucket: BucketId,
    /// The post, account or delivery.
    pub subject: Uuid,
    /// 0 a caller waits, 1 scheduled, 2 bulk.
    pub priority: i16,
    /// When it was due.
    pub run_at: DateTime<Utc>,
    /// Its deadline.
    pub give_up_at: DateTime<Utc>,
    /// Whether an account's trouble holds it instead of ending it.
    pub may_wait: bool,
    /// Counted failures so far.
    pub failures: i16,
    /// Deaths in a row.
    pub deaths: i16,
    /// Looks since the mark.
    pub looks: i16,
    /// How often a list read-back said "absent".
    pub absences: i16,
    /// The fence.
    pub claim: i32,
    /// Its lease.
    pub lease: LeaseId,
    /// The database's clock at the claim.
    pub claimed_at: DateTime<Utc>,
    /// The claim whose send mark is unresolved.
    pub sent_claim: Option<i32>,
    /// When that mark was set.
    pub sent_at: Option<DateTime<Utc>>,
    /// When its call was certainly over.
    pub answer_by: Option<DateTime<Utc>>,
    /// Whether its sends must not overlap in one bucket.
    pub exclusive: bool,
    /// Irreversible parts of the publication.
    pub parts: i32,
    /// How far it got, in one word.
    pub stage: Option<String>,
    /// Sealed.
    pub checkpoint: Option<Vec<u8>>,
    /// What is already public.
    pub receipt: Option<Value>,
    /// The token generation that was refused last.
    pub token_seen: Option<i32>,
    /// How often its post was redriven.
    pub generation: i16,
    /// Whether an operator asked for its end.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Of a publication: `{requestId}`, the request that it was accepted with.
    pub payload: Value,
    /// Strictly increasing per bucket, microseconds.
    pub sequence: i64,
}

impl Claimed {
    /// What proves that the job is ours.
    pub fn fence(&self) -> Fence {
        Fence {
            org: self.org,
            job: self.job,
            claim: self.claim,
        }
    }
}

/// A claimed post with its account.
#[derive(Clone, Debug)]
pub struct LoadedPost {
    /// Its organisation.
    pub org: OrgId,
    /// Its id.
    pub id: PostId,
    /// Its batch.
    pub batch: BatchId,
    /// Its profile.
    pub profile: ProfileId,
    /// Its account.
    pub account: AccountId,
    /// Wire id of its platform.
    pub platform: String,
    /// Its text.
    pub text: String,
    /// The platform's options.
    pub options: Value,
    /// `{text}` or nothing.
    pub first_comment: Option<Value>,
    /// Whether it is simulated.
    pub sandbox: bool,
    /// When it was to go.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// What its preflight warned of.
    pub warnings: Value,
    /// None of the account's columns: it is gone.
    pub platform_account_id: Option<String>,
    /// The account's handle.
    pub handle: Option<String>,
    /// What the connector asked to be kept.
    pub profile_data: Option<Value>,
    /// `active`, `needs_reauth` or `paused`.
    pub account_status: Option<String>,
    /// Why, for people.
    pub status_reason: Option<String>,
    /// Its sealed tokens.
    pub sealed_tokens: Option<Vec<u8>>,
    /// Their generation.
    pub token_generation: Option<i32>,
    /// A receipt that came after its claim was lost.
    pub late_receipt: Option<Value>,
    /// `[{id, kind, alt_text, mime, size_bytes, width, height}]`; `mime` is null when the file is gone.
    pub media: Value,
    /// The files that its options name, in order; a file that is gone lacks all but its id.
    pub option_media: Value,
}

/// A claimed refresh's account.
#[derive(Clone, Debug)]
pub struct LoadedAccount {
    /// Its organisation.
    pub org: OrgId,
    /// Its id.
    pub id: AccountId,
    /// Wire id of its platform.
    pub platform: String,
    /// The platform's id of it.
    pub platform_account_id: String,
    /// Its name.
    pub display_name: Option<String>,
    /// Its handle.
    pub handle: Option<String>,
    /// What the connector asked to be kept.
    pub profile_data: Value,
    /// `active`, `needs_reauth` or `paused`.
    pub status: String,
    /// Its sealed tokens.
    pub sealed_tokens: Option<Vec<u8>>,
    /// Their generation.
    pub token_generation: i32,
    /// When the access token ends.
    pub token_expires_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Leases due jobs of one queue, through their buckets and inside every limit, and re-arms each bucket it looked at.
    pub async fn claim(&self, ask: ClaimRequest<'_>) -> Result<Claims, StoreError> {
        let closed = sqlx::query_file!("queries/queue/read_queue.sql", ask.queue, ask.now)
            .fetch_optional(&self.ordinary)
            .await?;
        match closed {
            None => return Ok(Claims::default()),
            Some(queue) if queue.paused => return Ok(Claims::default()),
            Some(queue) if queue.closed_ms > 0 => {
                return Ok(Claims {
                    jobs: Vec::new(),
                    look_in: Some(duration(queue.closed_ms)),
                });
            }
            Some(_) => {}
        }
        let jobs = self.claim_open(ask).await?;
        // What is leased must not be lost to an error behind the commit; the poll looks again anyway.
        let look_in = self.next_ready(ask.queue, ask.now).await.unwrap_or(None);
        Ok(Claims { jobs, look_in })
    }

    async fn claim_open(&self, ask: ClaimRequest<'_>) -> Result<Vec<Claimed>, StoreError> {
        let mut tx = self.ordinary.begin().await?;
        let buckets = sqlx::query_file!(
            "queries/queue/lock_buckets.sql",
            ask.queue,
            ask.room,
            ask.now
        )
        .fetch_all(&mut *tx)
        .await?;
        if buckets.is_empty() {
            return Ok(Vec::new());
        }
        let queue = sqlx::query_file!("queries/queue/lock_queue.sql", ask.queue, ask.now)
            .fetch_optional(&mut *tx)
            .await?;
        if queue.is_none_or(|queue| queue.paused || queue.closed_ms > 0) {
            return Ok(Vec::new());
        }
        let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) =
            buckets.iter().map(|bucket| (bucket.org, bucket.id)).unzip();
        let jobs = sqlx::query_file_as!(
            Claimed,
            "queries/queue/take_jobs.sql",
            &orgs,
            &ids,
            ask.queue,
            ask.room,
            ask.worker.uuid(),
            ask.lease_id.uuid(),
            millis(ask.lease),
            ask.now,
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut taken: HashMap<(Uuid, Uuid), i32> = HashMap::new();
        for job in &jobs {
            *taken
                .entry((job.org.uuid(), job.bucket.uuid()))
                .or_default() += 1;
        }
        let counts: Vec<i32> = orgs
            .iter()
            .zip(&ids)
            .map(|(o, b)| taken.get(&(*o, *b)).copied().unwrap_or(0))
            .collect();
        // The statement's own clock must not run behind the claim's: sequence numbers are minted from the same instant.
        let now = ask.now.or_else(|| jobs.first().map(|job| job.claimed_at));
        let rearmed =
            sqlx::query_file!("queries/queue/rearm_buckets.sql", &orgs, &ids, &counts, now)
                .fetch_one(&mut *tx)
                .await?;
        let expected = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        if rearmed.count != expected {
            return Err(StoreError::WrongCount {
                statement: "rearm_buckets",
                expected,
                actual: rearmed.count,
            });
        }
        publisher::fault::point("claim.before_commit");
        tx.commit().await?;
        publisher::fault::point("claim.after_commit");
        Ok(jobs)
    }

    async fn next_ready(
        &self,
        queue: &str,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<Duration>, StoreError> {
        let row = sqlx::query_file!("queries/queue/next_ready.sql", queue, now)
            .fetch_one(&self.ordinary)
            .await?;
        Ok(row.ready_ms.map(duration))
    }

    /// Leases jobs past their deadline that no ordinary claim reaches: held, or behind a closed bucket.
    pub async fn claim_overdue(&self, ask: ClaimRequest<'_>) -> Result<Vec<Claimed>, StoreError> {
        Ok(sqlx::query_file_as!(
            Claimed,
            "queries/queue/take_overdue.sql",
            ask.queue,
            ask.room,
            ask.worker.uuid(),
            ask.lease_id.uuid(),
            millis(ask.lease),
            ask.now,
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// Puts back what was leased under claims whose COMMIT answer was lost; returns how many jobs.
    pub async fn release_leases(
        &self,
        worker: WorkerId,
        leases: &[LeaseId],
    ) -> Result<i64, StoreError> {
        let ids: Vec<Uuid> = leases.iter().map(|id| id.uuid()).collect();
        let rows = sqlx::query_file!("queries/queue/read_leases.sql", worker.uuid(), &ids)
            .fetch_all(&self.reserved)
            .await?;
        let fences: Vec<Fence> = rows
            .into_iter()
            .map(|row| Fence {
                org: row.org.into(),
                job: row.job.into(),
                claim: row.claim,
            })
            .collect();
        if fences.is_empty() {
            Ok(0)
        } else {
            self.release_unstarted(&fences).await
        }
    }

    /// The posts of claimed jobs, with their accounts.
    pub async fn load_posts(
        &self,
        posts: &[(OrgId, PostId)],
    ) -> Result<Vec<LoadedPost>, StoreError> {
        let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = posts
            .iter()
            .map(|(org, id)| (org.uuid(), id.uuid()))
            .unzip();
        Ok(
            sqlx::query_file_as!(LoadedPost, "queries/queue/load_posts.sql", &orgs, &ids)
                .fetch_all(&self.ordinary)
                .await?,
        )
    }

    /// The accounts of claimed refreshes.
    pub async fn load_accounts(
        &self,
        accounts: &[(OrgId, AccountId)],
    ) -> Result<Vec<LoadedAccount>, StoreError> {
        let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) = accounts
            .iter()
            .map(|(org, id)| (org.uuid(), id.uuid()))
            .unzip();
        Ok(sqlx::query_file_as!(
            LoadedAccount,
            "queries/queue/load_accounts.sql",
            &orgs,
            &ids
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// Puts claims back that were never begun; nothing is counted. Returns how many were still ours.
    pub async fn release_unstarted(&self, claims: &[Fence]) -> Result<i64, StoreError> {
        let orgs: Vec<Uuid> = claims.iter().map(|fence| fence.org.uuid()).collect();
        let jobs: Vec<Uuid> = claims.iter().map(|fence| fence.job.uuid()).collect();
        let numbers: Vec<i32> = claims.iter().map(|fence| fence.claim).collect();
        Ok(sqlx::query_file!(
            "queries/queue/release_unstarted.sql",
            &orgs,
            &jobs,
            &numbers
        )
        .fetch_one(&self.reserved)
        .await?
        .count)
    }
}

fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
