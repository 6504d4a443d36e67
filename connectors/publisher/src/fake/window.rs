//! A platform's documented window, enforced exactly.

use chrono::{DateTime, TimeDelta, Utc};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// When and how many units, oldest first.
type Uses = VecDeque<(DateTime<Utc>, u32)>;

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
        let per = TimeDelta::from_std(self.per).unwrap_or(TimeDelta::MAX);
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Forgets every use.
    pub fn clear(&self) {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
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
}
