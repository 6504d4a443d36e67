//! An instant by which something must be over, by two clocks at once.
//!
//! The monotonic clock is not moved by anybody; the wall clock also counts while the machine sleeps. A process that was
//! stopped or suspended must not send late, so a deadline has passed as soon as either clock says so.

use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// An instant after which nothing may be begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    monotonic: Instant,
    wall: SystemTime,
}

/// Stands for "never" without overflowing either clock.
const FAR: Duration = Duration::from_hours(24 * 365);

impl Deadline {
    /// The instant `duration` from now; at most a year.
    #[expect(
        clippy::disallowed_methods,
        reason = "this type is where the process reads its clocks"
    )]
    pub fn after(duration: Duration) -> Self {
        let duration = duration.min(FAR);
        Self {
            monotonic: Instant::now() + duration,
            wall: SystemTime::now() + duration,
        }
    }

    /// The instant `duration` after this one; at most a year.
    #[must_use]
    pub fn later_by(self, duration: Duration) -> Self {
        let duration = duration.min(FAR);
        Self {
            monotonic: self.monotonic + duration,
            wall: self.wall + duration,
        }
    }

    /// Whichever comes first, by each clock.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        Self {
            monotonic: self.monotonic.min(other.monotonic),
            wall: self.wall.min(other.wall),
        }
    }

    /// What is left by the clock that leaves less; zero when it has passed.
    #[expect(
        clippy::disallowed_methods,
        reason = "this type is where the process reads its clocks"
    )]
    pub fn left(&self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(Instant::now());
        let wall = self
            .wall
            .duration_since(SystemTime::now())
            .unwrap_or(Duration::ZERO);
        monotonic.min(wall)
    }

    /// Whether either clock has reached it.
    pub fn has_passed(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock under test is set by hand"
    )]
    fn a_deadline_has_passed_as_soon_as_either_clock_says_so() {
        let later = Deadline::after(Duration::from_mins(1));
        let slept = Deadline {
            wall: SystemTime::now() - Duration::from_secs(1),
            ..later
        };
        let stopped = Deadline {
            monotonic: Instant::now(),
            ..later
        };
        assert!(!later.has_passed());
        assert!(slept.has_passed());
        assert!(stopped.has_passed());
        assert!(later.earlier(slept).has_passed());
    }

    #[test]
    fn a_very_long_time_is_a_year_and_no_overflow() {
        assert!(Deadline::after(Duration::MAX).left() > Duration::from_hours(24 * 300));
    }
}
