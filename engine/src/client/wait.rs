//! Waiting for a batch: one task asks for all callers, and a waiting caller holds no connection.

use super::Client;
use crate::error::chain;
use publisher::id::{BatchId, OrgId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{Store, Woken};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// Every target has its result.
    Settled,
    /// The caller has waited long enough, or this process ends; the work goes on.
    TimedOut,
    /// What is open cannot go before the caller has waited long enough.
    Parked,
    /// Too many callers wait already.
    Crowded,
}

/// How often the database is asked while anybody waits.
const POLL: Duration = Duration::from_millis(200);

/// What is waited for, and by whom.
#[derive(Debug, Default)]
struct Waiting {
    batches: HashMap<BatchId, (OrgId, Vec<oneshot::Sender<WaitEnd>>)>,
    /// This process ends: nobody would tell who comes now.
    closed: bool,
}

impl Waiting {
    fn forget_who_left(&mut self) {
        self.batches.retain(|_, (_, tellers)| {
            tellers.retain(|tell| !tell.is_closed());
            !tellers.is_empty()
        });
    }

    fn callers(&self) -> usize {
        self.batches
            .values()
            .map(|(_, tellers)| tellers.len())
            .sum()
    }
}

/// The callers that wait in this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiters(Arc<Room>);

#[derive(Debug, Default)]
struct Room {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

impl Client {
    /// Waits until every target of a batch has its result, at most [`super::ClientConfig::wait`].
    pub async fn wait_settled(&self, org: OrgId, batch: BatchId) -> WaitEnd {
        match self.waiters.enter(org, batch, self.config.waiters_max) {
            Ok(told) => match tokio::time::timeout(self.config.wait, told).await {
                Ok(Ok(end)) => end,
                Ok(Err(_)) | Err(_) => WaitEnd::TimedOut,
            },
            Err(end) => end,
        }
    }

    /// Starts the one task that asks for all callers; ends when `stop` is cancelled, and then answers them all, and whoever
    /// comes later at once.
    pub fn start_waiting(&self, tracker: &TaskTracker, stop: CancellationToken) {
        tracker.spawn(ask_for_all(
            self.store.clone(),
            self.waiters.clone(),
            self.config.wait,
            stop,
        ));
    }
}

impl Waiters {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(
        &self,
        org: OrgId,
        batch: BatchId,
        max: usize,
    ) -> Result<oneshot::Receiver<WaitEnd>, WaitEnd> {
        let (tell, told) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.forget_who_left();
        if waiting.closed {
            return Err(WaitEnd::TimedOut);
        }
        if waiting.callers() >= max {
            return Err(WaitEnd::Crowded);
        }
        let (_, tellers) = waiting.batches.entry(batch).or_insert((org, Vec::new()));
        tellers.push(tell);
        drop(waiting);
        self.0.arrived.notify_one();
        Ok(told)
    }

    fn batches(&self) -> Vec<(OrgId, BatchId)> {
        let mut waiting = self.waiting();
        waiting.forget_who_left();
        let batches = waiting.batches.iter();
        batches.map(|(batch, (org, _))| (*org, *batch)).collect()
    }

    fn tell(&self, batch: BatchId, end: WaitEnd) {
        let told = self.waiting().batches.remove(&batch);
        for tell in told.into_iter().flat_map(|(_, tellers)| tellers) {
            tell.send(end).ok();
        }
    }

    /// Sends everybody home, and lets nobody in any more.
    fn close(&self) {
        self.waiting().closed = true;
        for (_, batch) in self.batches() {
            self.tell(batch, WaitEnd::TimedOut);
        }
    }
}

async fn ask_for_all(store: Store, waiters: Waiters, patience: Duration, stop: CancellationToken) {
    let mut listener = store.listener();
    loop {
        if stop.is_cancelled() {
            return waiters.close();
        }
        let batches = waiters.batches();
        if batches.is_empty() {
            tokio::select! {
                () = stop.cancelled() => {}
                () = waiters.0.arrived.notified() => {}
            }
            continue;
        }
        match store.list_settled(&batches).await {
            Ok(settled) => settled
                .into_iter()
                .for_each(|batch| waiters.tell(batch, WaitEnd::Settled)),
            Err(error) => tracing::debug!(error = chain(&error), "cannot ask for results yet"),
        }
        if let Ok(parked) = store.list_parked(&batches, patience).await {
            for batch in parked {
                waiters.tell(batch, WaitEnd::Parked);
            }
        }
        // A notification only shortens the pause; the poll alone is enough.
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
            () = settled_note(&mut listener) => {}
            () = waiters.0.arrived.notified() => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

async fn settled_note(listener: &mut store::Listener) {
    while !matches!(listener.next().await, Woken::Settled) {}
}
