//! What `decide` can say: the nine settlements of the vocabulary, as values.

use publisher::{Checkpoint, Failure, Receipt, Scope, Warning};
use std::time::Duration;

/// What is written about a job: the nine settlements of the vocabulary (a death is a `release` that counts).
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// It is public as a whole, or can only be called so.
    Complete {
        /// What the platform gave; none: what is stored stands.
        receipt: Option<Receipt>,
        /// Why it is not quite what was asked.
        warning: Option<Warning>,
    },
    /// More steps follow; the answer was definite.
    Continue {
        /// For the next step.
        checkpoint: Checkpoint,
        /// What is already public.
        receipt: Option<Receipt>,
        /// Not before.
        after: Duration,
    },
    /// Tried again, counted.
    Retry {
        /// Not before.
        after: Duration,
        /// Our intermediate state died there: begin from the start.
        restart: bool,
        /// Why.
        failure: Failure,
    },
    /// Waits for what is not the post's fault; nothing is counted.
    Snooze {
        /// What is closed meanwhile.
        close: Close,
        /// A look failed: the mark stays.
        keeps_mark: bool,
        /// Why.
        failure: Failure,
    },
    /// The next claim looks.
    Verify {
        /// Not before.
        after: Duration,
        /// Why.
        failure: Failure,
    },
    /// Waits for a person.
    Hold {
        /// For whom.
        reason: Hold,
        /// A look failed: the mark stays.
        keeps_mark: bool,
        /// Why.
        failure: Failure,
    },
    /// The claim is put back.
    Release {
        /// Not before.
        after: Duration,
        /// The worker died of it, or beside it.
        died: bool,
    },
    /// Ended by an operator before anything irreversible.
    Cancel,
    /// Ended unpublished.
    DeadLetter {
        /// What kind of end.
        class: Dead,
        /// The last failure.
        failure: Failure,
    },
}

/// What is closed while a job snoozes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Nothing: only the job itself comes back later.
    Nothing(Duration),
    /// What the failure speaks of, for so long.
    For(Scope, Duration),
    /// The platform's app, until an operator resumes it.
    AppUntilResumed,
    /// The account, until a token newer than this generation is stored.
    UntilTokenNewerThan(Option<i32>),
}

/// Why a job is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Its account must be reconnected by its owner.
    AccountNeedsReauth,
}

/// The class of a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dead {
    /// The content is refused.
    Rejected,
    /// The account needs its owner, and the caller does not wait for that.
    AccountBlocked,
    /// Too many failures.
    Exhausted,
    /// Past its deadline, nothing sent.
    Expired,
    /// May be public; nobody knows.
    Ambiguous,
    /// Its workers died of it.
    Poison,
}

impl Dead {
    /// The word in SQL, API, CLI and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::AccountBlocked => "account_blocked",
            Self::Exhausted => "exhausted",
            Self::Expired => "expired",
            Self::Ambiguous => "ambiguous",
            Self::Poison => "poison",
        }
    }
}
