//! The clock of a fake: the real one, plus what a test added to it.

use chrono::{DateTime, Utc};
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

tokio::task_local! {
    /// When the request in progress arrived by the fake's clock, if that is not now: an effect that comes late has the
    /// time at which it was due, however far a test advanced the clock beyond it.
    pub(super) static ARRIVED: DateTime<Utc>;
}

/// A clock that runs with the real one and can be advanced. All clones are one clock.
#[derive(Clone, Debug)]
pub struct FakeClock {
    ahead_ns: Arc<AtomicI64>,
    advanced: Arc<watch::Sender<u64>>,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self {
            ahead_ns: Arc::default(),
            advanced: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl FakeClock {
    /// The time by this clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the fake's clock is the sanctioned place"
    )]
    pub fn now(&self) -> DateTime<Utc> {
        if let Ok(arrived) = ARRIVED.try_with(|arrived| *arrived) {
            return arrived;
        }
        Utc::now() + chrono::TimeDelta::nanoseconds(self.ahead_ns.load(Ordering::SeqCst))
    }

    /// Moves the clock forward. What becomes due by that takes effect before the next request is answered.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX / 4);
        self.ahead_ns.fetch_add(by, Ordering::SeqCst);
        self.advanced.send_modify(|times| *times += 1);
    }

    /// Runs with the real clock again, as at the start.
    pub fn reset(&self) {
        self.ahead_ns.store(0, Ordering::SeqCst);
        self.advanced.send_modify(|times| *times += 1);
    }

    /// Is told whenever the clock was advanced.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.advanced.subscribe()
    }
}
