//! Windows and priorities together: the bucket sleeps until the job whose turn it is fits, and no longer.

use crate::outcomes::{complete, verify};
use crate::shop::{QUEUE, Shop, window};
use publisher::id::AccountId;
use std::time::Duration;
use store::queue::NewPost;

/// A window of 10 units in 100 s, of which 10 are used: one each second from 1 s to 10 s.
async fn used_up() -> (Shop, AccountId) {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("w", "posts", 10, 1, 100_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 10, shop.at(0)).await;
    for (second, job) in (1..).zip(shop.claim(10, shop.at(0)).await.jobs) {
        assert!(shop.settle(complete(&job), shop.at(second)).await);
    }
    (shop, account)
}

#[tokio::test]
async fn an_urgent_post_does_not_wait_for_the_room_that_a_bulk_thread_needs() {
    let (shop, account) = used_up().await;
    let thread = NewPost {
        priority: 2,
        parts: 5,
        ..shop.draft(account)
    };
    let urgent = NewPost {
        priority: 0,
        ..shop.draft(account)
    };
    shop.enqueue(thread, shop.at(11)).await;
    let urgent = shop.enqueue(urgent, shop.at(12)).await;

    let waiting = shop.claim(10, shop.at(20)).await;

    assert!(waiting.jobs.is_empty());
    assert_eq!(waiting.look_in, Some(Duration::from_secs(81)));
    assert_eq!(shop.claim_one(shop.at(101)).await.job, urgent);
    shop.close().await;
}

#[tokio::test]
async fn an_urgent_post_that_becomes_due_is_not_slept_through() {
    let (shop, account) = used_up().await;
    let thread = NewPost {
        priority: 2,
        parts: 5,
        ..shop.draft(account)
    };
    let urgent = NewPost {
        priority: 0,
        scheduled_at: Some(shop.at(102)),
        ..shop.draft(account)
    };
    let thread = shop.enqueue(thread, shop.at(11)).await;
    let urgent = shop.enqueue(urgent, shop.at(12)).await;

    // The thread alone would have to sleep until 105 s; at 102 s two units are free, and one is enough.
    let waiting = shop.claim(10, shop.at(20)).await;
    assert!(waiting.jobs.is_empty());
    assert_eq!(waiting.look_in, Some(Duration::from_secs(82)));
    assert_eq!(shop.claim_one(shop.at(102)).await.job, urgent);
    // The urgent one took a unit: the thread waits for one more.
    assert_eq!(shop.claim(10, shop.at(105)).await.jobs.len(), 0);
    assert_eq!(shop.claim_one(shop.at(106)).await.job, thread);
    shop.close().await;
}

#[tokio::test]
async fn a_post_in_front_of_a_bulk_thread_keeps_it_from_overtaking() {
    let (shop, account) = used_up().await;
    let thread = NewPost {
        priority: 0,
        parts: 3,
        ..shop.draft(account)
    };
    let bulk = NewPost {
        priority: 2,
        ..shop.draft(account)
    };
    let thread = shop.enqueue(thread, shop.at(11)).await;
    let bulk = shop.enqueue(bulk, shop.at(11)).await;

    assert!(shop.claim(10, shop.at(102)).await.jobs.is_empty());
    assert_eq!(shop.claim_one(shop.at(103)).await.job, thread);
    assert_eq!(shop.claim_one(shop.at(104)).await.job, bulk);
    shop.close().await;
}

#[tokio::test]
async fn a_look_does_not_hide_the_post_whose_turn_is_after_it() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("w", "posts", 2, 1, 100_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let sent = shop.claim_one(shop.at(1)).await;
    shop.mark(&sent, shop.at(2)).await.unwrap();
    assert!(shop.settle(verify(&sent, 0), shop.at(3)).await);
    // One unit is left. Of the waiting posts the older is in the class of the look, the other less urgent.
    let older = shop.enqueue_many(account, 1, shop.at(4)).await;
    let bulk = NewPost {
        priority: 2,
        ..shop.draft(account)
    };
    shop.enqueue(bulk, shop.at(5)).await;

    let jobs = shop.claim(10, shop.at(6)).await.jobs;

    let ids: Vec<_> = jobs.iter().map(|job| job.job).collect();
    assert_eq!(ids, [sent.job, older[0]]);
    shop.close().await;
}

#[tokio::test]
async fn a_closed_bucket_stays_closed_although_its_window_has_room_again() {
    let (shop, account) = used_up().await;
    shop.enqueue_many(account, 1, shop.at(11)).await;
    shop.database
        .execute(&format!(
            "update buckets set blocked_until = '{}', blocked_by = 'rate_limited'",
            shop.at(150)
        ))
        .await;

    let waiting = shop.claim(10, shop.at(20)).await;

    assert_eq!(waiting.look_in, Some(Duration::from_secs(130)));
    assert!(shop.claim(10, shop.at(149)).await.jobs.is_empty());
    assert_eq!(shop.claim(10, shop.at(150)).await.jobs.len(), 1);
    shop.close().await;
}
