//! The error taxonomy: what a connector may report.
//!
//! A connector says *what happened* by choosing a [`Class`]; what follows from it (retry, wait, give up, look) is decided
//! by the engine alone. A failure is built fluently:
//! `Failure::transient("bluesky.upload_blob.unavailable", "the PDS answered 503").status(503)`.

use crate::contract::Receipt;
use std::time::Duration;

/// Longest part of a platform's answer that is kept with a failure, in bytes.
pub const PLATFORM_RESPONSE_BYTES_MAX: usize = 4096;

/// What a failure means for the job. Closed: a new class is a compile error in the engine's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing happened; it may work later.
    Transient,
    /// Not now; says when and whom it concerns ([`Failure::scope`]).
    RateLimited,
    /// Our intermediate state died on the platform; begin again.
    Stale,
    /// The token was refused; a refresh may help.
    Unauthorized,
    /// Our app is at fault (credits, version, verification, client secret): an operator must act.
    OperatorBlocked,
    /// A person must act on the account (reconnect, confirm, unlock).
    AccountBlocked,
    /// The content is refused and always will be.
    Rejected,
    /// It may have happened.
    Ambiguous,
    /// The platform says it already has it.
    Duplicate,
}

impl Class {
    /// Every class, in the order of the table in the crate's documentation.
    pub const ALL: [Self; 9] = [
        Self::Transient,
        Self::RateLimited,
        Self::Stale,
        Self::Unauthorized,
        Self::OperatorBlocked,
        Self::AccountBlocked,
        Self::Rejected,
        Self::Ambiguous,
        Self::Duplicate,
    ];

    /// The word in SQL, API, CLI and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::Stale => "stale",
            Self::Unauthorized => "unauthorized",
            Self::OperatorBlocked => "operator_blocked",
            Self::AccountBlocked => "account_blocked",
            Self::Rejected => "rejected",
            Self::Ambiguous => "ambiguous",
            Self::Duplicate => "duplicate",
        }
    }
}

/// Whom a limit or a refusal concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// This account alone.
    Account,
    /// Every account on this account's host (where users choose the host).
    Host,
    /// Every account of our app on this platform.
    App,
    /// Every account of the organisation.
    Org,
}

impl Scope {
    /// The word in SQL, API, CLI and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Host => "host",
            Self::App => "app",
            Self::Org => "org",
        }
    }
}

/// What went wrong, in terms the engine can act on and a person can read.
///
/// `message` and `platform_response` reach people: neither may contain a token, and [`Failure::response`] keeps at most
/// [`PLATFORM_RESPONSE_BYTES_MAX`] bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// Stable, for machines: `platform.topic.fact`.
    pub code: String,
    /// One sentence for people.
    pub message: String,
    /// The preflight rule that the failure stands for, if one does; becomes `error.rule`.
    pub rule: Option<String>,
    /// What the reader can do about it.
    pub remediation: Option<String>,
    /// The platform's HTTP status, if it answered.
    pub http_status: Option<u16>,
    /// The platform's own words, shortened and scrubbed.
    pub platform_response: Option<serde_json::Value>,
    /// The platform's wish: not before this much time has passed.
    pub retry_in: Option<Duration>,
    /// Whom it concerns; the account unless said otherwise.
    pub scope: Scope,
    /// Of a duplicate: the first post, where the platform names it (LinkedIn).
    pub original: Option<Box<Receipt>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $class:ident),+ $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(code: impl Into<String>, message: impl Into<String>) -> Self {
            Self::new(Class::$class, code, message)
        }
    )+};
}

impl Failure {
    /// A failure of the given class that concerns the account.
    pub fn new(class: Class, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.into(),
            message: message.into(),
            rule: None,
            remediation: None,
            http_status: None,
            platform_response: None,
            retry_in: None,
            scope: Scope::Account,
            original: None,
        }
    }

    constructors! {
        /// Nothing happened; it may work later.
        transient => Transient,
        /// Not now.
        rate_limited => RateLimited,
        /// Our intermediate state died on the platform.
        stale => Stale,
        /// The token was refused.
        unauthorized => Unauthorized,
        /// Our app is at fault.
        operator_blocked => OperatorBlocked,
        /// A person must act on the account.
        account_blocked => AccountBlocked,
        /// The content is refused.
        rejected => Rejected,
        /// It may have happened.
        ambiguous => Ambiguous,
        /// The platform says it already has it.
        duplicate => Duplicate,
    }

    /// Adds the preflight rule that the failure stands for.
    #[must_use]
    pub fn rule(mut self, rule: impl Into<String>) -> Self {
        self.rule = Some(rule.into());
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn remediation(mut self, remediation: impl Into<String>) -> Self {
        self.remediation = Some(remediation.into());
        self
    }

    /// Adds the platform's HTTP status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.http_status = Some(status);
        self
    }

    /// Adds the platform's answer, cut to [`PLATFORM_RESPONSE_BYTES_MAX`]; JSON is kept as JSON while it fits.
    #[must_use]
    pub fn response(mut self, body: &[u8]) -> Self {
        if body.is_empty() {
            return self;
        }
        let fits = body.len() <= PLATFORM_RESPONSE_BYTES_MAX;
        let json = fits.then(|| serde_json::from_slice(body).ok()).flatten();
        self.platform_response = Some(json.unwrap_or_else(|| {
            let cut = &body[..body.len().min(PLATFORM_RESPONSE_BYTES_MAX)];
            String::from_utf8_lossy(cut)
                .replace('\0', "\u{fffd}")
                .into()
        }));
        self
    }

    /// Adds the platform's wish: not before this much time has passed.
    #[must_use]
    pub fn retry_in(mut self, after: Duration) -> Self {
        self.retry_in = Some(after);
        self
    }

    /// Says whom it concerns.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }
}

impl Failure {
    /// Adds the first post, which a duplicate's answer names.
    #[must_use]
    pub fn original(mut self, first: Receipt) -> Self {
        self.original = Some(Box::new(first));
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.class.word(), self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_cut_and_an_invalid_one_still_readable() {
        let long = vec![b'x'; 10_000];
        let failure = Failure::transient("toy.call.failed", "no").response(&long);
        assert_eq!(
            failure.platform_response.unwrap().as_str().unwrap().len(),
            PLATFORM_RESPONSE_BYTES_MAX
        );
        let broken = Failure::transient("toy.call.failed", "no").response(b"\xff\0<html>");
        assert_eq!(
            broken.platform_response.unwrap().as_str().unwrap(),
            "\u{fffd}\u{fffd}<html>"
        );
    }

    #[test]
    fn a_json_answer_stays_json() {
        let failure = Failure::rejected("toy.call.failed", "no").response(br#"{"error":"X"}"#);
        assert_eq!(failure.platform_response.unwrap()["error"], "X");
    }
}
