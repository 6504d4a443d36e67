//! What must be done although nobody asked: reap lost leases, plan refreshes.
//!
//! Every process keeps; each duty is guarded by what it writes, so two keepers do no harm. After every reconnection the reaper
//! waits one full lease: the workers may have been cut off from the database too, and need the time to renew.

use crate::error::chain;
use crate::settle::settlement_of_expired;
use publisher::Registry;
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
/// How often refreshes are planned.
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
        let mut reap_from = Instant::now() + self.lease;
        let mut plan_at = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
            let reaps = Instant::now() >= reap_from;
            let plans = Instant::now() >= plan_at;
            match self.turn(reaps, plans).await {
                Ok(()) if plans => plan_at = Instant::now() + PLAN_EVERY,
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(
                        error = chain(&error),
                        "keeping was interrupted; nothing is reaped for one lease"
                    );
                    reap_from = Instant::now() + self.lease;
                }
            }
        }
    }

    async fn turn(&self, reaps: bool, plans: bool) -> Result<(), StoreError> {
        if reaps {
            self.reap().await?;
        } else {
            // Asks all the same, so that a database that is away is noticed.
            self.store.ping().await?;
        }
        if plans {
            for connector in self.registry.all() {
                let horizon = connector.habits.refresh_horizon;
                let planned = self
                    .store
                    .plan_refreshes(connector.platform, horizon, REFRESH_GIVE_UP, PLAN_MAX, None)
                    .await?;
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
        Ok(())
    }

    /// Settles claims whose leases are over, each under its fence.
    async fn reap(&self) -> Result<(), StoreError> {
        let expired = self
            .store
            .read_expired(&self.queues, REAP_MAX, Duration::ZERO, None)
            .await?;
        if !expired.is_empty() {
            let rows: Vec<_> = expired.iter().map(settlement_of_expired).collect();
            let settled = self.store.settle(&rows, None).await?;
            for fence in &settled.written {
                tracing::warn!(job = %fence.job, claim = fence.claim, "its lease is over: its worker was lost");
            }
            self.wakes.values().for_each(|wake| wake.notify_one());
        }
        self.store.drop_spent_leases(&self.queues, None).await
    }
}
