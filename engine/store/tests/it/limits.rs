//! Limits: what a window counts, from when, and what is given back; slots; overrides; what rides.

use crate::outcomes::{
    complete, dead_letter, died, died_marked, hold, proceed, release, retry, snooze, verify,
};
use crate::shop::{QUEUE, Shop, fences, slots, window};
use serde_json::json;
use std::time::Duration;
use store::queue::{Claimed, NewPost, Settlement};

/// Whether the first of two jobs still counts against a window of one, after what became of it.
async fn still_counts(counts: &'static str, marked: bool, end: fn(&Claimed) -> Settlement) -> bool {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("one", counts, 1, 1, 3_600_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let first = shop.claim_one(shop.at(1)).await;
    if marked {
        shop.mark(&first, shop.at(2)).await.unwrap();
    }
    // Long past the lease, so that a reaper's settlement is written too; the account opens again before the next claim.
    assert!(shop.settle(end(&first), shop.at(100)).await);
    let others = shop.claim(10, shop.at(101)).await.jobs;
    let counted = others.iter().all(|job| job.job == first.job);
    shop.database.drop_database().await;
    counted
}

fn retry_later(job: &Claimed) -> Settlement {
    retry(job, 600_000)
}

fn snooze_shortly(job: &Claimed) -> Settlement {
    Settlement {
        after_ms: 600_000,
        ..snooze(job, 500)
    }
}

fn failed_look(job: &Claimed) -> Settlement {
    Settlement {
        resolves_mark: false,
        ..snooze_shortly(job)
    }
}

fn verify_later(job: &Claimed) -> Settlement {
    verify(job, 600_000)
}

fn proceed_later(job: &Claimed) -> Settlement {
    proceed(job, 600_000)
}

fn hold_only(job: &Claimed) -> Settlement {
    Settlement {
        account_status: None,
        ..hold(job)
    }
}

fn died_later(job: &Claimed) -> Settlement {
    died(job, 600_000)
}

fn died_marked_later(job: &Claimed) -> Settlement {
    died_marked(job, 600_000)
}

fn release_later(job: &Claimed) -> Settlement {
    Settlement {
        after_ms: 600_000,
        ..release(job)
    }
}

fn rejected(job: &Claimed) -> Settlement {
    dead_letter(job, "rejected")
}

fn ambiguous(job: &Claimed) -> Settlement {
    dead_letter(job, "ambiguous")
}

#[tokio::test]
async fn posts_are_given_back_unless_something_took_effect_or_may_have() {
    type End = fn(&Claimed) -> Settlement;
    let cases: [(&str, bool, End, bool); 12] = [
        ("published", true, complete, true),
        ("in progress", true, proceed_later, true),
        ("unknown, to be looked at", true, verify_later, true),
        ("unknown for good", true, ambiguous, true),
        ("a look that failed", true, failed_look, true),
        ("died after its mark", true, died_marked_later, true),
        ("refused, to be tried again", true, retry_later, false),
        ("refused for good", true, rejected, false),
        ("refused for now", true, snooze_shortly, false),
        ("held", true, hold_only, false),
        ("died before its mark", false, died_later, false),
        ("released before its mark", false, release_later, false),
    ];
    for (what, marked, end, expected) in cases {
        assert_eq!(still_counts("posts", marked, end).await, expected, "{what}");
    }
}

#[tokio::test]
async fn calls_are_used_by_the_mark_itself() {
    type End = fn(&Claimed) -> Settlement;
    let cases: [(&str, bool, End, bool); 6] = [
        ("published", true, complete, true),
        ("refused, to be tried again", true, retry_later, true),
        ("refused for good", true, rejected, true),
        ("refused for now", true, snooze_shortly, true),
        ("failed before any call", false, retry_later, false),
        ("released before any call", false, release_later, false),
    ];
    for (what, marked, end, expected) in cases {
        assert_eq!(still_counts("calls", marked, end).await, expected, "{what}");
    }
}

#[tokio::test]
async fn an_open_reservation_counts_for_ever_and_a_dated_one_from_its_settlement() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("ten", "posts", 1, 1, 10_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let first = shop.claim_one(shop.at(0)).await;

    // The window has passed since the claim, but who knows when the platform will count it.
    let meanwhile = shop.claim(10, shop.at(40)).await;
    assert!(meanwhile.jobs.is_empty());
    assert_eq!(meanwhile.look_in, None, "only a settlement can tell when");
    assert!(shop.settle(complete(&first), shop.at(50)).await);

    let woken = shop.claim(10, shop.at(50)).await;
    assert!(woken.jobs.is_empty());
    assert_eq!(woken.look_in, Some(Duration::from_secs(10)));
    assert_eq!(shop.bucket(account).await["limited_by"], "ten");
    assert!(shop.claim(10, shop.at_ms(59_999)).await.jobs.is_empty());
    let second = shop.claim_one(shop.at(60)).await;
    assert_eq!(shop.bucket(account).await["limited_by"], json!(null));
    assert!(shop.settle(complete(&second), shop.at(61)).await);
    shop.close().await;
}

