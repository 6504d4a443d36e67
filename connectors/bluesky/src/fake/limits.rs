//! The documented limits, with their headers.
//!
//! Each is a sliding window per key. Headers describe the tightest of those that a request met, on success too.

use chrono::{DateTime, Utc};
use publisher::fake::{Standing, Window};
use std::{collections::HashMap, time::Duration};

/// What a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Limit {
    /// Every request of an address.
    Requests,
    /// Logins of an identifier.
    Logins,
    /// Logins of an identifier, in a day.
    LoginsPerDay,
    /// Write points of a repository.
    Points,
    /// Write points of a repository, in a day.
    PointsPerDay,
    /// Uploads of an account, in a day.
    Uploads,
}

impl Limit {
    const ALL: [Self; 6] = [
        Self::Requests,
        Self::Logins,
        Self::LoginsPerDay,
        Self::Points,
        Self::PointsPerDay,
        Self::Uploads,
    ];

    /// Units, and seconds of the window.
    const fn bound(self) -> (u32, u64) {
        match self {
            Self::Requests => (3_000, 300),
            Self::Logins => (30, 300),
            Self::LoginsPerDay => (300, 86_400),
            Self::Points => (5_000, 3_600),
            Self::PointsPerDay => (35_000, 86_400),
            Self::Uploads => (1_000, 86_400),
        }
    }
}

/// Every window, by what it counts.
#[derive(Debug)]
pub(super) struct Limits(HashMap<Limit, Window>);

impl Default for Limits {
    fn default() -> Self {
        let window = |limit: Limit| {
            let (max, seconds) = limit.bound();
            (limit, Window::new(max, Duration::from_secs(seconds)))
        };
        Self(Limit::ALL.into_iter().map(window).collect())
    }
}

impl Limits {
    /// Uses `units` of every limit for `key`, or nothing. Errors: where the window stands that has no room.
    pub(super) fn take(
        &self,
        limits: &[Limit],
        key: &str,
        units: u32,
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, Standing> {
        let windows: Vec<&Window> = limits
            .iter()
            .filter_map(|limit| self.0.get(limit))
            .collect();
        Window::take_all(&windows, key, units, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn points_run_out_exactly_and_come_back_with_time() {
        let limits = Limits::default();
        let both = [Limit::Points, Limit::PointsPerDay];
        let at = |s| DateTime::UNIX_EPOCH + TimeDelta::seconds(s);
        for _ in 0..2_500 {
            limits.take(&both, "a", 2, at(0)).unwrap();
        }
        let full = limits.take(&both, "a", 2, at(10)).unwrap_err();
        assert_eq!(
            (full.max, full.remaining, full.resets_at),
            (5_000, 0, at(3_600))
        );
        assert!(limits.take(&both, "b", 2, at(10)).is_ok());
        let open = limits.take(&both, "a", 2, at(3_600)).unwrap().unwrap();
        assert_eq!((open.max, open.remaining), (5_000, 4_998));
    }
}
