//! The policy of the engine: what happens to a job after an attempt.
//!
//! Everything a person might argue about (when to retry, when to wait, when to give up) is decided in [`decide`] and nowhere
//! else. It is a pure function of the report and the job's counters: no clock, no randomness, no database. Times are therefore
//! durations from now; the store adds them to the database's clock when it settles.
//!
//! This module does not know platforms (their words were translated to [`Class`] by the connector) nor SQL.
//!
//! Invariants: I4, I6, I7, I18, I19.

mod settlement;

pub use settlement::{Close, Dead, Hold, Settlement};

use crate::backoff::backoff;
use publisher::{Class, Failure, Progress, Warning};
use std::time::Duration;

/// What the pipeline hands over. It folds evidence first: found progress becomes [`Report::Did`] and an absence
/// [`Report::Failed`], both with `tries.sent = false` because the look resolved the mark; a look that came too early or failed
/// becomes [`Report::Undecided`].
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// The platform answered with progress.
    Did(Progress),
    /// The attempt failed.
    Failed(Failure),
    /// A look that gave no verdict; the mark stays.
    Undecided(Failure),
    /// Nobody can ever tell what became of the send.
    Unknowable(Failure),
    /// Past its deadline before anything was done.
    Overdue,
    /// An operator's cancel was found before anything was done.
    Canceled,
    /// Nobody reported: the lease was lost or cut.
    Cut,
    /// Claimed, never begun.
    Unstarted,
    /// This build cannot read the job's checkpoint or does not know its platform.
    Unreadable,
    /// Another send of the same bucket is unresolved; nothing was done.
    Busy,
}

/// The job's counters, as they were *before* this attempt, and its facts after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent fact of the job"
)]
pub struct Tries {
    /// Counted failures.
    pub failures: u16,
    /// Allowed failures.
    pub failures_max: u16,
    /// Looks since the mark.
    pub looks: u16,
    /// Allowed looks.
    pub looks_max: u16,
    /// Deaths in a row.
    pub deaths: u16,
    /// Allowed deaths.
    pub deaths_max: u16,
    /// A send mark is unresolved.
    pub sent: bool,
    /// A receipt is stored: something is public.
    pub public: bool,
    /// Past `give_up_at`.
    pub expired: bool,
    /// An account's trouble holds the job instead of ending it.
    pub may_wait: bool,
    /// This process, or the one whose claim it was, had been told to stop.
    pub stopping: bool,
    /// The token generation that the attempt used.
    pub token_seen: Option<i32>,
    /// Seeds the jitter.
    pub seed: u64,
}

/// Longest wait between two looks, unless the connector says later.
pub const LOOK_DELAY_MAX: Duration = Duration::from_mins(5);

/// How long a claim that this build cannot read is left to a newer one.
pub const UNREADABLE_DELAY: Duration = Duration::from_secs(30);

/// How long a send waits for another unresolved one of its bucket.
pub const BUSY_DELAY: Duration = Duration::from_secs(2);

/// No limit closes its scope for less, whatever the platform says: a zero would be a loop that burns nothing.
pub const SNOOZE_MIN: Duration = Duration::from_secs(1);

/// No step follows another sooner.
pub const POLL_MIN: Duration = Duration::from_millis(50);

/// How long a rate limit closes its scope when the platform did not say.
pub const RATE_LIMIT_DELAY: Duration = Duration::from_mins(1);

