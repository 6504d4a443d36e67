//! The leases of this process: which still run, which are settled, which were lost.
//!
//! One claim is one lease; it ends when all its jobs are settled. One statement every third of the lease extends the running
//! ones and drops the others. It belongs to a task of its own: a busy handler or a drain must not stop it.

use crate::error::chain;
use publisher::id::{LeaseId, WorkerId};
use publisher::measure;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::Store;
use tokio_util::sync::CancellationToken;

/// Open jobs per lease; a lease with none is finished.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<LeaseId, usize>>);

impl Leases {
    pub(crate) fn open(&self, lease: LeaseId) {
        *self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(lease)
            .or_default() += 1;
    }

    pub(crate) fn settle(&self, lease: LeaseId) {
        if let Some(open) = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(&lease)
        {
            *open = open.saturating_sub(1);
        }
    }

    /// Gives a lease up: it is neither renewed nor dropped, so that the reaper finds what runs under it.
    pub(crate) fn abandon(&self, lease: LeaseId) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&lease);
    }

    fn split(&self) -> (Vec<LeaseId>, Vec<LeaseId>) {
        let leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let running = leases
            .iter()
            .filter(|(_, open)| **open > 0)
            .map(|(id, _)| *id)
            .collect();
        let finished = leases
            .iter()
            .filter(|(_, open)| **open == 0)
            .map(|(id, _)| *id)
            .collect();
        (running, finished)
    }

    fn forget(&self, finished: &[LeaseId]) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|id, _| !finished.contains(id));
    }
}

/// How long the last renewal is tried: it drops the leases of a worker that has settled everything, so that none stays alive.
const LAST_WITHIN: Duration = Duration::from_secs(10);

/// Renews until told to stop, and once more then.
pub(crate) async fn renew(
    store: Store,
    worker: WorkerId,
    leases: std::sync::Arc<Leases>,
    lease: Duration,
    stop: CancellationToken,
) {
    while tokio::time::timeout(lease / 3, stop.cancelled())
        .await
        .is_err()
    {
        renew_once(&store, worker, &leases, lease).await;
    }
    let last = async {
        while !renew_once(&store, worker, &leases, lease).await {
            tokio::time::sleep(lease / 20).await;
        }
    };
    tokio::time::timeout(LAST_WITHIN, last).await.ok();
}

/// One heartbeat; false when the database did not take it.
async fn renew_once(store: &Store, worker: WorkerId, leases: &Leases, lease: Duration) -> bool {
    let (running, finished) = leases.split();
    match store.renew_leases(worker, &running, &finished, lease).await {
        Ok(extended) => {
            leases.forget(&finished);
            // A lost lease needs no action here: its fence refuses marks and settlements, and a receipt that still comes is
            // kept as late.
            let lost = running.len() - extended.len().min(running.len());
            if lost > 0 {
                measure::LEASE_LOST.add([], u64::try_from(lost).unwrap_or_default());
                tracing::warn!(
                    lost,
                    "leases were lost: the reaper has given their jobs to others"
                );
            }
            true
        }
        Err(error) => {
            tracing::warn!(error = chain(&error), "leases could not be renewed");
            false
        }
    }
}
