//! The platforms' times in tests: short, in the ratios of production.

use publisher::toys::ToyTimes;
use std::time::Duration;

/// The platforms' times, short enough for tests; milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) call_deadline: u64,
    pub(crate) bluesky_quiet: u64,
    pub(crate) quiet: u64,
    pub(crate) late_quiet: u64,
    pub(crate) visible_after: u64,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            call_deadline: 1_000,
            bluesky_quiet: 500,
            quiet: 500,
            late_quiet: 1_500,
            visible_after: 1_000,
        }
    }
}

impl Times {
    pub(crate) fn toys(self) -> ToyTimes {
        let ms = Duration::from_millis;
        ToyTimes {
            call_deadline: ms(self.call_deadline),
            quiet: ms(self.quiet),
            late_quiet: ms(self.late_quiet),
            visible_after: ms(self.visible_after),
            ..ToyTimes::default()
        }
    }

    pub(crate) fn named(self) -> [(&'static str, u64); 6] {
        [
            ("bluesky.call_deadline", self.call_deadline),
            ("bluesky.quiet", self.bluesky_quiet),
            ("toys.call_deadline", self.call_deadline),
            ("toys.quiet", self.quiet),
            ("toys.late_quiet", self.late_quiet),
            ("toys.visible_after", self.visible_after),
        ]
    }

    pub(crate) fn variable(self) -> String {
        let each = self.named().map(|(name, ms)| format!("{name}={ms}"));
        each.join(",")
    }
}
