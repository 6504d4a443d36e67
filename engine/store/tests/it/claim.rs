//! Claiming by one claimer: what is due, in which order, and what is left behind.

use crate::outcomes::{complete, release, retry};
use crate::shop::{QUEUE, Shop, slots};
use publisher::id::JobId;
use std::time::Duration;
use store::queue::{ClaimRequest, Claimed, NewPost};

fn ids(jobs: &[Claimed]) -> Vec<JobId> {
    jobs.iter().map(|job| job.job).collect()
}

#[tokio::test]
async fn a_job_is_claimed_when_it_is_due_and_not_before() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let later = NewPost {
        scheduled_at: Some(shop.at(60)),
        ..shop.draft(account)
    };
    let later = shop.enqueue(later, shop.at(0)).await;

    let early = shop.claim(10, shop.at_ms(59_999)).await;
    let due = shop.claim(10, shop.at(60)).await;

    assert!(early.jobs.is_empty());
    assert_eq!(early.look_in, Some(Duration::from_millis(1)));
    assert_eq!(ids(&due.jobs), [later]);
    assert_eq!(due.look_in, None, "nothing is due by itself any more");
    let job = shop.job(later).await;
    assert_eq!(
        (job["state"].as_str(), job["claim"].as_i64()),
        (Some("running"), Some(1))
    );
    assert_eq!(shop.bucket(account).await["running"], 1);
    assert_eq!(shop.count("leases", "cardinality(jobs) = 1").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn within_an_account_urgent_comes_before_old_and_old_before_new() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let mut expected = Vec::new();
    for (priority, second) in [(2, 0), (1, 3), (0, 9), (1, 1), (0, 5), (2, 2)] {
        let post = NewPost {
            priority,
            scheduled_at: Some(shop.at(second)),
            ..shop.draft(account)
        };
        expected.push((priority, second, shop.enqueue(post, shop.at(0)).await));
    }
    expected.sort_by_key(|(priority, second, _)| (*priority, *second));

    let first_four = shop.claim(4, shop.at(10)).await;
    let rest = shop.claim(4, shop.at(10)).await;

    let claimed = [ids(&first_four.jobs), ids(&rest.jobs)].concat();
    let expected: Vec<JobId> = expected.into_iter().map(|(_, _, job)| job).collect();
    assert_eq!(claimed, expected);
    shop.close().await;
}

#[tokio::test]
async fn every_account_gets_its_first_job_before_any_gets_its_second() {
    let shop = Shop::open().await;
    let (rich, poor, middle) = (
        shop.account().await,
        shop.account().await,
        shop.account().await,
    );
    shop.enqueue_many(rich, 20, shop.at(0)).await;
    shop.enqueue_many(middle, 3, shop.at(1)).await;
    shop.enqueue_many(poor, 1, shop.at(2)).await;

    let claims = shop.claim(6, shop.at(3)).await;

    let of = |account: publisher::id::AccountId| {
        let mine = claims.jobs.iter();
        mine.filter(|job| job.bucket.uuid() == account.uuid())
            .count()
    };
    assert_eq!((of(rich), of(middle), of(poor)), (3, 2, 1));
    shop.close().await;
}

#[tokio::test]
async fn a_newcomer_waits_for_one_turn_of_the_others_and_not_for_their_backlogs() {
    let shop = Shop::open().await;
    for _ in 0..6 {
        let account = shop.account().await;
        shop.enqueue_many(account, 30, shop.at(0)).await;
    }
    let newcomer = shop.account().await;
    shop.enqueue_many(newcomer, 1, shop.at(100)).await;

    // Six accounts with an old backlog stand before it, two get a job at a time.
    let mut turns = 0;
    loop {
        turns += 1;
        let claims = shop.claim(2, shop.at_ms(100_000 + turns)).await;
        let got_it = claims
            .jobs
            .iter()
            .any(|job| job.bucket.uuid() == newcomer.uuid());
        if got_it {
            break;
        }
        assert!(turns < 20, "the newcomer starves behind old backlogs");
    }
    assert!(turns <= 4, "it took {turns} turns");
    shop.close().await;
}

#[tokio::test]
async fn a_bucket_that_another_claimer_holds_is_skipped_and_its_job_stays() {
    let shop = Shop::open().await;
    let (held, free) = (shop.account().await, shop.account().await);
    let waiting = shop.enqueue_many(held, 1, shop.at(0)).await;
    let open = shop.enqueue_many(free, 1, shop.at(1)).await;
    let holder = shop.hold_bucket(held).await;

    let claims = tokio::time::timeout(Duration::from_secs(10), shop.claim(10, shop.at(2)))
        .await
        .expect("a claim waits for no bucket");
    holder.rollback().await.unwrap();

    assert_eq!(ids(&claims.jobs), open);
    let then = shop.claim(10, shop.at(2)).await;
    assert_eq!(ids(&then.jobs), waiting);
    shop.close().await;
}

