use super::*;
use proptest::prelude::*;
use publisher::{Checkpoint, Receipt, Scope};
use serde_json::json;

fn tries() -> Tries {
    Tries {
        failures: 0,
        failures_max: 8,
        looks: 0,
        looks_max: 30,
        deaths: 0,
        deaths_max: 3,
        sent: false,
        public: false,
        expired: false,
        may_wait: true,
        stopping: false,
        token_seen: Some(1),
        seed: 7,
    }
}

fn pending(receipt: Option<Receipt>) -> Report {
    let checkpoint = Checkpoint {
        version: 1,
        stage: "container".to_owned(),
        body: json!({"id": 1}),
    };
    Report::Did(Progress::Pending {
        checkpoint,
        poll_after: Duration::from_secs(3),
        receipt,
    })
}

fn failed(class: Class) -> Report {
    Report::Failed(Failure::new(class, "toy.call.failed", "it failed"))
}

/// Every report there is, each failure class in each place where a failure stands.
fn reports() -> Vec<Report> {
    let mut all = vec![
        Report::Did(Progress::Published(Receipt::default())),
        pending(None),
        pending(Some(Receipt::default())),
        Report::Overdue,
        Report::Canceled,
        Report::Cut,
        Report::Unstarted,
        Report::Unreadable,
        Report::Busy,
    ];
    for class in Class::ALL {
        let failure = Failure::new(class, "toy.call.failed", "it failed");
        all.push(Report::Failed(failure.clone()));
        all.push(Report::Undecided(failure.clone()));
        all.push(Report::Unknowable(failure));
    }
    all
}

