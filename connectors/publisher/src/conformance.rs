//! Conformance: what every connector must do, as named tests, from one line.
//!
//! ```ignore
//! // connectors/mastodon/tests/it/conformance.rs
//! publisher::conformance!(subject);
//! ```
//!
//! `subject` is a function that builds a [`Subject`]: the connector, its fake, an account, sample posts of every shape,
//! posts that break rules, and the platform's error table as data. Each case builds it anew, serves the fake, connects the
//! account, and then plays the engine: it grants permits, cuts connections, kills and resumes, looks, and counts in the
//! fake's ledger and journal what really happened. A case trusts nothing that the connector says about itself.
//!
//! What the subject does not provide makes the cases that need it fail with *missing: …*, so that the first run is the list
//! of what to do. A case that cannot apply is left out only by a declaration in [`Subject::skips`], with a reason, which
//! every run prints; the cases of safety cannot be left out at all ([`SKIPPABLE`]).
//!
//! That the cases catch a connector that lies is proved in `connectors/publisher/tests/it/conformance`: each lie of a small
//! toy connector is caught by the case of its name.

mod broken;
mod cases;
mod consent;
mod drive;
mod marks;
mod samples;
mod subject;
mod watch;
mod world;

pub use self::{
    broken::Broken,
    samples::{mp4, png},
    subject::{Ignored, Phase, Row, Shape, Subject, Violating},
};

use std::io::Write as _;

/// Builds the subject; called once for every world that a case needs.
pub type Make<'a> = &'a (dyn Fn() -> Subject + Send + Sync);

/// The cases that [`Subject::skips`] may name: what not every platform has. All others are the promise itself.
pub const SKIPPABLE: [&str; 5] = [
    "a_rate_limit_carries_its_scope_and_time",
    "a_refresh_asks_once",
    "a_refresh_gives_tokens_that_work",
    "a_revoked_account_is_blocked",
    "an_expired_token_is_unauthorized",
];

/// Makes the tests of one connector; its argument is a function of type `fn() -> Subject`.
///
/// The crate that uses it needs `tokio` (features `macros` and `rt`) among its development dependencies, and `publisher`
/// with the feature `fake`.
#[macro_export]
macro_rules! conformance {
    (@with $then:ident $($args:tt)*) => {
        $crate::conformance! { @$then $($args)* ;
            each_shape_is_published_once
            preflight_reports_all_violations_at_once
            preflight_warns_of_what_would_be_ignored
            nothing_that_was_sent_is_dropped_in_silence
            the_declarations_are_sound
            each_answer_of_the_error_table_has_its_class
            every_class_is_reached_or_declared_out_of_reach
            a_rate_limit_carries_its_scope_and_time
            nothing_irreversible_is_sent_without_a_mark
            one_call_makes_at_most_one_irreversible_request
            a_repetition_sends_the_identical_request
            a_checkpoint_survives_json_and_a_new_process
            an_unreadable_checkpoint_is_refused
            a_post_killed_at_any_step_is_published_once
            whatever_one_request_meets_there_is_one_post
            a_post_that_is_there_is_found
            an_effect_that_comes_late_is_found
            absence_is_not_said_before_the_quiet_time
            absence_is_said_after_the_quiet_time
            an_identical_post_of_another_origin_is_not_adopted
            a_failed_look_is_no_verdict
            a_timeout_after_the_request_is_ambiguous
            a_refused_connection_is_transient
            a_server_error_on_the_irreversible_request_is_ambiguous
            an_answer_that_cannot_be_read_is_ambiguous
            an_expired_token_is_unauthorized
            a_refresh_gives_tokens_that_work
            a_refresh_asks_once
            a_revoked_account_is_blocked
            no_secret_is_in_any_debug_output
            a_call_stays_inside_its_deadline
            a_connector_waits_for_nothing_but_its_calls
        }
    };
    (@tests $subject:path ; $($case:ident)+) => {$(
        #[tokio::test]
        async fn $case() {
            $crate::conformance::hold(&$subject, stringify!($case)).await;
        }
    )+};
    (@names ; $($case:ident)+) => { &[$(stringify!($case)),+] };
    (@run $make:expr, $name:expr ; $($case:ident)+) => {
        match $name {
            $(stringify!($case) => Box::pin(cases::$case($make)).await,)+
            other => Err(Broken::missing(format!("a case named `{other}`; see publisher::conformance::CASES"))),
        }
    };
    ($subject:path) => { $crate::conformance! { @with tests $subject } };
}

/// Every case, in the order in which a publication meets them.
pub const CASES: &[&str] = crate::conformance!(@with names);

/// How a case ended that found nothing broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The connector does what the case demands.
    Held,
    /// The subject declares that the case cannot apply.
    Skipped(String),
}

/// Runs one case. Errors: what is missing or broken.
pub async fn check(make: Make<'_>, case: &str) -> Result<Verdict, Broken> {
    if let Some((_, reason)) = make().skips.into_iter().find(|(name, _)| *name == case) {
        if !SKIPPABLE.contains(&case) || reason.trim().is_empty() {
            return Err(Broken::because(
                "this case cannot be left out, or no reason is given; see publisher::conformance::SKIPPABLE",
            ));
        }
        return Ok(Verdict::Skipped(reason.to_owned()));
    }
    let outcome: Result<(), Broken> = crate::conformance!(@with run make, case);
    outcome.map(|()| Verdict::Held)
}

/// Runs one case as a test: panics with what is missing or broken, and prints what is left out by declaration.
pub async fn hold(make: Make<'_>, case: &str) {
    match check(make, case).await {
        Ok(Verdict::Held) => {}
        Ok(Verdict::Skipped(reason)) => say(&format!("{case}: left out by declaration: {reason}")),
        Err(broken) => {
            let held = false;
            assert!(held, "\n  {case}\n  {broken}\n");
        }
    }
}

/// Prints a line, not by a macro of printing: what those print the test harness swallows.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "conformance: {line}");
}
