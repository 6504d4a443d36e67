//! Settling: what a batch of attempts came to, in one statement and one commit.

use super::accept::to_json;
use super::{Fence, millis};
use crate::{Store, StoreError, answered};
use chrono::{DateTime, Utc};
use publisher::id::{DeadLetterId, JobId, OrgId, PostId};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgExecutor;
use std::time::Duration;
use uuid::Uuid;

/// The outcome of one attempt, ready to be written. The fields are columns of `settle.sql`; whoever fills them has decided.
#[derive(Clone, Debug, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field per column of the statement"
)]
pub struct Settlement {
    /// The fence.
    pub org: OrgId,
    /// The fence.
    pub job: JobId,
    /// The fence.
    pub claim: i32,
    /// `complete`, `continue`, `retry`, `snooze`, `verify`, `hold`, `release`, `cancel` or `dead_letter`.
    pub kind: &'static str,
    /// The job is due again after so long.
    pub after_ms: i64,
    /// Counted failures to add.
    pub failures: i16,
    /// Looks to add.
    pub looks: i16,
    /// Deaths to add.
    pub deaths: i16,
    /// Absences to add.
    pub absences: i16,
    /// The answer was definite: the send mark is resolved.
    pub resolves_mark: bool,
    /// Written by a reaper: only while the claim's lease is really over.
    pub expired_lease_only: bool,
    /// The mark as that reaper saw it; another one means that the claim lives.
    pub seen_sent_claim: Option<i32>,
    /// A new sealed checkpoint, in base64.
    pub checkpoint: Option<String>,
    /// Its plain word.
    pub stage: Option<String>,
    /// The checkpoint is dropped.
    pub drops_checkpoint: bool,
    /// What is already public.
    pub receipt: Option<Value>,
    /// `account_needs_reauth` or `operator`, with kind `hold`.
    pub hold_reason: Option<&'static str>,
    /// The token generation that this attempt used.
    pub token_seen: Option<i32>,
    /// The bucket is closed for so long.
    pub blocks_ms: Option<i64>,
    /// Why the bucket or the queue is closed.
    pub blocked_by: Option<String>,
    /// The whole queue is closed for so long.
    pub closes_queue_ms: Option<i64>,
    /// The whole queue is closed until an operator resumes it.
    pub pauses_queue: bool,
    /// The token was refused: ask for a fresh one, unless it is there.
    pub refreshes_token: bool,
    /// The account's new status.
    pub account_status: Option<&'static str>,
    /// Why.
    pub account_reason: Option<String>,
    /// The row in the ledger; none writes no row.
    pub outcome: Option<&'static str>,
    /// Of the failure.
    pub class: Option<&'static str>,
    /// Of the failure.
    pub code: Option<String>,
    /// Of the failure.
    pub message: Option<String>,
    /// Of the failure.
    pub rule: Option<String>,
    /// Of the failure.
    pub http_status: Option<u16>,
    /// Of the failure.
    pub platform_response: Option<Value>,
    /// The post's final status.
    pub post_status: Option<&'static str>,
    /// The post's receipt.
    pub post_receipt: Option<Value>,
    /// Warnings to add to the post's.
    pub post_warnings: Option<Value>,
    /// The post's error.
    pub post_error: Option<Value>,
    /// Id of the dead letter, with kind `dead_letter`.
    pub letter: Option<DeadLetterId>,
    /// Its class.
    pub letter_class: Option<&'static str>,
    /// Its fingerprint.
    pub fingerprint: Option<String>,
    /// Its failure.
    pub failure: Option<Value>,
    /// Fresh tokens, sealed, in base64.
    pub sealed_tokens: Option<String>,
    /// The generation that they replace.
    pub token_generation: Option<i32>,
    /// When they end.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// With them: what the connector keeps of the account from now on; none leaves it as it is.
    pub profile: Option<Value>,
    /// The host of that profile, where users choose it; none leaves it as it is.
    pub host: Option<String>,
    /// Id of the refresh job, should one be needed.
    pub refresh_job: JobId,
    /// How long that refresh may be tried.
    pub refresh_give_up_ms: i64,
    /// Id of the event; none announces nothing.
    pub event: Option<Uuid>,
    /// Its type, from the webhook catalogue.
    pub event_type: Option<&'static str>,
    /// Its data.
    pub event_data: Option<Value>,
}

impl Settlement {
    /// A settlement that does nothing yet but put the job back.
    pub fn new(fence: Fence, kind: &'static str) -> Self {
        Self {
            org: fence.org,
            job: fence.job,
            claim: fence.claim,
            kind,
            after_ms: 0,
            failures: 0,
            looks: 0,
            deaths: 0,
            absences: 0,
            resolves_mark: false,
            expired_lease_only: false,
            seen_sent_claim: None,
            checkpoint: None,
            stage: None,
            drops_checkpoint: false,
            receipt: None,
            hold_reason: None,
            token_seen: None,
            blocks_ms: None,
            blocked_by: None,
            closes_queue_ms: None,
            pauses_queue: false,
            refreshes_token: false,
            account_status: None,
            account_reason: None,
            outcome: None,
            class: None,
            code: None,
            message: None,
            rule: None,
            http_status: None,
            platform_response: None,
            post_status: None,
            post_receipt: None,
            post_warnings: None,
            post_error: None,
            letter: None,
            letter_class: None,
            fingerprint: None,
            failure: None,
            sealed_tokens: None,
            token_generation: None,
            token_expires_at: None,
            profile: None,
            host: None,
            refresh_job: JobId::new(),
            refresh_give_up_ms: millis(Duration::from_hours(1)),
            event: None,
            event_type: None,
            event_data: None,
        }
    }