/// What the store makes of the counters, as in `settle.sql`.
fn after(settlement: &Settlement, mut tries: Tries) -> Option<Tries> {
    let resolves = |tries: &mut Tries| {
        tries.sent = false;
        tries.looks = 0;
    };
    match settlement {
        Settlement::Complete { .. } | Settlement::Cancel | Settlement::DeadLetter { .. } => {
            return None;
        }
        Settlement::Continue { receipt, .. } => {
            resolves(&mut tries);
            tries.public |= receipt.is_some();
        }
        Settlement::Retry { .. } => {
            resolves(&mut tries);
            tries.failures += 1;
        }
        Settlement::Snooze { keeps_mark, .. } | Settlement::Hold { keeps_mark, .. } => {
            if !keeps_mark {
                resolves(&mut tries);
            }
        }
        Settlement::Verify { .. } => tries.looks += 1,
        Settlement::Release { died: true, .. } => {
            tries.deaths += 1;
            return Some(tries);
        }
        Settlement::Release { .. } => return Some(tries),
    }
    tries.deaths = 0;
    Some(tries)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table is read as a whole")]
fn the_policy_table() {
    use Settlement as S;
    let plain = tries();
    let marked = Tries {
        sent: true,
        ..plain
    };
    let immediate = Tries {
        may_wait: false,
        ..plain
    };
    let late = Tries {
        expired: true,
        ..plain
    };
    let spent = Tries {
        failures: 7,
        ..plain
    };
    let cases: Vec<(Report, Tries, &str)> = vec![
        (failed(Class::Transient), plain, "retry"),
        (failed(Class::Transient), spent, "dead exhausted"),
        (failed(Class::Transient), late, "dead expired"),
        (failed(Class::Transient), marked, "retry"),
        (failed(Class::RateLimited), plain, "snooze"),
        (failed(Class::RateLimited), spent, "snooze"),
        (failed(Class::RateLimited), late, "dead expired"),
        (failed(Class::Stale), plain, "restart"),
        (failed(Class::Stale), marked, "verify"),
        (failed(Class::Unauthorized), plain, "snooze"),
        (failed(Class::OperatorBlocked), plain, "snooze"),
        (failed(Class::AccountBlocked), plain, "hold"),
        (
            failed(Class::AccountBlocked),
            immediate,
            "dead account_blocked",
        ),
        (failed(Class::Rejected), plain, "dead rejected"),
        (failed(Class::Rejected), marked, "dead rejected"),
        (failed(Class::Ambiguous), plain, "retry"),
        (failed(Class::Ambiguous), marked, "verify"),
        (
            failed(Class::Ambiguous),
            Tries {
                looks: 30,
                ..marked
            },
            "dead ambiguous",
        ),
        (failed(Class::Duplicate), plain, "dead rejected"),
        (failed(Class::Duplicate), marked, "verify"),
        (Report::Overdue, plain, "dead expired"),
        (Report::Overdue, marked, "verify"),
        (Report::Canceled, plain, "cancel"),
        (Report::Canceled, marked, "verify"),
        (Report::Cut, plain, "died"),
        (
            Report::Cut,
            Tries {
                stopping: true,
                ..plain
            },
            "release",
        ),
        (Report::Cut, marked, "verify"),
        (Report::Cut, Tries { deaths: 2, ..plain }, "dead poison"),
        (Report::Unstarted, plain, "release"),
        (Report::Unreadable, plain, "release"),
        (Report::Unreadable, late, "dead expired"),
        (Report::Busy, plain, "snooze"),
        (pending(None), plain, "continue"),
        (pending(None), late, "dead expired"),
        (pending(Some(Receipt::default())), late, "complete"),
        (
            Report::Canceled,
            Tries {
                public: true,
                ..plain
            },
            "complete",
        ),
        (
            failed(Class::Rejected),
            Tries {
                public: true,
                ..plain
            },
            "complete",
        ),
    ];
    for (report, tries, expected) in cases {
        let settlement = decide(report.clone(), &tries);
        let word = match &settlement {
            S::Complete { .. } => "complete".to_owned(),
            S::Continue { .. } => "continue".to_owned(),
            S::Retry { restart: true, .. } => "restart".to_owned(),
            S::Retry { .. } => "retry".to_owned(),
            S::Snooze { .. } => "snooze".to_owned(),
            S::Verify { .. } => "verify".to_owned(),
            S::Hold { .. } => "hold".to_owned(),
            S::Release { died: true, .. } => "died".to_owned(),
            S::Release { .. } => "release".to_owned(),
            S::Cancel => "cancel".to_owned(),
            S::DeadLetter { class, .. } => format!("dead {}", class.word()),
        };
        assert_eq!(word, expected, "{report:?} with {tries:?}");
    }
}

#[test]
fn a_platforms_wish_to_wait_is_honoured_in_full() {
    let wish = Duration::from_hours(3);
    let failure = Failure::rate_limited("toy.limited", "slow down")
        .retry_in(wish)
        .scope(Scope::Host);
    let Settlement::Snooze { close, .. } = decide(Report::Failed(failure), &tries()) else {
        unreachable!()
    };
    assert_eq!(close, Close::For(Scope::Host, wish));
    let failure = Failure::transient("toy.down", "later").retry_in(wish);
    let Settlement::Retry { after, .. } = decide(Report::Failed(failure), &tries()) else {
        unreachable!()
    };
    assert_eq!(after, wish);
}

/// I18: from any counters, whatever is reported each time, a job ends. Once the deadline has passed (it always does in the
/// end), no settlement may leave all of failures, looks and deaths as they were, unless the process is stopping.
#[test]
fn every_cycle_of_decide_burns_a_bounded_counter_or_the_deadline() {
    for report in reports() {
        for sent in [false, true] {
            for public in [false, true] {
                for may_wait in [false, true] {
                    let before = Tries {
                        sent,
                        public,
                        may_wait,
                        expired: true,
                        ..tries()
                    };
                    let settlement = decide(report.clone(), &before);
                    let Some(after) = after(&settlement, before) else {
                        continue;
                    };
                    let burnt = after.failures > before.failures
                        || after.looks > before.looks
                        || after.deaths > before.deaths
                        || (before.sent && !after.sent);
                    assert!(
                        burnt || matches!(report, Report::Unstarted),
                        "{report:?} with {before:?} goes round for ever: {settlement:?}"
                    );
                }
            }
        }
    }
}

proptest! {
    /// I18 again, as a walk: random reports, the deadline passing at a random step; it must end within the sum of the bounds.
    #[test]
    fn a_job_ends_whatever_its_attempts_report(
        picks in proptest::collection::vec((0usize..100, any::<bool>()), 400),
        deadline in 0usize..50,
    ) {
        let all: Vec<Report> =
            reports().into_iter().filter(|report| !matches!(report, Report::Unstarted)).collect();
        let mut state = Tries { failures_max: 8, looks_max: 30, deaths_max: 3, ..tries() };
        let mut ended = false;
        for (step, (pick, marks)) in picks.into_iter().enumerate() {
            state.expired = step >= deadline;
            let report = all[pick % all.len()].clone();
            // A mark can only be set before the deadline, and only by a claim that publishes.
            let mut now = state;
            if marks && !state.expired && matches!(report, Report::Did(_) | Report::Failed(_) | Report::Cut) {
                now.sent = true;
            }
            match after(&decide(report, &now), now) {
                None => { ended = true; break; }
                Some(next) => state = next,
            }
        }
        prop_assert!(ended, "still alive after 400 attempts: {state:?}");
    }

    /// I19: with a receipt stored a job never ends failed.
    #[test]
    fn what_is_public_only_ever_completes(pick in 0usize..100, sent: bool, expired: bool, may_wait: bool, failures in 0u16..8) {
        let all = reports();
        let tries = Tries { public: true, sent, expired, may_wait, failures, looks: 30, deaths: 2, ..tries() };
        let settlement = decide(all[pick % all.len()].clone(), &tries);
        prop_assert!(!matches!(settlement, Settlement::DeadLetter { .. } | Settlement::Cancel), "{settlement:?}");
    }

    /// I4: while a send is unresolved, nothing that lets the next claim send comes of a report without a definite answer.
    #[test]
    fn an_unresolved_send_is_never_followed_by_a_blind_one(pick in 0usize..7, expired: bool, looks in 0u16..31) {
        let indefinite = [
            failed(Class::Ambiguous), failed(Class::Duplicate), failed(Class::Stale),
            Report::Cut, Report::Overdue, Report::Canceled,
            Report::Undecided(Failure::transient("toy.look", "the look failed")),
        ];
        let tries = Tries { sent: true, expired, looks, ..tries() };
        let settlement = decide(indefinite[pick].clone(), &tries);
        prop_assert!(
            matches!(settlement, Settlement::Verify { .. } | Settlement::DeadLetter { class: Dead::Ambiguous, .. }),
            "{settlement:?}"
        );
    }

    /// I6, I7: only counted classes burn failures, and never past the maximum.
    #[test]
    fn failures_stay_within_their_bound(pick in 0usize..100, sent: bool, failures in 0u16..8) {
        let all = reports();
        let before = Tries { failures, sent, ..tries() };
        let settlement = decide(all[pick % all.len()].clone(), &before);
        if let Some(next) = after(&settlement, before) {
            prop_assert!(next.failures < next.failures_max);
            if !matches!(settlement, Settlement::Retry { .. }) {
                prop_assert_eq!(next.failures, before.failures);
            }
        }
    }
}
