//! One attempt: what is known before it, and what it left behind.
//!
//! The pipeline is open → run → report; what follows (decide → settle) belongs to the settler, outside of anything that can
//! cancel it. The state is shared between the handler, its mark and the settler, so that a timeout, a panic or a cut still
//! tells whether something may have been sent.

use crate::decide::Report;
use publisher::id::LeaseId;
use publisher::{Failure, Refreshed};
use std::sync::{Arc, Mutex, PoisonError};
use store::queue::{Claimed, Fence, LoadedAccount, LoadedPost, Refusal};

/// A claimed job with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) claimed: Claimed,
    pub(crate) body: Body,
}

/// What kind of work it is.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Publish(Box<LoadedPost>),
    Refresh(Box<LoadedAccount>),
    /// Its subject is gone, or this build does not know its kind.
    Unknown,
}

impl Work {
    pub(crate) fn fence(&self) -> Fence {
        self.claimed.fence()
    }

    pub(crate) fn lease(&self) -> LeaseId {
        self.claimed.lease
    }
}

/// What an attempt leaves behind, whatever becomes of it.
#[derive(Debug, Default)]
pub(crate) struct AttemptState(Mutex<Left>);

#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact of the attempt"
)]
struct Left {
    begun: bool,
    sent: bool,
    marked_here: bool,
    absent: bool,
    refusal: Option<Refusal>,
    report: Option<Report>,
    refreshed: Option<Refreshed>,
}

impl AttemptState {
    /// Begins with the mark as the job's row has it.
    pub(crate) fn new(sent: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Left {
            sent,
            ..Left::default()
        })))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Left) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn begin(&self) {
        self.with(|left| left.begun = true);
    }

    pub(crate) fn mark_set(&self) {
        self.with(|left| {
            left.sent = true;
            left.marked_here = true;
        });
    }

    pub(crate) fn mark_refused(&self, refusal: Refusal) {
        self.with(|left| left.refusal = Some(refusal));
    }

    /// A look found out what became of the send.
    pub(crate) fn look_resolved(&self, absent: bool) {
        self.with(|left| {
            left.sent = false;
            left.absent = absent;
        });
    }

    pub(crate) fn report(&self, report: Report) {
        self.with(|left| left.report = Some(report));
    }

    pub(crate) fn keep_refreshed(&self, refreshed: Refreshed) {
        self.with(|left| left.refreshed = Some(refreshed));
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.with(|left| left.refusal)
    }

    pub(crate) fn was_begun(&self) -> bool {
        self.with(|left| left.begun)
    }

    /// Whether this attempt set a mark of its own.
    pub(crate) fn is_marked_here(&self) -> bool {
        self.with(|left| left.marked_here)
    }

    /// Whether a send is unresolved, as far as this process knows.
    pub(crate) fn is_sent(&self) -> bool {
        self.with(|left| left.sent)
    }

    /// Whether a list or key read-back said "absent" in this attempt.
    pub(crate) fn was_absent(&self) -> bool {
        self.with(|left| left.absent)
    }

    pub(crate) fn take_refreshed(&self) -> Option<Refreshed> {
        self.with(|left| left.refreshed.take())
    }

    /// The report, or what stands for it when the handler timed out or panicked.
    pub(crate) fn take_report(&self, unreported: &str) -> Report {
        self.with(|left| {
            left.report.take().unwrap_or_else(|| {
                let failure = if left.sent {
                    Failure::ambiguous("attempt.unanswered", unreported)
                } else {
                    Failure::transient("attempt.failed", unreported)
                };
                Report::Failed(failure)
            })
        })
    }
}
