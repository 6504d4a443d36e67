//! A platform's published limits as data.
//!
//! A connector declares them; the engine turns them into rows of `limits` and charges every publication against all that
//! apply, or against none. What lasts a minute or more is kept in Postgres and is exact across processes; what is counted
//! in seconds is a pace ([`crate::connector::Habits::pace`]) and stays in the process.

use crate::failure::Scope;
use std::time::Duration;

/// One published bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Unique within the connector; shown to people (`points_per_hour`).
    pub name: &'static str,
    /// Quotas of one connector that share a meter are charged by one and the same charge (`points`).
    pub meter: &'static str,
    /// Whom it counts for.
    pub scope: Scope,
    /// What it counts.
    pub counts: Counts,
    /// Units that one part of a publication costs (Bluesky: a put is 2 points).
    pub units: u32,
    /// The bound itself.
    pub bound: Bound,
}

/// The form of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// No interval of this length may hold more than `max` units; exact.
    Window {
        /// Units per window.
        max: u32,
        /// Length of the window; at least a minute.
        window: Duration,
    },
    /// At most this many jobs of the scope run at the same time.
    Slots(u32),
}

/// What uses a quota up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counts {
    /// A publication that took effect; a definite refusal gives the units back.
    Posts,
    /// Every marked call, retries included; never given back after the mark.
    Calls,
}

impl Counts {
    /// The word in SQL, API, CLI and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Posts => "posts",
            Self::Calls => "calls",
        }
    }
}
