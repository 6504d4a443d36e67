//! How a worker works, how it is stopped, and why it could not work.

use std::time::Duration;
use store::StoreError;
use tokio_util::sync::CancellationToken;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// `host/pid`, for people.
    pub name: String,
    /// Jobs at once, per queue; 1 to 10 000.
    pub slots: usize,
    /// How long a claim is leased; longer than every platform's call deadline.
    pub lease: Duration,
    /// Longest wait between two claims.
    pub poll: Duration,
    /// Whether notifications shorten the poll; without them everything works, only later.
    pub listen: bool,
    /// Longest attempt; uploads included.
    pub attempt_max: Duration,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            slots: 64,
            lease: Duration::from_mins(1),
            poll: Duration::from_secs(1),
            listen: true,
            attempt_max: Duration::from_mins(15),
        }
    }
}

/// How a worker is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// Claim nothing new; finish what runs.
    pub drain: CancellationToken,
    /// Cut what still runs.
    pub now: CancellationToken,
}

/// Why a worker could not work.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The lease does not outlive the longest call.
    #[error(
        "a lease of {lease_ms} ms is too short for {platform}, whose calls may take {call_ms} ms; \
         set POSTRIDER_LEASE_MS to more than {needed_ms}"
    )]
    LeaseTooShort {
        /// Configured.
        lease_ms: u128,
        /// Which platform.
        platform: &'static str,
        /// Its call deadline.
        call_ms: u128,
        /// The least that works.
        needed_ms: u128,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}
