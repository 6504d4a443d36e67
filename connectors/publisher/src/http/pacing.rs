//! A connector's pace: how many requests per host leave this process in a time.
//!
//! A governor limiter keyed by host and port stands before every call. It is courtesy, not truth: what lasts a minute or
//! more, or must hold across processes, is a [`crate::quota::Quota`] and is kept in the database.

use crate::connector::Pace;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use std::{num::NonZeroU32, time::Duration};

/// Hosts are forgotten once they are idle, when there are more than this many.
const HOSTS_MAX: usize = 4096;

pub(super) struct Pacer {
    limiter: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl Pacer {
    /// A limiter that lets no interval of `pace.per` hold more than `pace.requests`; zero requests are read as one.
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota(pace)),
            clock: DefaultClock::default(),
        }
    }

    /// Takes a place for one request to `host`, or says how long to wait before asking again.
    pub(super) fn take(&self, host: &str) -> Result<(), Duration> {
        if self.limiter.len() > HOSTS_MAX {
            self.limiter.retain_recent();
        }
        self.limiter
            .check_key(&host.to_owned())
            .map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

/// A burst of `b` that refills every `t` lets at most `b + per/t - 1` begin within any half-open interval of length `per`.
/// A fifth of the pace may burst; `t` is what is left.
fn quota(pace: Pace) -> Quota {
    let requests = pace.requests.max(1);
    let burst = NonZeroU32::new(requests / 5).unwrap_or(NonZeroU32::MIN);
    let refills = requests - burst.get() + 1;
    let period = (pace.per / refills).max(Duration::from_nanos(1));
    Quota::with_period(period)
        .unwrap_or(Quota::per_second(burst))
        .allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    #[test]
    fn no_interval_holds_more_than_the_pace_allows() {
        for (requests, per_ms) in [(1, 1000), (2, 1000), (10, 1000), (3000, 300_000)] {
            let per = Duration::from_millis(per_ms);
            let clock = FakeRelativeClock::default();
            let limiter =
                RateLimiter::direct_with_clock(quota(Pace { requests, per }), clock.clone());
            let (mut passed, mut at) = (Vec::new(), Duration::ZERO);
            while at < per * 3 {
                while limiter.check().is_ok() {
                    passed.push(at);
                }
                at += per / 1000;
                clock.advance(per / 1000);
            }
            let most = passed
                .iter()
                .map(|&from| {
                    passed
                        .iter()
                        .filter(|&&t| t >= from && t < from + per)
                        .count()
                })
                .max();
            assert!(
                most.unwrap() <= requests as usize,
                "{requests} per {per:?}: {most:?}"
            );
            assert!(
                passed.len() >= 2 * requests as usize,
                "{requests} per {per:?} is starved"
            );
        }
    }

    #[test]
    fn hosts_do_not_slow_each_other_down() {
        let pacer = Pacer::new(Pace {
            requests: 1,
            per: Duration::from_mins(1),
        });
        assert!(pacer.take("a.example:443").is_ok());
        assert!(pacer.take("b.example:443").is_ok());
        assert!(pacer.take("a.example:443").unwrap_err() > Duration::from_secs(50));
    }
}