/// Turns the report of one attempt into the settlement of its job.
///
/// Total: every report and every counter has an answer. Every cycle burns something bounded (I18): retry and restart burn
/// `failures`, verify burns `looks`, a death burns `deaths`; continue, snooze, hold and release-as-unreadable are unreachable
/// once `expired`; release while stopping ends with the process.
pub fn decide(report: Report, tries: &Tries) -> Settlement {
    match report {
        Report::Did(progress) => advance(progress, tries),
        Report::Failed(failure) => settle_failure(failure, tries),
        // The look itself failed. What it waits for is waited for; the mark stays, so that the next claim looks again.
        Report::Undecided(why) if !tries.expired && tries.can_wait_for(why.class) => {
            wait(why, tries, true)
        }
        Report::Undecided(why) => look(tries, why),
        Report::Unknowable(why) => give_up(tries, Dead::Ambiguous, why),
        Report::Unreadable if !tries.expired => release(UNREADABLE_DELAY),
        Report::Overdue | Report::Canceled | Report::Cut | Report::Unreadable if tries.sent => {
            look(tries, unanswered())
        }
        Report::Busy if !tries.expired => Settlement::Snooze {
            close: Close::Nothing(BUSY_DELAY),
            keeps_mark: false,
            failure: busy(),
        },
        Report::Overdue | Report::Unreadable | Report::Busy => {
            give_up(tries, Dead::Expired, expired())
        }
        Report::Canceled if tries.public => complete_with(&canceled()),
        Report::Canceled => Settlement::Cancel,
        Report::Cut if tries.stopping => release(Duration::ZERO),
        Report::Cut if tries.deaths + 1 >= tries.deaths_max => give_up(tries, Dead::Poison, died()),
        Report::Cut => Settlement::Release {
            after: backoff(tries.deaths, tries.seed),
            died: true,
        },
        Report::Unstarted => release(Duration::ZERO),
    }
}

/// A definite answer: the mark is resolved. What is public at the deadline is published, as far as it got.
fn advance(progress: Progress, tries: &Tries) -> Settlement {
    match progress {
        Progress::Published(receipt) => Settlement::Complete {
            receipt: Some(receipt),
            warning: None,
        },
        Progress::Pending {
            checkpoint,
            receipt,
            poll_after,
        } if !tries.expired => Settlement::Continue {
            checkpoint,
            receipt,
            after: poll_after.max(POLL_MIN),
        },
        Progress::Pending {
            receipt: Some(receipt),
            ..
        } => Settlement::Complete {
            receipt: Some(receipt),
            warning: Some(warning_of(&expired())),
        },
        Progress::Pending { receipt: None, .. } => give_up(tries, Dead::Expired, expired()),
    }
}

const fn release(after: Duration) -> Settlement {
    Settlement::Release { after, died: false }
}

fn complete_with(failure: &Failure) -> Settlement {
    Settlement::Complete {
        receipt: None,
        warning: Some(warning_of(failure)),
    }
}

fn settle_failure(failure: Failure, tries: &Tries) -> Settlement {
    let spent =
        tries.expired || (counts(failure.class) && tries.failures + 1 >= tries.failures_max);
    match failure.class {
        // It may have happened: only a look may follow, never a send (I4).
        Class::Ambiguous | Class::Duplicate | Class::Stale if tries.sent => look(tries, failure),
        // From here on the answer was definite: the settlement resolves the mark. What is public can only complete (I19).
        class if tries.public && (spent || is_final(class)) => complete_with(&failure),
        Class::Rejected | Class::Duplicate => give_up(tries, Dead::Rejected, failure),
        Class::AccountBlocked if !tries.may_wait => give_up(tries, Dead::AccountBlocked, failure),
        Class::Transient
        | Class::Ambiguous
        | Class::Stale
        | Class::RateLimited
        | Class::OperatorBlocked
        | Class::Unauthorized
        | Class::AccountBlocked
            if tries.expired =>
        {
            give_up(tries, Dead::Expired, failure)
        }
        Class::RateLimited
        | Class::OperatorBlocked
        | Class::Unauthorized
        | Class::AccountBlocked => wait(failure, tries, false),
        Class::Transient | Class::Ambiguous | Class::Stale if spent => {
            give_up(tries, Dead::Exhausted, failure)
        }
        Class::Stale => Settlement::Retry {
            after: Duration::ZERO,
            restart: true,
            failure,
        },
        Class::Transient | Class::Ambiguous => {
            let wish = failure.retry_in.unwrap_or(Duration::ZERO);
            Settlement::Retry {
                after: wish.max(backoff(tries.failures, tries.seed)),
                restart: false,
                failure,
            }
        }
    }
}

