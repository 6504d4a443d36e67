//! Leases and the workers that hold them.

use super::{Fence, millis};
use crate::{Store, StoreError, answered};
use chrono::{DateTime, Utc};
use publisher::id::{BucketId, JobId, LeaseId, OrgId, WorkerId};
use std::time::Duration;
use uuid::Uuid;

/// A worker process as it introduces itself.
#[derive(Clone, Debug)]
pub struct WorkerInfo {
    /// New for each life of a process.
    pub id: WorkerId,
    /// `host/pid`, for people.
    pub name: String,
    /// Of the build.
    pub version: String,
    /// What it serves.
    pub queues: Vec<String>,
}

/// A running job whose lease is over.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact of the job"
)]
pub struct ExpiredClaim {
    /// The fence.
    pub org: OrgId,
    /// The fence.
    pub job: JobId,
    /// The fence.
    pub claim: i32,
    /// `publish`, `refresh` or `webhook`.
    pub kind: String,
    /// Its queue.
    pub queue: String,
    /// Its bucket.
    pub bucket: BucketId,
    /// The post, account or delivery.
    pub subject: Uuid,
    /// Counted failures.
    pub failures: i16,
    /// Deaths in a row.
    pub deaths: i16,
    /// Looks since the mark.
    pub looks: i16,
    /// List read-backs that said "absent".
    pub absences: i16,
    /// The claim whose mark is unresolved.
    pub sent_claim: Option<i32>,
    /// Whether something of it is public.
    pub public: bool,
    /// Whether it is past its deadline.
    pub expired: bool,
    /// Whether an account's trouble holds it.
    pub may_wait: bool,
    /// Whether its worker had been told to stop.
    pub stopping: bool,
}

impl ExpiredClaim {
    /// What its settlement is written under.
    pub fn fence(&self) -> Fence {
        Fence {
            org: self.org,
            job: self.job,
            claim: self.claim,
        }
    }
}

impl Store {
    /// This process begins to work.
    pub async fn register_worker(&self, worker: &WorkerInfo) -> Result<(), StoreError> {
        sqlx::query_file!(
            "queries/queue/register_worker.sql",
            worker.id.uuid(),
            worker.name,
            worker.version,
            &worker.queues
        )
        .execute(&self.reserved)
        .await?;
        Ok(())
    }

    /// This process was told to stop: what it leaves behind is no death.
    pub async fn stop_worker(&self, worker: WorkerId) -> Result<(), StoreError> {
        sqlx::query_file!("queries/queue/stop_worker.sql", worker.uuid())
            .execute(&self.reserved)
            .await?;
        Ok(())
    }

    /// The heartbeat of one worker: extends the leases that still run, drops those that are settled. Returns those extended;
    /// one that is missing was lost.
    pub async fn renew_leases(
        &self,
        worker: WorkerId,
        running: &[LeaseId],
        finished: &[LeaseId],
        lease: Duration,
    ) -> Result<Vec<LeaseId>, StoreError> {
        let running: Vec<Uuid> = running.iter().map(|id| id.uuid()).collect();
        let finished: Vec<Uuid> = finished.iter().map(|id| id.uuid()).collect();
        let renewal = sqlx::query_file!(
            "queries/queue/renew_leases.sql",
            worker.uuid(),
            &running,
            &finished,
            millis(lease),
            None::<DateTime<Utc>>
        )
        .fetch_all(&self.heartbeat);
        let rows = answered(lease / 4, async { Ok(renewal.await?) }).await?;
        Ok(rows.into_iter().map(|row| row.id.into()).collect())
    }

    /// Running jobs whose lease is over and whose marked request can no longer be in the air. Reads only; settle each under
    /// its fence with `expired_lease_only`.
    pub async fn read_expired(
        &self,
        queues: &[String],
        room: i32,
        grace: Duration,
        now: Option<DateTime<Utc>>,
    ) -> Result<Vec<ExpiredClaim>, StoreError> {
        Ok(sqlx::query_file_as!(
            ExpiredClaim,
            "queries/queue/read_expired.sql",
            queues,
            room,
            millis(grace),
            now
        )
        .fetch_all(&self.reserved)
        .await?)
    }

    /// Deletes expired leases none of whose jobs still runs under them, and workers silent for a day.
    pub async fn drop_spent_leases(
        &self,
        queues: &[String],
        now: Option<DateTime<Utc>>,
    ) -> Result<(), StoreError> {
        sqlx::query_file!("queries/queue/drop_spent_leases.sql", queues, now)
            .execute(&self.reserved)
            .await?;
        sqlx::query_file!("queries/queue/drop_silent_workers.sql")
            .execute(&self.reserved)
            .await?;
        Ok(())
    }
}
