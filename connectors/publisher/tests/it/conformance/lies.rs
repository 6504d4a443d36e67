//! Each lie, and the case that catches it; every case catches at least one.

use super::liar::{Lie, subject};
use publisher::conformance::{Broken, CASES, Verdict, check};
use std::collections::BTreeSet;

macro_rules! lies {
    ($($test:ident: $lie:ident is caught by $case:ident;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                let case = stringify!($case);
                let honest = check(&|| subject(Lie::None), case).await;
                assert_eq!(honest, Ok(Verdict::Held), "the honest one");
                let lying = check(&|| subject(Lie::$lie), case).await;
                assert!(matches!(&lying, Err(Broken::Broken(_))), "{:?}: {lying:?}", Lie::$lie);
            }
        )+

        /// The cases that are proved to catch something.
        const PROVED: &[&str] = &[$(stringify!($case)),+];
    };
}

lies! {
    a_receipt_that_names_nothing: NamesNothing is caught by each_shape_is_published_once;
    only_the_first_violation: ReportsTheFirstViolation is caught by preflight_reports_all_violations_at_once;
    no_warning_at_all: WarnsOfNothing is caught by preflight_warns_of_what_would_be_ignored;
    an_option_dropped_in_silence: KnowsEveryOption is caught by nothing_that_was_sent_is_dropped_in_silence;
    no_pace: HasNoPace is caught by the_declarations_are_sound;
    a_suspension_taken_for_a_moment: ForgivesSuspension is caught by each_answer_of_the_error_table_has_its_class;
    a_class_claimed_out_of_reach: ClaimsAClassOutOfReach is caught by every_class_is_reached_or_declared_out_of_reach;
    a_limit_without_its_time: ForgetsTheLimit is caught by a_rate_limit_carries_its_scope_and_time;
    a_request_without_a_mark: SendsWithoutAMark is caught by nothing_irreversible_is_sent_without_a_mark;
    a_refused_mark_that_is_masked: MasksTheRefusal is caught by nothing_irreversible_is_sent_without_a_mark;
    two_requests_in_one_call: SendsTwiceInOneCall is caught by one_call_makes_at_most_one_irreversible_request;
    a_request_built_anew: RebuildsTheRequest is caught by a_repetition_sends_the_identical_request;
    a_draft_kept_in_memory: KeepsItsDraftInMemory is caught by a_checkpoint_survives_json_and_a_new_process;
    a_checkpoint_of_another_version: WritesAnotherVersion is caught by a_checkpoint_survives_json_and_a_new_process;
    a_checkpoint_that_is_ignored: IgnoresTheCheckpoint is caught by an_unreadable_checkpoint_is_refused;
    a_look_that_does_not_look: NeverLooks is caught by a_post_killed_at_any_step_is_published_once;
    an_answer_that_is_not_missed: TakesNoAnswerForTransient is caught by whatever_one_request_meets_there_is_one_post;
    a_post_that_is_never_found: NeverLooks is caught by a_post_that_is_there_is_found;
    a_late_effect_that_nobody_waits_for: SaysAbsentTooEarly is caught by an_effect_that_comes_late_is_found;
    absence_said_too_early: SaysAbsentTooEarly is caught by absence_is_not_said_before_the_quiet_time;
    absence_never_said: NeverSaysAbsent is caught by absence_is_said_after_the_quiet_time;
    a_foreign_post_adopted: AdoptsAnyPost is caught by an_identical_post_of_another_origin_is_not_adopted;
    a_failed_look_taken_for_absence: TakesAFailedLookForAbsence is caught by a_failed_look_is_no_verdict;
    a_timeout_taken_for_unsent: TakesNoAnswerForTransient is caught by a_timeout_after_the_request_is_ambiguous;
    a_refused_connection_taken_for_sent: TakesARefusedConnectionForSent is caught by a_refused_connection_is_transient;
    a_server_error_taken_for_unsent:
        TakesAServerErrorForTransient is caught by a_server_error_on_the_irreversible_request_is_ambiguous;
    any_answer_believed: BelievesAnyAnswer is caught by an_answer_that_cannot_be_read_is_ambiguous;
    an_expired_token_taken_for_a_refusal: RejectsAnExpiredToken is caught by an_expired_token_is_unauthorized;
    a_refresh_that_changes_nothing: KeepsTheOldToken is caught by a_refresh_gives_tokens_that_work;
    a_refresh_that_asks_again: RefreshesTwice is caught by a_refresh_asks_once;
    a_revocation_taken_for_a_moment: TakesRevocationForTransient is caught by a_revoked_account_is_blocked;
    a_token_in_a_message: LeaksTheToken is caught by no_secret_is_in_any_debug_output;
    a_call_without_a_deadline: IgnoresTheDeadline is caught by a_call_stays_inside_its_deadline;
    a_connector_that_sleeps: Sleeps is caught by a_connector_waits_for_nothing_but_its_calls;
}

#[test]
fn every_case_is_proved_to_catch_a_lie() {
    let proved: BTreeSet<&str> = PROVED.iter().copied().collect();
    let known: BTreeSet<&str> = CASES.iter().copied().collect();
    assert_eq!(proved, known);
}

#[tokio::test]
async fn a_case_of_safety_cannot_be_left_out_and_no_case_without_a_reason() {
    let skipping = |case: &'static str, reason: &'static str| {
        move || {
            let mut subject = subject(Lie::SendsWithoutAMark);
            subject.skips = vec![(case, reason)];
            subject
        }
    };
    let safety = "nothing_irreversible_is_sent_without_a_mark";
    assert!(
        check(&skipping(safety, "it is slow"), safety)
            .await
            .is_err()
    );
    let refresh = "a_refresh_asks_once";
    assert!(check(&skipping(refresh, " "), refresh).await.is_err());
    let skipped = check(&skipping(refresh, "tokens do not end"), refresh).await;
    assert_eq!(
        skipped,
        Ok(Verdict::Skipped("tokens do not end".to_owned()))
    );
}

#[tokio::test]
async fn what_a_subject_does_not_give_is_missing_by_name() {
    let empty = || {
        let honest = subject(Lie::None);
        let fake = std::sync::Arc::clone(&honest.fake);
        publisher::conformance::Subject {
            addresses: vec!["toys"],
            ..publisher::conformance::Subject::new(move |setup| (honest.connector)(setup), fake)
        }
    };
    let mut missing = 0;
    for case in CASES {
        match check(&empty, case).await {
            Err(Broken::Missing(what)) => {
                assert!(what.contains('`'), "{case}: {what}");
                missing += 1;
            }
            other => assert_eq!(*case, "the_declarations_are_sound", "{other:?}"),
        }
    }
    assert_eq!(missing, CASES.len() - 1);
}