#[tokio::test]
async fn weighted_posts_fill_two_windows_of_one_meter() {
    let shop = Shop::open().await;
    // 6 units in 10 s, 10 in a minute, a part costs 2.
    let limits = [
        window("short", "posts", 6, 2, 10_000),
        window("long", "posts", 10, 2, 60_000),
    ];
    shop.declare(QUEUE, &limits).await;
    let account = shop.account().await;
    shop.enqueue_many(account, 8, shop.at(0)).await;
    let mut went = Vec::new();
    for second in 0..75 {
        for job in shop.claim(10, shop.at(second)).await.jobs {
            assert!(shop.settle(complete(&job), shop.at(second)).await);
            went.push(second);
        }
    }

    // Three fill the short window; two more the long one; then each minute's room comes back as it was taken.
    assert_eq!(went, [0, 0, 0, 10, 10, 60, 60, 60]);
    assert_eq!(
        shop.count("charges", "units = 2 and at is not null").await,
        8
    );
    shop.close().await;
}

#[tokio::test]
async fn a_thread_of_three_waits_until_all_of_it_fits() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("w", "posts", 4, 1, 10_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 3, shop.at(0)).await;
    for (second, job) in (1..).zip(shop.claim(10, shop.at(0)).await.jobs) {
        assert!(shop.settle(complete(&job), shop.at(second)).await);
    }
    let thread = NewPost {
        parts: 3,
        ..shop.draft(account)
    };
    let thread = shop.enqueue(thread, shop.at(4)).await;
    // Newer and smaller: it would fit, but it is not its turn.
    shop.enqueue_many(account, 1, shop.at(5)).await;

    let waiting = shop.claim(10, shop.at(6)).await;
    assert!(waiting.jobs.is_empty());
    // Two of the three must have left: the second did at 2 s, so at 12 s.
    assert_eq!(waiting.look_in, Some(Duration::from_secs(6)));
    let then = shop.claim(10, shop.at(12)).await.jobs;
    assert_eq!(then[0].job, thread);
    assert_eq!(then.len(), 1, "3 of 4 are reserved and one is dated");
    shop.close().await;
}

#[tokio::test]
async fn slots_bound_what_runs_and_a_settlement_frees_one_at_once() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[slots(2)]).await;
    let account = shop.account().await;
    shop.enqueue_many(account, 5, shop.at(0)).await;

    let mut running = shop.claim(10, shop.at(1)).await.jobs;
    assert_eq!(running.len(), 2);
    assert!(shop.claim(10, shop.at(2)).await.jobs.is_empty());
    let ended = running.pop().unwrap();
    assert!(shop.settle(complete(&ended), shop.at(3)).await);
    assert_eq!(shop.ready_ms(account).await, Some(3_000));
    let next = shop.claim(10, shop.at(3)).await.jobs;
    assert_eq!(next.len(), 1);
    assert_eq!(shop.bucket(account).await["running"], 2);
    assert_eq!(shop.bucket(account).await["limited_by"], "slots");
    shop.close().await;
}

#[tokio::test]
async fn an_accounts_own_limit_wins_over_the_declaration() {
    let shop = Shop::open().await;
    let declared = [window("daily", "posts", 2, 1, 60_000)];
    shop.declare(QUEUE, &declared).await;
    let (more, less, plain) = (
        shop.account().await,
        shop.account().await,
        shop.account().await,
    );
    for (owner, max) in [(more, 4), (less, 1)] {
        shop.database
            .execute(&format!(
                "insert into limits (org, queue, scope, owner, name, meter, kind, counts, max_units, units, window_ms)
                 values ('{}', '{QUEUE}', 'account', '{owner}', 'daily', 'posts', 'window', 'posts', {max}, 1, 60000)",
                shop.org
            ))
            .await;
    }
    for account in [more, less, plain] {
        shop.enqueue_many(account, 6, shop.at(0)).await;
    }
    // The next build declares the same again: what an operator set stays.
    shop.declare(QUEUE, &declared).await;

    let claimed = shop.claim(100, shop.at(1)).await.jobs;

    let of = |account: publisher::id::AccountId| {
        let mine = claimed.iter();
        mine.filter(|job| job.bucket.uuid() == account.uuid())
            .count()
    };
    assert_eq!((of(more), of(less), of(plain)), (4, 1, 2));
    shop.close().await;
}

