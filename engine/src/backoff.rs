//! How long to wait before trying again.
//!
//! | failures before | delay d (drawn from [d/2, d]) |
//! |---|---|
//! | 0 | 5 s |
//! | 1 | 10 s |
//! | 2 | 20 s |
//! | 3 | 40 s |
//! | 4 | 80 s |
//! | 5 | 160 s |
//! | 6 | 320 s |
//! | 10 and more | 1 h |
//!
//! The draw is a hash of the job and the count, so the function stays pure: the same job gets the same delay again, and a
//! thousand jobs that failed together do not come back together.

use std::time::Duration;

/// The first delay.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(5);

/// No delay is longer.
pub const BACKOFF_MAX: Duration = Duration::from_hours(1);

/// The delay after `failures` earlier failures, drawn from the upper half by `seed`.
pub fn backoff(failures: u16, seed: u64) -> Duration {
    let factor = 1u32
        .checked_shl(u32::from(failures.min(31)))
        .unwrap_or(u32::MAX);
    let whole = BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_MAX);
    let half = whole / 2;
    let share = scramble(seed ^ (u64::from(failures) << 48)) % 1001;
    half + half.mul_f64(f64::from(u32::try_from(share).unwrap_or(0)) / 1000.0)
}

/// A seed from a job's id.
pub(crate) fn seed_of(job: publisher::id::JobId) -> u64 {
    let (high, low) = job.uuid().as_u64_pair();
    scramble(high ^ low)
}

/// `SplitMix64`'s finaliser: every input bit reaches every output bit.
pub(crate) fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_is_drawn_from_the_upper_half_and_capped(failures in 0u16..200, seed: u64) {
            let whole = BACKOFF_FIRST.saturating_mul(1u32.checked_shl(u32::from(failures.min(31))).unwrap_or(u32::MAX)).min(BACKOFF_MAX);
            let delay = backoff(failures, seed);
            prop_assert!(delay >= whole / 2 && delay <= whole, "{delay:?} of {whole:?}");
        }
    }

    #[test]
    fn the_same_job_gets_the_same_delay_and_others_another() {
        assert_eq!(backoff(3, 7), backoff(3, 7));
        let drawn: std::collections::HashSet<_> = (0..100).map(|seed| backoff(3, seed)).collect();
        assert!(drawn.len() > 50, "delays must spread: {}", drawn.len());
    }
}
