//! How a process is told to end: the first signal drains, the second ends at once, and a drain has a deadline.

use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Both stages, as tokens that every part of the process watches. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Begin nothing new, finish what runs.
    pub(crate) drain: CancellationToken,
    /// Cut what runs.
    pub(crate) now: CancellationToken,
}

impl Shutdown {
    /// Listens for SIGTERM and SIGINT until the second of them, or until `longest` after the first.
    ///
    /// Errors: the handlers cannot be installed.
    pub(crate) fn on_signals(tracker: &TaskTracker, longest: Duration) -> std::io::Result<Self> {
        let shutdown = Self::default();
        let mut signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        let told = shutdown.clone();
        tracker.spawn(async move {
            tokio::select! {
                () = told.now.cancelled() => return,
                () = told.drain.cancelled() => {}
                name = signals.next() => tracing::info!(signal = name, longest_ms = longest.as_millis(), "draining"),
            }
            told.stop_within(longest, signals.next()).await;
        });
        Ok(shutdown)
    }

    /// Begins the drain; ends it when all is said (`now`), at the deadline, or when `again` comes.
    async fn stop_within(&self, longest: Duration, again: impl Future<Output = &'static str>) {
        self.drain.cancel();
        tokio::select! {
            () = self.now.cancelled() => {}
            () = tokio::time::sleep(longest) => tracing::warn!("the drain's deadline has passed; ending now"),
            name = again => tracing::warn!(signal = name, "ending now"),
        }
        self.now.cancel();
    }

    /// Everything has ended: nothing needs to be waited for any more.
    pub(crate) fn finish(&self) {
        self.drain.cancel();
        self.now.cancel();
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn the_second_signal_ends_at_once() {
        let shutdown = Shutdown::default();
        shutdown
            .stop_within(LONG, std::future::ready("SIGINT"))
            .await;
        assert!(shutdown.drain.is_cancelled() && shutdown.now.is_cancelled());
    }

    #[tokio::test]
    async fn a_drain_ends_at_its_deadline() {
        let shutdown = Shutdown::default();
        shutdown
            .stop_within(Duration::ZERO, std::future::pending())
            .await;
        assert!(shutdown.now.is_cancelled());
    }

    #[tokio::test]
    async fn a_drain_that_is_done_waits_for_nothing() {
        let shutdown = Shutdown::default();
        shutdown.finish();
        shutdown.stop_within(LONG, std::future::pending()).await;
        assert!(shutdown.drain.is_cancelled());
    }
}