#[tokio::test]
async fn a_limit_that_is_no_longer_declared_is_gone() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("old", "posts", 1, 1, 60_000)])
        .await;
    shop.declare(QUEUE, &[window("new", "posts", 3, 1, 60_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 5, shop.at(0)).await;

    assert_eq!(shop.claim(10, shop.at(1)).await.jobs.len(), 3);
    assert_eq!(shop.count("limits", "true").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn polls_and_looks_ride_on_their_charge_when_the_window_is_used_up() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("w", "posts", 2, 1, 3_600_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let mut first_two = shop.claim(10, shop.at(1)).await.jobs;
    let (look, poll) = (first_two.pop().unwrap(), first_two.pop().unwrap());
    shop.mark(&look, shop.at(2)).await.unwrap();
    assert!(shop.settle(verify(&look, 10_000), shop.at(3)).await);
    assert!(shop.settle(proceed(&poll, 20_000), shop.at(3)).await);
    // Older, more urgent, and many: none of them may go, and none may stand in the way.
    for _ in 0..20 {
        let urgent = NewPost {
            priority: 0,
            ..shop.draft(account)
        };
        shop.enqueue(urgent, shop.at(4)).await;
    }
    assert!(shop.claim(10, shop.at_ms(12_999)).await.jobs.is_empty());

    let looked = shop.claim_one(shop.at(13)).await;
    assert_eq!((looked.job, looked.sent_claim), (look.job, Some(1)));
    let polled = shop.claim_one(shop.at(23)).await;
    assert_eq!(polled.job, poll.job);
    assert_eq!(shop.count("charges", "true").await, 2, "no second charge");
    assert!(shop.settle(complete(&looked), shop.at(24)).await);
    assert!(shop.settle(complete(&polled), shop.at(24)).await);
    assert_eq!(shop.count("charges", "at is not null").await, 2);
    shop.close().await;
}

#[tokio::test]
async fn looks_are_found_behind_more_urgent_jobs_than_a_claim_has_room_for() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("w", "posts", 3, 1, 3_600_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let sent = shop.claim_one(shop.at(1)).await;
    shop.mark(&sent, shop.at(2)).await.unwrap();
    assert!(shop.settle(verify(&sent, 1_000), shop.at(3)).await);
    for _ in 0..10 {
        let urgent = NewPost {
            priority: 0,
            ..shop.draft(account)
        };
        shop.enqueue(urgent, shop.at(4)).await;
    }

    let mut looked = false;
    for second in 5..15 {
        let jobs = shop.claim(1, shop.at(second)).await.jobs;
        looked |= jobs.iter().any(|job| job.job == sent.job);
    }
    assert!(looked);
    shop.close().await;
}

#[tokio::test]
async fn what_was_never_begun_gives_its_charge_and_its_slot_back() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("w", "posts", 2, 1, 3_600_000), slots(2)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 4, shop.at(0)).await;
    let claimed = shop.claim(10, shop.at(1)).await.jobs;
    assert_eq!(claimed.len(), 2);
    assert!(shop.claim(10, shop.at(1)).await.jobs.is_empty());

    let put_back = shop.store.release_unstarted(&fences(&claimed)).await;

    assert_eq!(put_back.unwrap(), 2);
    assert_eq!(shop.count("charges", "true").await, 0);
    assert_eq!(shop.bucket(account).await["running"], 0);
    let again = shop.claim(10, shop.at(2)).await.jobs;
    let ids = |jobs: &[Claimed]| jobs.iter().map(|job| job.job).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&claimed));
    assert!(again.iter().all(|job| job.claim == 2 && job.failures == 0));
    shop.close().await;
}

/// The window lets one more in; whoever is behind it must not use up the slot of a look that needs no room.
#[tokio::test]
async fn what_does_not_fit_takes_no_slot_from_a_look() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("two", "posts", 2, 1, 60_000), slots(2)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let poll = shop.claim_one(shop.at(0)).await;
    assert!(shop.settle(proceed(&poll, 9_000), shop.at(1)).await);
    let [urgent, bulk] = [0, 1].map(|priority| NewPost {
        priority,
        ..shop.draft(account)
    });
    let urgent = shop.enqueue(urgent, shop.at(2)).await;
    shop.enqueue(bulk, shop.at(2)).await;

    let jobs = shop.claim(10, shop.at(10)).await.jobs;

    let taken: Vec<_> = jobs.iter().map(|job| job.job).collect();
    assert_eq!(taken, [urgent, poll.job]);
    shop.close().await;
}
