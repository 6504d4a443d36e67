//! The documented limits, with their headers.
//!
//! Each is a sliding window per key. Headers describe the tightest of those that a request met, on success too.

use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{HashMap, VecDeque};

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
    /// Units, and seconds of the window.
    const fn bound(self) -> (u32, i64) {
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

/// Where a window stands: what the headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) max: u32,
    pub(super) window_s: i64,
    pub(super) remaining: u32,
    pub(super) reset: DateTime<Utc>,
}

type Uses = VecDeque<(DateTime<Utc>, u32)>;

/// Every window, by limit and key.
#[derive(Debug, Default)]
pub(super) struct Limits {
    used: HashMap<(Limit, String), Uses>,
}

impl Limits {
    /// Uses `units` of every limit for `key`, or nothing. Errors: where the window stands that has no room.
    pub(super) fn take(
        &mut self,
        limits: &[Limit],
        key: &str,
        units: u32,
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, Standing> {
        let mut tightest: Option<Standing> = None;
        for limit in limits {
            let standing = self.standing(*limit, key, now);
            if standing.remaining < units {
                return Err(standing);
            }
        }
        for limit in limits {
            self.used
                .entry((*limit, key.to_owned()))
                .or_default()
                .push_back((now, units));
            let standing = self.standing(*limit, key, now);
            if tightest.is_none_or(|known| standing.remaining < known.remaining) {
                tightest = Some(standing);
            }
        }
        Ok(tightest)
    }

    fn standing(&mut self, limit: Limit, key: &str, now: DateTime<Utc>) -> Standing {
        let (max, window_s) = limit.bound();
        let window = TimeDelta::seconds(window_s);
        let uses = self.used.entry((limit, key.to_owned())).or_default();
        while uses.front().is_some_and(|(at, _)| now - *at >= window) {
            uses.pop_front();
        }
        let taken: u32 = uses.iter().map(|(_, units)| units).sum();
        let reset = uses.front().map_or(now, |(at, _)| *at) + window;
        Standing {
            max,
            window_s,
            remaining: max.saturating_sub(taken),
            reset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_run_out_exactly_and_come_back_with_time() {
        let mut limits = Limits::default();
        let both = [Limit::Points, Limit::PointsPerDay];
        let at = |s| DateTime::UNIX_EPOCH + TimeDelta::seconds(s);
        for _ in 0..2_500 {
            limits.take(&both, "a", 2, at(0)).unwrap();
        }
        let full = limits.take(&both, "a", 2, at(10)).unwrap_err();
        assert_eq!(
            (full.max, full.remaining, full.reset),
            (5_000, 0, at(3_600))
        );
        assert!(limits.take(&both, "b", 2, at(10)).is_ok());
        let open = limits.take(&both, "a", 2, at(3_600)).unwrap().unwrap();
        assert_eq!((open.max, open.remaining), (5_000, 4_998));
    }
}
