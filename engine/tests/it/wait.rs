//! The caller of an immediate post: how its wait ends, and that nothing depends on it.

use crate::ledger::irreversible;
use crate::shop::{Shop, toy_times};
use crate::state::until;
use engine::{AcceptError, Acceptance, ClientConfig, Remembered, WaitEnd};
use futures_util::future::join_all;
use publisher::fake::Fault;
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout};

async fn open(wait: Duration, waiters_max: usize) -> Shop {
    let client = ClientConfig {
        wait,
        waiters_max,
        ..ClientConfig::default()
    };
    Shop::build(toy_times(), None, client).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_with_the_result_whatever_the_result_is() {
    let shop = open(Duration::from_secs(25), 1000).await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    for text in ["fine", "forbidden!"] {
        let batch = shop.accept(&account, text).await;
        let end = shop.client.wait_settled(shop.org, batch).await;
        assert_eq!(end, WaitEnd::Settled);
        let post = shop.post(batch).await;
        assert!(matches!(post.shown.as_str(), "published" | "rejected"));
        // And for whoever asks again.
        let end = shop.client.wait_settled(shop.org, batch).await;
        assert_eq!(end, WaitEnd::Settled);
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_takes_too_long_ends_and_the_work_goes_on() {
    let shop = open(Duration::from_millis(300), 1000).await;
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.accept(&account, "slow").await;
    let end = shop.client.wait_settled(shop.org, batch).await;
    assert_eq!(end, WaitEnd::TimedOut);
    let post = shop.post(batch).await;
    assert_eq!(post.shown, "queued");
    assert_eq!(post.waiting_reason.as_deref(), Some("no_worker"));
    let worker = shop.worker();
    assert_eq!(shop.result(batch).await.shown, "published");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_for_a_closed_account_ends_at_once() {
    let shop = open(Duration::from_secs(25), 1000).await;
    let worker = shop.worker();
    let account = shop.account("toy_blind", "ada").await;
    let limited = Fault::Status {
        status: 429,
        body: json!({}),
        headers: vec![("retry-after".to_owned(), "300".to_owned())],
    };
    shop.fake
        .faults()
        .arm(&irreversible("toy_blind", "ada"), limited, 1);
    let began = Instant::now();
    let first = shop.accept(&account, "finds out").await;
    let end = shop.client.wait_settled(shop.org, first).await;
    assert_eq!(end, WaitEnd::Parked);
    let second = shop.accept(&account, "is told").await;
    let end = shop.client.wait_settled(shop.org, second).await;
    assert_eq!(end, WaitEnd::Parked);
    assert!(began.elapsed() < Duration::from_secs(15));
    shop.pass(Duration::from_mins(5)).await;
    assert_eq!(shop.result(first).await.shown, "published");
    assert_eq!(shop.result(second).await.shown, "published");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_callers_wait_than_may() {
    let shop = open(Duration::from_secs(20), 2).await;
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.accept(&account, "crowded").await;
    let ends = join_all((0..5).map(|_| async {
        let end = shop.client.wait_settled(shop.org, batch).await;
        if end == WaitEnd::Crowded {
            return (end, None);
        }
        (end, Some(()))
    }));
    let work = async {
        // The two who may wait are in when the first of the others was sent away; nothing is published before.
        shop.worker()
    };
    let (ends, worker) = tokio::join!(ends, work);
    let crowded = ends.iter().filter(|(end, _)| *end == WaitEnd::Crowded);
    assert_eq!(crowded.count(), 3, "{ends:?}");
    let settled = ends.iter().filter(|(end, _)| *end == WaitEnd::Settled);
    assert_eq!(settled.count(), 2, "{ends:?}");
    // Whoever has gone makes room.
    let end = shop.client.wait_settled(shop.org, batch).await;
    assert_eq!(end, WaitEnd::Settled);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_hangs_up_changes_nothing_and_makes_room() {
    let shop = open(Duration::from_secs(20), 1).await;
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.accept(&account, "hung up").await;
    let wait = shop.client.wait_settled(shop.org, batch);
    assert!(timeout(Duration::from_millis(50), wait).await.is_err());
    let worker = shop.worker();
    let end = shop.client.wait_settled(shop.org, batch).await;
    assert_eq!(end, WaitEnd::Settled, "the one who hung up takes no room");
    assert_eq!(shop.post(batch).await.shown, "published");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_accepts_with_one_key_are_one_batch_and_one_send() {
    let shop = open(Duration::from_secs(20), 1000).await;
    let worker = shop.worker();
    for platform in publisher::toys::PLATFORMS {
        let account = shop.account(platform, "ada").await;
        let text = format!("once on {platform}");
        let mut submission = shop.submission(&account, &text);
        submission.remembered = Some(Remembered {
            key: text.clone(),
            fingerprint: [1; 32],
        });
        let accepted = join_all((0..8).map(|_| async {
            let accepted = shop.client.accept(submission.clone()).await.unwrap();
            let (Acceptance::New { batch } | Acceptance::Known { batch }) = accepted;
            let end = shop.client.wait_settled(shop.org, batch).await;
            assert_eq!(end, WaitEnd::Settled);
            accepted
        }))
        .await;
        let is_new = |it: &&Acceptance| matches!(it, Acceptance::New { .. });
        let new: Vec<_> = accepted.iter().filter(is_new).collect();
        let [Acceptance::New { batch }] = new.as_slice() else {
            panic!("{accepted:?}");
        };
        let known = Acceptance::Known { batch: *batch };
        assert_eq!(accepted.iter().filter(|it| **it == known).count(), 7);
        assert_eq!(shop.sent(&text), (1, 1));

        submission.remembered = Some(Remembered {
            key: text.clone(),
            fingerprint: [2; 32],
        });
        let other = shop.client.accept(submission).await;
        assert!(matches!(other, Err(AcceptError::KeyReused)), "{other:?}");
    }
    let batches = shop.database.count("select count(*) from batches").await;
    assert_eq!(batches, 4);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canceled_post_is_never_sent_and_its_caller_is_told() {
    let shop = open(Duration::from_secs(20), 1000).await;
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.accept(&account, "canceled").await;
    let post = shop.post(batch).await.id;
    let canceled = async {
        until("a cancel", async || {
            let done = shop.client.cancel_post(shop.org, post).await.unwrap();
            done.then_some(())
        })
        .await;
    };
    let wait = shop.client.wait_settled(shop.org, batch);
    let (end, ()) = tokio::join!(wait, canceled);
    assert_eq!(end, WaitEnd::Settled);
    let worker = shop.worker();
    let next = shop.accept(&account, "next").await;
    assert_eq!(shop.result(next).await.shown, "published");
    assert_eq!(shop.post(batch).await.shown, "canceled");
    assert!(!shop.client.cancel_post(shop.org, post).await.unwrap());
    assert_eq!(shop.sent("canceled"), (0, 0));
    worker.drain().await;
    shop.close().await;
}
