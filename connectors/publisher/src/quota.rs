//! A platform's published limits as data.
//!
//! A connector declares them; the engine turns them into rows of `limits` and charges every publication against all that
//! apply, or against none. What lasts a minute or more is kept in Postgres and is exact across processes; what is counted
//! in seconds is a pace ([`crate::connector::Habits::pace`]) and stays in the process.

use crate::failure::Scope;
use chrono::{DateTime, Utc};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A rate in governor's vocabulary: a burst that may be taken at once, and how it is replenished.
pub use governor::Quota as Rate;

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
    /// Units that one part of a publication costs (Bluesky: a put is 2 points);
    /// [`crate::contract::Publisher::units`] says what a whole one costs.
    pub units: u32,
    /// The bound itself.
    pub bound: Bound,
}

/// The form of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A burst that is replenished at an even rate (X: `Rate::per_minute(nonzero!(…))`); what is counted in seconds only is a
    /// pace instead.
    Rate(Rate),
    /// No calendar day of `zone` may hold more than `max` units; all are there again at its midnight (YouTube:
    /// `America/Los_Angeles`).
    Calendar {
        /// Units per day.
        max: u32,
        /// The zone's name in the IANA time zone database.
        zone: &'static str,
    },
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

/// What an answer of the platform says about its own count. It can only lower our estimate of what is left: a platform that
/// claims more than we counted is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The quota that it speaks of ([`Quota::name`]); a name of its own where nothing was declared, because nobody knows the
    /// bound (Meta's business use case).
    pub quota: &'static str,
    /// Whom the count is for.
    pub scope: Scope,
    /// What is left.
    pub left: Left,
    /// When the count begins anew, if the answer says so.
    pub resets_at: Option<DateTime<Utc>>,
}

/// What is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Units.
    Units(u32),
    /// Hundredths of the whole, where the platform tells only these.
    Percent(u8),
}

impl Left {
    /// Whether nothing is left.
    pub const fn is_nothing(self) -> bool {
        matches!(self, Self::Units(0) | Self::Percent(0))
    }
}

/// What the answers of one attempt said. A connector notes, the engine takes.
#[derive(Debug, Default)]
pub struct Usages(Mutex<Vec<Usage>>);

impl Usages {
    /// Notes one; of two that speak of the same quota and scope the later one counts.
    pub fn note(&self, usage: Usage) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| (known.quota, known.scope) != (usage.quota, usage.scope));
        all.push(usage);
    }

    /// Takes all.
    pub fn take(&self) -> Vec<Usage> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_usages_of_one_quota_the_later_one_counts() {
        let usages = Usages::default();
        for (quota, left) in [("posts", 5), ("calls", 9), ("posts", 4)] {
            let scope = Scope::Account;
            let left = Left::Units(left);
            usages.note(Usage {
                quota,
                scope,
                left,
                resets_at: None,
            });
        }
        let kept: Vec<_> = usages
            .take()
            .into_iter()
            .map(|u| (u.quota, u.left))
            .collect();
        assert_eq!(kept, [("calls", Left::Units(9)), ("posts", Left::Units(4))]);
        assert!(usages.take().is_empty());
    }
}
