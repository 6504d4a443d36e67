//! A platform's documented window, enforced exactly.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// When and how many units, oldest first.
type Uses = VecDeque<(DateTime<Utc>, u32)>;

/// Where a window stands for one key: what a platform tells in its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Units per interval.
    pub max: u32,
    /// Length of the interval.
    pub per: Duration,
    /// Units that are left now.
    pub remaining: u32,
    /// When the first of the used ones comes back; a whole interval from now if none is used.
    pub resets_at: DateTime<Utc>,
}

/// No interval of length `per` holds more than `max` units of one key.
#[derive(Debug)]
pub struct Window {
    /// Units per interval.
    pub max: u32,
    /// Length of the interval.
    pub per: Duration,
    used: Mutex<HashMap<String, Uses>>,
    refused: AtomicUsize,
}

impl Window {
    /// An unused window.
    pub fn new(max: u32, per: Duration) -> Self {
        Self {
            max,
            per,
            used: Mutex::default(),
            refused: AtomicUsize::new(0),
        }
    }

    /// Uses `units` of `key` at `now`, or says after how long there will be room; then nothing is used.
    ///
    /// # Errors
    /// No room; more units than the window ever has are told to come back after a whole interval.
    pub fn take(&self, key: &str, units: u32, now: DateTime<Utc>) -> Result<(), Duration> {
        let per = self.length();
        let mut all = self.lock();
        let uses = all.entry(key.to_owned()).or_default();
        while uses.front().is_some_and(|(at, _)| now - *at >= per) {
            uses.pop_front();
        }
        let sum: u32 = uses.iter().map(|(_, units)| units).sum();
        if sum.saturating_add(units) <= self.max {
            uses.push_back((now, units));
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut excess = sum.saturating_add(units) - self.max;
        for (at, units) in uses.iter() {
            excess = excess.saturating_sub(*units);
            if excess == 0 {
                return Err((*at + per - now).to_std().unwrap_or(Duration::ZERO));
            }
        }
        Err(self.per)
    }

    /// Where it stands for `key` at `now`.
    pub fn standing(&self, key: &str, now: DateTime<Utc>) -> Standing {
        let per = self.length();
        let mut all = self.lock();
        let uses = all.entry(key.to_owned()).or_default();
        while uses.front().is_some_and(|(at, _)| now - *at >= per) {
            uses.pop_front();
        }
        let taken: u32 = uses.iter().map(|(_, units)| units).sum();
        Standing {
            max: self.max,
            per: self.per,
            remaining: self.max.saturating_sub(taken),
            resets_at: uses.front().map_or(now, |(at, _)| *at) + per,
        }
    }

    /// Uses `units` of `key` in all of `windows`, or in none; where the tightest stands then, if there is one.
    ///
    /// # Errors
    /// Where the first one stands that has no room.
    pub fn take_all(
        windows: &[&Self],
        key: &str,
        units: u32,
        now: DateTime<Utc>,
    ) -> Result<Option<Standing>, Standing> {
        for window in windows {
            let standing = window.standing(key, now);
            if standing.remaining < units {
                window.refused.fetch_add(1, Ordering::Relaxed);
                return Err(standing);
            }
        }
        let mut tightest: Option<Standing> = None;
        for window in windows {
            let mut all = window.lock();
            all.entry(key.to_owned())
                .or_default()
                .push_back((now, units));
            drop(all);
            let standing = window.standing(key, now);
            if tightest.is_none_or(|known| standing.remaining < known.remaining) {
                tightest = Some(standing);
            }
        }
        Ok(tightest)
    }

    fn length(&self) -> TimeDelta {
        TimeDelta::from_std(self.per).unwrap_or(TimeDelta::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Uses>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets every use.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How often there was no room.
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_says_when_there_is_room() {
        let window = Window::new(3, Duration::from_secs(10));
        let at = |s| DateTime::UNIX_EPOCH + TimeDelta::seconds(s);
        assert!(window.take("a", 2, at(0)).is_ok());
        assert!(window.take("a", 1, at(4)).is_ok());
        assert_eq!(window.take("a", 1, at(5)), Err(Duration::from_secs(5)));
        assert_eq!(window.take("a", 3, at(5)), Err(Duration::from_secs(9)));
        assert!(window.take("b", 3, at(5)).is_ok());
        assert!(window.take("a", 2, at(10)).is_ok());
        assert_eq!(window.take("a", 4, at(30)), Err(Duration::from_secs(10)));
        assert_eq!(window.refused(), 3);
    }

    #[test]
    fn several_windows_are_used_together_or_not_at_all() {
        let hour = Window::new(5, Duration::from_hours(1));
        let day = Window::new(6, Duration::from_hours(24));
        let at = |s| DateTime::UNIX_EPOCH + TimeDelta::seconds(s);
        let take = |units, now| Window::take_all(&[&hour, &day], "a", units, now);
        let tightest = take(5, at(0)).unwrap().unwrap();
        assert_eq!((tightest.max, tightest.remaining), (5, 0));
        let full = take(1, at(10)).unwrap_err();
        assert_eq!(
            (full.per, full.resets_at),
            (Duration::from_hours(1), at(3_600))
        );
        assert_eq!(day.standing("a", at(10)).remaining, 1);
        let full = take(2, at(3_600)).unwrap_err();
        assert_eq!((full.max, full.remaining), (6, 1));
        assert_eq!(hour.standing("a", at(3_600)).remaining, 5);
    }
}