#[tokio::test]
async fn a_paused_bucket_and_a_blocked_one_keep_their_jobs_queued() {
    let shop = Shop::open().await;
    let (paused, blocked) = (shop.account().await, shop.account().await);
    shop.database
        .execute(&format!(
            "update buckets set paused = true, paused_by = 'bob' where id = '{paused}'"
        ))
        .await;
    let until = shop.at(100);
    shop.database
        .execute(&format!(
            "update buckets set blocked_until = '{until}', blocked_by = 'rate_limited' where id = '{blocked}'"
        ))
        .await;
    shop.enqueue_many(paused, 1, shop.at(0)).await;
    let waits = shop.enqueue_many(blocked, 1, shop.at(0)).await;

    let closed = shop.claim(10, shop.at(99)).await;
    let open = shop.claim(10, shop.at(100)).await;

    assert!(closed.jobs.is_empty());
    assert_eq!(closed.look_in, Some(Duration::from_secs(1)));
    assert_eq!(ids(&open.jobs), waits);
    assert_eq!(shop.ready_ms(paused).await, None);
    assert_eq!(shop.count("jobs", "state = 'queued'").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_closed_queue_gives_nothing_says_for_how_long_and_delays_no_other() {
    let shop = Shop::open().await;
    shop.declare("other", &[]).await;
    let (here, there) = (shop.account().await, shop.account_on("other").await);
    shop.enqueue_many(here, 1, shop.at(0)).await;
    shop.enqueue_many(there, 1, shop.at(0)).await;
    let until = shop.at(30);
    shop.database
        .execute(&format!(
            "update queues set blocked_until = '{until}' where name = '{QUEUE}'"
        ))
        .await;

    let closed = shop.claim(10, shop.at(10)).await;
    let other = ClaimRequest {
        queue: "other",
        ..shop.ask(10, shop.at(10))
    };
    let elsewhere = shop.store.claim(other).await.unwrap();

    assert!(closed.jobs.is_empty());
    assert_eq!(closed.look_in, Some(Duration::from_millis(20_001)));
    assert_eq!(elsewhere.jobs.len(), 1);
    shop.database
        .execute(&format!(
            "update queues set paused = true, blocked_until = '-infinity' where name = '{QUEUE}'"
        ))
        .await;
    let paused = shop.claim(10, shop.at(40)).await;
    assert!(paused.jobs.is_empty());
    assert_eq!(paused.look_in, None, "a pause has no end of its own");
    shop.database
        .execute("update queues set paused = false")
        .await;
    assert_eq!(shop.claim(10, shop.at(40)).await.jobs.len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn the_next_look_is_at_the_earliest_of_all_buckets() {
    let shop = Shop::open().await;
    for second in [300, 120, 240] {
        let account = shop.account().await;
        let post = NewPost {
            scheduled_at: Some(shop.at(second)),
            ..shop.draft(account)
        };
        shop.enqueue(post, shop.at(0)).await;
    }

    let claims = shop.claim(10, shop.at(100)).await;

    assert!(claims.jobs.is_empty());
    assert_eq!(claims.look_in, Some(Duration::from_secs(20)));
    shop.close().await;
}

#[tokio::test]
async fn a_claim_of_an_unknown_queue_is_empty() {
    let shop = Shop::open().await;
    let ask = ClaimRequest {
        queue: "nowhere",
        ..shop.ask(10, shop.at(0))
    };

    let claims = shop.store.claim(ask).await.unwrap();

    assert!(claims.jobs.is_empty());
    assert_eq!(claims.look_in, None);
    shop.close().await;
}

/// I17, over every reason for which a due bucket may give nothing or not all it has.
#[tokio::test]
async fn a_locked_bucket_yields_a_job_or_leaves_with_a_later_instant() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[slots(1)]).await;
    let (busy, empty) = (shop.account().await, shop.account().await);
    shop.enqueue_many(busy, 3, shop.at(0)).await;
    let first = shop.claim_one(shop.at(1)).await;
    // Ready for no reason: somebody woke both, and neither can give anything.
    shop.database
        .execute(&format!("update buckets set ready_at = '{}'", shop.at(1)))
        .await;

    let claims = shop.claim(10, shop.at(2)).await;

    assert!(claims.jobs.is_empty());
    assert_eq!(claims.look_in, None);
    assert_eq!(shop.ready_ms(busy).await, None, "until its slot is free");
    assert_eq!(shop.bucket(busy).await["limited_by"], "slots");
    assert_eq!(shop.ready_ms(empty).await, None, "it has no job at all");
    assert!(shop.settle(complete(&first), shop.at(3)).await);
    assert_eq!(shop.claim(10, shop.at(3)).await.jobs.len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn claims_of_one_bucket_have_rising_sequence_numbers_even_when_the_clock_steps_back() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 6, shop.at(0)).await;

    let mut numbers = Vec::new();
    for second in [20, 20, 10] {
        let claims = shop.claim(2, shop.at(second)).await;
        shop.database
            .execute(&format!("update buckets set ready_at = '{}'", shop.at(0)))
            .await;
        numbers.extend(claims.jobs.iter().map(|job| job.sequence));
    }

    assert_eq!(numbers.len(), 6);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    shop.close().await;
}

#[tokio::test]
async fn a_job_that_came_back_is_claimed_again_under_a_higher_number() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let first = shop.claim_one(shop.at(1)).await;
    assert!(shop.settle(release(&first), shop.at(2)).await);
    let second = shop.claim_one(shop.at(2)).await;
    assert!(shop.settle(retry(&second, 5_000), shop.at(3)).await);
    assert!(shop.claim(10, shop.at_ms(7_999)).await.jobs.is_empty());
    let third = shop.claim_one(shop.at(8)).await;

    assert_eq!((first.claim, second.claim, third.claim), (1, 2, 3));
    assert_eq!((first.failures, second.failures, third.failures), (0, 0, 1));
    shop.close().await;
}