impl Tries {
    /// Whether waiting can cure a failure of this class: a limit, a token, an account or our app.
    fn can_wait_for(&self, class: Class) -> bool {
        match class {
            Class::RateLimited | Class::OperatorBlocked | Class::Unauthorized => true,
            Class::AccountBlocked => self.may_wait,
            Class::Transient
            | Class::Stale
            | Class::Rejected
            | Class::Ambiguous
            | Class::Duplicate => false,
        }
    }
}

/// Whether a failure of this class is counted.
const fn counts(class: Class) -> bool {
    match class {
        Class::Transient | Class::Stale | Class::Ambiguous => true,
        Class::RateLimited
        | Class::Unauthorized
        | Class::OperatorBlocked
        | Class::AccountBlocked
        | Class::Rejected
        | Class::Duplicate => false,
    }
}

/// Whether nothing but a person can change a failure of this class.
const fn is_final(class: Class) -> bool {
    match class {
        Class::Rejected | Class::Duplicate | Class::AccountBlocked => true,
        Class::Transient
        | Class::RateLimited
        | Class::Stale
        | Class::Unauthorized
        | Class::OperatorBlocked
        | Class::Ambiguous => false,
    }
}

/// Waits for what is not the post's fault; counts nothing.
fn wait(failure: Failure, tries: &Tries, keeps_mark: bool) -> Settlement {
    let close = match failure.class {
        Class::OperatorBlocked => Close::AppUntilResumed,
        Class::Unauthorized => Close::UntilTokenNewerThan(tries.token_seen),
        Class::AccountBlocked => {
            return Settlement::Hold {
                reason: Hold::AccountNeedsReauth,
                keeps_mark,
                failure,
            };
        }
        Class::RateLimited
        | Class::Transient
        | Class::Stale
        | Class::Rejected
        | Class::Ambiguous
        | Class::Duplicate => Close::For(
            failure.scope,
            failure.retry_in.unwrap_or(RATE_LIMIT_DELAY).max(SNOOZE_MIN),
        ),
    };
    Settlement::Snooze {
        close,
        keeps_mark,
        failure,
    }
}

/// The next claim looks, also past `give_up_at`; out of looks, nobody will ever know.
fn look(tries: &Tries, failure: Failure) -> Settlement {
    if tries.looks >= tries.looks_max {
        return give_up(tries, Dead::Ambiguous, failure);
    }
    let pause = backoff(tries.looks, tries.seed).min(LOOK_DELAY_MAX);
    let after = failure.retry_in.map_or(pause, |wish| {
        if tries.looks == 0 {
            wish
        } else {
            wish.max(pause / 4)
        }
    });
    Settlement::Verify { after, failure }
}

fn give_up(tries: &Tries, class: Dead, failure: Failure) -> Settlement {
    if tries.public {
        return complete_with(&failure);
    }
    Settlement::DeadLetter { class, failure }
}

fn warning_of(failure: &Failure) -> Warning {
    Warning {
        code: failure.rule.clone().unwrap_or_else(|| failure.code.clone()),
        message: failure.message.clone(),
    }
}

fn expired() -> Failure {
    Failure::transient(
        "publish.expired",
        "its deadline passed before it could be sent",
    )
    .rule("publish.expired")
    .remediation("send it again if it is still wanted; publishWithin sets the deadline")
}

fn unanswered() -> Failure {
    Failure::ambiguous(
        "publish.unanswered",
        "it may have been sent, and nobody has seen the answer",
    )
}

fn died() -> Failure {
    Failure::transient(
        "publish.poison",
        "the workers that tried it died, one after the other",
    )
    .rule("publish.poison")
    .remediation("read the workers' logs for this job before sending it again")
}

fn canceled() -> Failure {
    Failure::transient(
        "publish.canceled",
        "canceled by an operator after a part of it had become public",
    )
}

fn busy() -> Failure {
    Failure::transient(
        "publish.busy",
        "another post of this account is still being verified",
    )
}

#[cfg(test)]
#[path = "decide/tests.rs"]
mod tests;
