//! What can go wrong on the way, and whether the platform can have received the request nevertheless.

use super::guard::Refusal;
use crate::failure::{Failure, Scope};
use std::{error::Error, io, time::Duration};

/// A call that got no whole answer.
///
/// Its text names method and host, never path, query, headers or body.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {}{}", kind.words(), if detail.is_empty() { String::new() } else { format!(" ({detail})") })]
pub struct CallError {
    /// What happened.
    pub kind: CallErrorKind,
    /// Whether the platform can have received the request. False only if that is impossible: the connection was never
    /// made, or the call is irreversible and ended before a connection took the first byte of its body.
    pub may_have_been_sent: bool,
    pub(super) once: bool,
    pub(super) call: String,
    pub(super) detail: String,
}

/// What happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallErrorKind {
    /// The guard refused the address or the URL, or the call itself is wrong.
    Refused,
    /// The name could not be resolved, or no connection was made.
    Unreachable,
    /// The deadline passed.
    TimedOut,
    /// The connection broke.
    Broken,
    /// The answer is longer than the call allows.
    AnswerTooLarge,
    /// The permit ran out before the request was sent whole.
    PastNotAfter,
    /// Our own pace has no room before the deadline.
    Paced {
        /// When it has.
        retry_in: Duration,
    },
}

impl CallErrorKind {
    fn words(self) -> &'static str {
        match self {
            Self::Refused => "refused before sending",
            Self::Unreachable => "could not be reached",
            Self::TimedOut => "did not answer in time",
            Self::Broken => "the connection broke",
            Self::AnswerTooLarge => "the answer is too large",
            Self::PastNotAfter => "the permission to send ran out",
            Self::Paced { .. } => "the pace for this host leaves no room before the deadline",
        }
    }
}

impl CallError {
    /// The failure that this is for a connector, with its own `code` (`platform.topic.fact`).
    ///
    /// An irreversible request that may have arrived is `Ambiguous`; our own pace is `RateLimited`; all else `Transient`.
    pub fn failure(&self, code: &str) -> Failure {
        let message = self.to_string();
        if self.once && self.may_have_been_sent {
            return Failure::ambiguous(code, message);
        }
        match self.kind {
            CallErrorKind::Paced { retry_in } => {
                Failure::rate_limited(code, message).scope(Scope::Host).retry_in(retry_in)
            }
            CallErrorKind::Refused => Failure::transient(code, message).remediation(
                "Only public https addresses are reached. If this address is meant, the operator can name it with its \
                 port in POSTRIDER_EGRESS_ALLOW.",
            ),
            _ => Failure::transient(code, message),
        }
    }
}

/// What is known from an error of the client underneath.
pub(super) struct Judged {
    pub(super) kind: CallErrorKind,
    pub(super) connected: bool,
    pub(super) detail: String,
}

/// Judges an error of the client underneath; a refusal of ours anywhere among its causes decides.
pub(super) fn judge(error: reqwest::Error) -> Judged {
    let error = error.without_url();
    if let Some(Refusal(why)) = cause::<Refusal>(&error) {
        return Judged {
            kind: CallErrorKind::Refused,
            connected: false,
            detail: why.clone(),
        };
    }
    if error.is_builder() {
        let detail = innermost(&error);
        return Judged {
            kind: CallErrorKind::Refused,
            connected: false,
            detail,
        };
    }
    let kind = if error.is_connect() {
        CallErrorKind::Unreachable
    } else if error.is_timeout() {
        CallErrorKind::TimedOut
    } else {
        CallErrorKind::Broken
    };
    Judged {
        kind,
        connected: !error.is_connect(),
        detail: innermost(&error),
    }
}

/// The innermost text of a chain: it names the fact and never the request.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last: &dyn Error = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// Finds one of our own errors in a chain, also inside of an I/O error.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}