    /// The fence it is written under.
    pub fn fence(&self) -> Fence {
        Fence {
            org: self.org,
            job: self.job,
            claim: self.claim,
        }
    }
}

/// Which settlements of a batch took effect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// These held their fence, now or in an earlier try whose answer was lost.
    pub written: Vec<Fence>,
    /// These claims were no longer current: nothing was changed.
    pub lost: Vec<Fence>,
}

/// How long one try may take before it is asked again; longer than a lock is waited for.
const SETTLE_PATIENCE: Duration = Duration::from_secs(45);

impl Store {
    /// Writes a batch of settlements in one commit, and tells which held their fence.
    ///
    /// May be repeated after any error: a settlement that is already in the ledger counts as written.
    pub async fn settle(
        &self,
        batch: &[Settlement],
        now: Option<DateTime<Utc>>,
    ) -> Result<Settled, StoreError> {
        answered(SETTLE_PATIENCE, self.try_settle(batch, now)).await
    }

    async fn try_settle(
        &self,
        batch: &[Settlement],
        now: Option<DateTime<Utc>>,
    ) -> Result<Settled, StoreError> {
        publisher::fault::point("settle.before_commit");
        // A dead letter may meet a receipt that came late; nothing else needs a second statement.
        let written = if batch.iter().any(|s| s.letter.is_some()) {
            let mut tx = self.reserved.begin().await?;
            let written = write_settlements(&mut *tx, batch, now).await?;
            let posts: Vec<(OrgId, Uuid)> = written.iter().map(|(f, s)| (f.org, *s)).collect();
            adopt_receipts(&mut *tx, &posts, now).await?;
            tx.commit().await?;
            written
        } else {
            write_settlements(&self.reserved, batch, now).await?
        };
        publisher::fault::point("settle.after_commit");
        let mut settled = Settled {
            written: written.into_iter().map(|(fence, _)| fence).collect(),
            lost: Vec::new(),
        };
        if settled.written.len() < batch.len() {
            let missing: Vec<&Settlement> = batch
                .iter()
                .filter(|s| !settled.written.contains(&s.fence()))
                .collect();
            let noted = self.read_attempted(&missing).await?;
            for settlement in missing {
                let fence = settlement.fence();
                if noted.contains(&fence) {
                    settled.written.push(fence);
                } else {
                    settled.lost.push(fence);
                }
            }
        }
        Ok(settled)
    }

    async fn read_attempted(&self, settlements: &[&Settlement]) -> Result<Vec<Fence>, StoreError> {
        let orgs: Vec<Uuid> = settlements.iter().map(|s| s.org.uuid()).collect();
        let jobs: Vec<Uuid> = settlements.iter().map(|s| s.job.uuid()).collect();
        let claims: Vec<i32> = settlements.iter().map(|s| s.claim).collect();
        let kinds: Vec<String> = settlements.iter().map(|s| s.kind.to_owned()).collect();
        let outcomes: Vec<String> = settlements
            .iter()
            .map(|s| s.outcome.unwrap_or_default().to_owned())
            .collect();
        let rows = sqlx::query_file!(
            "queries/queue/read_attempted.sql",
            &orgs,
            &jobs,
            &claims,
            &kinds,
            &outcomes
        )
        .fetch_all(&self.reserved)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Fence {
                org: row.org.into(),
                job: row.job.into(),
                claim: row.claim,
            })
            .collect())
    }

    /// Keeps the receipt of a claim that was lost before it could report; adopts it where nothing runs for the post any more.
    /// Returns whether it turned a dead letter into a published post.
    pub async fn keep_receipt(
        &self,
        fence: Fence,
        post: PostId,
        receipt: &Value,
    ) -> Result<bool, StoreError> {
        let mut tx = self.reserved.begin().await?;
        sqlx::query_file!(
            "queries/queue/keep_receipt.sql",
            fence.org.uuid(),
            fence.job.uuid(),
            fence.claim,
            post.uuid(),
            to_json("receipts", receipt)?,
            None::<DateTime<Utc>>,
        )
        .execute(&mut *tx)
        .await?;
        let adopted = adopt_receipts(&mut *tx, &[(fence.org, post.uuid())], None).await?;
        tx.commit().await?;
        Ok(adopted > 0)
    }
}

/// Writes the batch; returns each fence that was held, with the job's subject.
async fn write_settlements(
    executor: impl PgExecutor<'_>,
    batch: &[Settlement],
    now: Option<DateTime<Utc>>,
) -> Result<Vec<(Fence, Uuid)>, StoreError> {
    let batch = to_json("settlements", batch)?;
    let rows = sqlx::query_file!("queries/queue/settle.sql", batch, now)
        .fetch_all(executor)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let fence = Fence {
                org: row.org.into(),
                job: row.job.into(),
                claim: row.claim,
            };
            (fence, row.subject)
        })
        .collect())
}

async fn adopt_receipts(
    executor: impl PgExecutor<'_>,
    posts: &[(OrgId, Uuid)],
    now: Option<DateTime<Utc>>,
) -> Result<i64, StoreError> {
    let (orgs, ids): (Vec<Uuid>, Vec<Uuid>) =
        posts.iter().map(|(org, id)| (org.uuid(), *id)).unzip();
    let row = sqlx::query_file!("queries/queue/adopt_receipts.sql", &orgs, &ids, now)
        .fetch_one(executor)
        .await?;
    Ok(row.adopted)
}
