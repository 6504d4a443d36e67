//! What must be done although nobody asked: reap lost leases, plan refreshes.
//!
//! Every process keeps; each duty is guarded by what it writes, so two keepers do no harm. After every reconnection the reaper
//! waits one full lease: the workers may have been cut off from the database too, and need the time to renew.

use crate::error::chain;
use crate::settle::settlement_of_expired;
use publisher::{Registry, measure};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Expired claims settled in one turn.
const REAP_MAX: i32 = 500;
/// Refreshes planned per platform in one turn.
const PLAN_MAX: i32 = 500;
/// Charges forgotten in one turn.
const PRUNE_MAX: i32 = 50_000;
/// Expired consents forgotten in one turn.
const CONSENTS_PRUNE_MAX: i32 = 1_000;
/// How often refreshes are planned and old charges are forgotten.
const PLAN_EVERY: Duration = Duration::from_secs(30);
/// How long a planned refresh may be tried.
const REFRESH_GIVE_UP: Duration = Duration::from_hours(1);

pub(crate) struct Keeper {
    pub(crate) store: Store,
    pub(crate) registry: Registry,
    pub(crate) queues: Vec<String>,
    pub(crate) lease: Duration,
    pub(crate) wakes: HashMap<String, Arc<Notify>>,
}

impl Keeper {
    /// Keeps until told to stop.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let every = (self.lease / 8).clamp(Duration::from_millis(100), Duration::from_secs(5));
        // None while the database is not known to be there: a lease counts from the first prompt answer, not from the last
        // error, which may be as old as a connection is waited for.
        let mut reap_from = None;
        let mut plan_at = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            let reaps = reap_from.is_some_and(|from| Instant::now() >= from);
            let plans = Instant::now() >= plan_at;
            match self.turn(reaps, plans).await {
                Ok(true) => {
                    reap_from.get_or_insert_with(|| Instant::now() + self.lease);
                    if plans {
                        plan_at = Instant::now() + PLAN_EVERY;
                    }
                }
                Ok(false) => {
                    tracing::warn!("the database was silent; nothing is reaped for one lease");
                    reap_from = None;
                }
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "keeping was interrupted; nothing is reaped for one lease"
                    );
                    reap_from = None;
                }
            }
        }
    }

    /// Says false when the database answered so late that leases may be over which nobody could renew.
    async fn turn(&self, reaps: bool, plans: bool) -> Result<bool, StoreError> {
        if !self.answers_promptly().await? {
            return Ok(false);
        }
        if reaps && !self.reap().await? {
            return Ok(false);
        }
        if plans {
            self.store.prune_charges(PRUNE_MAX, None).await?;
            self.store
                .prune_pending_connects(CONSENTS_PRUNE_MAX, None)
                .await?;
            for connector in self.registry.all() {
                let horizon = connector.habits.refresh_horizon;
                let planned = self
                    .store
                    .plan_refreshes(connector.platform, horizon, REFRESH_GIVE_UP, PLAN_MAX, None)
                    .await?;
                let queued = u64::try_from(planned).unwrap_or_default();
                measure::REFRESHES_PLANNED.add([connector.platform], queued);
                if planned > 0 {
                    tracing::debug!(
                        queue = connector.platform,
                        planned,
                        "token refreshes planned"
                    );
                    self.wakes.values().for_each(|wake| wake.notify_one());
                }
            }
        }
        Ok(true)
    }

    async fn answers_promptly(&self) -> Result<bool, StoreError> {
        let asked = Instant::now();
        self.store.ping().await?;
        Ok(asked.elapsed() < self.lease / 4)
    }

    /// Settles claims whose leases are over, each under its fence; says false when they may be over only because the
    /// database was silent while it was asked for them.
    async fn reap(&self) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let expired = self
            .store
            .read_expired(&self.queues, REAP_MAX, Duration::ZERO, None)
            .await?;
        if asked.elapsed() >= self.lease / 4 {
            return Ok(false);
        }
        if !expired.is_empty() {
            let rows: Vec<_> = expired.iter().map(settlement_of_expired).collect();
            let settled = self.store.settle(&rows, None).await?;
            for (row, claim) in rows.iter().zip(&expired) {
                if settled.written.contains(&row.fence()) {
                    measure::REAPED.add([&claim.queue], 1);
                    measure::SETTLED.add([&claim.queue, &claim.kind, row.kind], 1);
                }
            }
            for fence in &settled.written {
                tracing::warn!(job = %fence.job, claim = fence.claim, "its lease is over: its worker was lost");
            }
            self.wakes.values().for_each(|wake| wake.notify_one());
        }
        self.store.drop_spent_leases(&self.queues, None).await?;
        let moved = self.store.reconcile_accounts(&self.queues, None).await?;
        if moved > 0 {
            self.wakes.values().for_each(|wake| wake.notify_one());
        }
        Ok(true)
    }
}
