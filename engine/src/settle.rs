//! The settler: decide, then write what gathered during the last commit, in one statement.
//!
//! It drains a channel and cannot be cancelled; while the database is away it tries again for ever, because nobody else knows
//! what the platform answered. A batch that Postgres refuses is split to singles, and the one that fails alone is written in its
//! minimal form.

mod announce;
mod expired;
mod publish;
mod refresh;
mod row;

pub(crate) use expired::settlement_of_expired;
pub(crate) use row::{Verdict, host_of_profile};

use crate::backend::{Finished, Outcome};
use crate::decide::Report;
use crate::error::chain;
use crate::leases::Leases;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use publisher::id::{AccountId, PostId};
use publisher::{Registry, measure};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use store::queue::{Fence, FreshTokens, Settlement};
use store::{Store, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use vault::Vault;

/// Most settlements of one commit.
const BATCH_MAX: usize = 500;

/// Longest wait after a database error.
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Writes outcomes until every sender is gone.
pub(crate) struct Settler {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) registry: Registry,
    pub(crate) leases: Arc<Leases>,
    pub(crate) wakes: HashMap<String, Arc<Notify>>,
    pub(crate) stopping: CancellationToken,
}

impl Settler {
    pub(crate) async fn run(self, mut finished: mpsc::Receiver<Finished>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while finished.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut verdicts = Vec::with_capacity(batch.len());
            for one in &batch {
                verdicts.push(self.judge(one).await);
            }
            let size = u32::try_from(verdicts.len()).unwrap_or(u32::MAX);
            measure::SETTLE_BATCH.observe([], f64::from(size));
            let begun = Instant::now();
            let span = tracing::info_span!("settle", batch = verdicts.len());
            let refused = self.write(&verdicts).instrument(span).await;
            measure::SETTLE.observe([], begun.elapsed().as_secs_f64());
            let queues: HashSet<String> = batch
                .iter()
                .map(|one| one.work.claimed.queue.clone())
                .collect();
            for one in batch.drain(..) {
                // What cannot be written at all is left to the reaper, which finds it by its lease.
                if refused.contains(&one.work.fence()) {
                    self.leases.abandon(one.work.lease());
                } else {
                    self.leases.settle(one.work.lease());
                }
                drop(one.permit);
            }
            for queue in queues {
                if let Some(wake) = self.wakes.get(&queue) {
                    wake.notify_one();
                }
            }
        }
    }

    async fn judge(&self, finished: &Finished) -> Verdict {
        let report = match finished.outcome {
            Outcome::Done => finished
                .state
                .take_report("the handler ended without a report"),
            Outcome::Failed => finished
                .state
                .take_report("the attempt took too long or panicked"),
            Outcome::Cut => Report::Cut,
            Outcome::Unstarted => Report::Unstarted,
        };
        // Whether a cut claim may have sent is read from its row, never from a worker's memory.
        let sent = match finished.outcome {
            Outcome::Cut => self.read_sent(finished).await,
            Outcome::Done | Outcome::Failed | Outcome::Unstarted => finished.state.is_sent(),
        };
        Verdict::of(
            finished,
            report,
            sent,
            self.stopping.is_cancelled(),
            &self.vault,
            &self.registry,
        )
    }

    async fn read_sent(&self, finished: &Finished) -> bool {
        let known = finished.state.is_sent();
        match self.store.read_mark(finished.work.fence()).await {
            Ok(stored) => known || stored == Some(true),
            // Unknown counts as sent: a look does no harm, a blind send does.
            Err(_) => known || finished.state.was_begun(),
        }
    }

    /// Writes a batch; returns the fences of what Postgres refuses in every form.
    async fn write(&self, verdicts: &[Verdict]) -> Vec<Fence> {
        let rows: Vec<Settlement> = verdicts.iter().map(|verdict| verdict.row.clone()).collect();
        let (lost, refused) = match self.settle(&rows).await {
            Ok(lost) => (lost, Vec::new()),
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "a batch of settlements was refused; writing them one by one"
                );
                self.settle_singly(&rows).await
            }
        };
        let mut closes: HashMap<(&str, &str), (&Verdict, Duration)> = HashMap::new();
        for verdict in verdicts {
            if lost.contains(&verdict.row.fence()) {
                self.rescue(verdict).await;
            } else if !refused.contains(&verdict.row.fence()) {
                measure::SETTLED.add([verdict.queue(), verdict.job_kind, verdict.row.kind], 1);
                tell(verdict);
                if let Some((host, closed)) = &verdict.closes_host {
                    let entry = closes
                        .entry((verdict.queue(), host))
                        .or_insert((verdict, *closed));
                    entry.1 = entry.1.max(*closed);
                }
            }
        }
        for ((_, host), (verdict, closed)) in closes {
            self.close_host(verdict, host, closed).await;
        }
        refused
    }

    /// Settles, however long the database is away; returns the fences that were lost.
    async fn settle(&self, rows: &[Settlement]) -> Result<Vec<Fence>, StoreError> {
        let mut failures = 0u32;
        loop {
            match self.store.settle(rows, None).await {
                Ok(settled) => return Ok(settled.lost),
                Err(error) if error.is_passing() => {
                    tracing::warn!(
                        settlements = rows.len(),
                        error = chain(&error),
                        "cannot settle yet"
                    );
                    pause(&mut failures).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the fences that were lost, and those of what cannot be written.
    async fn settle_singly(&self, rows: &[Settlement]) -> (Vec<Fence>, Vec<Fence>) {
        let (mut lost, mut refused) = (Vec::new(), Vec::new());
        for row in rows {
            let single = std::slice::from_ref(row);
            match self.settle(single).await {
                Ok(more) => lost.extend(more),
                Err(error) => {
                    tracing::error!(job = %row.job, claim = row.claim, error = chain(&error), "a settlement is written in its minimal form");
                    match self.settle(&[expired::minimal(row)]).await {
                        Ok(more) => lost.extend(more),
                        Err(error) => {
                            tracing::error!(job = %row.job, claim = row.claim, error = chain(&error), "a settlement cannot be written; its lease will end by itself");
                            refused.push(row.fence());
                        }
                    }
                }
            }
        }
        (lost, refused)
    }

    /// The claim was lost, but not what the platform gave: a receipt is kept for whoever holds the job now, and fresh tokens
    /// are stored unless newer ones are.
    async fn rescue(&self, verdict: &Verdict) {
        if verdict.row.sealed_tokens.is_some() {
            self.rescue_tokens(verdict).await;
            return;
        }
        let Some((post, receipt)) = &verdict.late_receipt else {
            tracing::warn!(job = %verdict.row.job, claim = verdict.row.claim, "a settlement came after its lease was lost; it changed nothing");
            return;
        };
        let mut failures = 0u32;
        loop {
            match self
                .store
                .keep_receipt(verdict.row.fence(), PostId(*post), receipt)
                .await
            {
                Ok(adopted) => {
                    tracing::warn!(job = %verdict.row.job, claim = verdict.row.claim, adopted, "a late receipt is kept");
                    return;
                }
                Err(error) if error.is_passing() => {
                    pause(&mut failures).await;
                }
                Err(error) => {
                    tracing::error!(job = %verdict.row.job, error = chain(&error), "a late receipt could not be kept");
                    return;
                }
            }
        }
    }

    async fn rescue_tokens(&self, verdict: &Verdict) {
        let row = &verdict.row;
        let (Some(sealed), Some(expected)) = (&row.sealed_tokens, row.token_generation) else {
            return;
        };
        let Ok(sealed) = BASE64.decode(sealed) else {
            return;
        };
        let account = AccountId(verdict.subject);
        let mut failures = 0u32;
        loop {
            let kept = self
                .store
                .replace_tokens(FreshTokens {
                    org: row.org,
                    account,
                    expected,
                    sealed: &sealed,
                    expires_at: row.token_expires_at,
                    profile: row.profile.as_ref(),
                    host: row.host.as_deref(),
                })
                .await;
            match kept {
                Ok(kept) => {
                    tracing::warn!(%account, kept, "fresh tokens came after their lease was lost");
                    return;
                }
                Err(error) if error.is_passing() => {
                    pause(&mut failures).await;
                }
                Err(error) => {
                    tracing::error!(%account, error = chain(&error), "fresh tokens could not be kept");
                    return;
                }
            }
        }
    }

    async fn close_host(&self, verdict: &Verdict, host: &str, closed: Duration) {
        let why = verdict.row.code.as_deref().unwrap_or("rate_limited");
        if let Err(error) = self
            .store
            .close_host(verdict.queue(), host, closed, why)
            .await
        {
            tracing::warn!(
                host,
                error = chain(&error),
                "a host's limit could not be told to its other accounts"
            );
        }
    }
}

/// Waits a little longer after each failure in a row, at most [`RETRY_MAX`].
async fn pause(failures: &mut u32) {
    *failures = (*failures + 1).min(6);
    tokio::time::sleep((Duration::from_millis(25) * 2u32.pow(*failures)).min(RETRY_MAX)).await;
}

/// One line per attempt: readable alone, its fields queryable; what changed nothing is told at debug only.
fn tell(verdict: &Verdict) {
    let row = &verdict.row;
    let Some(outcome) = row.outcome else {
        tracing::debug!(job = %row.job, claim = row.claim, settlement = row.kind, "an attempt changed nothing");
        return;
    };
    let code = row.code.as_deref();
    if let (Some(status), Some(_)) = (row.account_status, &row.account_reason) {
        // Never the platform's words: what is logged outlives the account.
        tracing::warn!(queue = verdict.queue(), subject = %verdict.subject, code, "its account is now {status}");
    }
    tracing::info!(
        queue = verdict.queue(),
        job = %row.job,
        claim = row.claim,
        subject = %verdict.subject,
        request.id = verdict.request.as_deref(),
        settlement = row.kind,
        class = row.class,
        code,
        "attempt {outcome}"
    );
}
