//! A platform's documented window, end to end: its own limiter never has to answer.

use crate::shop::{Shop, toy_times};
use crate::state::until;
use chrono::{DateTime, Utc};
use publisher::toys::{PLATFORMS, ToyTimes};
use std::time::Duration;
use store::PostRow;

const WINDOW: Duration = Duration::from_mins(1);

async fn open() -> Shop {
    Shop::open_with(ToyTimes {
        posts_max: 5,
        posts_window: WINDOW,
        ..toy_times()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_posts_go_five_in_a_window_and_the_platform_never_refuses_one() {
    let shop = open().await;
    let (one, two) = (shop.worker(), shop.worker());
    let mut open = vec![];
    for platform in PLATFORMS {
        let account = shop.account(platform, platform).await;
        for n in 0..12 {
            open.push(shop.accept(&account, &format!("{n} on {platform}")).await);
        }
    }
    for left in [7, 2, 0] {
        let waiting = until("a full window", async || {
            let mut waiting = vec![];
            for batch in &open {
                let post = shop.post(*batch).await;
                if post.shown != "published" {
                    waiting.push(post);
                }
            }
            let now = shop.now().await;
            let of = |name| waiting.iter().filter(|p| p.platform == name).count();
            let full = PLATFORMS.iter().all(|platform| of(*platform) == left);
            (full && waiting.iter().all(|post| is_limited(post, now))).then_some(waiting)
        })
        .await;
        for post in &waiting {
            assert_eq!(shop.sent(&post.text), (0, 0), "{post:?}");
            assert_eq!(shop.job(post.id, "failures").await.as_deref(), Some("0"));
        }
        open = waiting.iter().map(|post| post.batch).collect();
        shop.pass(WINDOW).await;
    }
    assert_eq!(shop.platform.refused_by_window(), 0);
    one.drain().await;
    two.drain().await;
    shop.close().await;
}

/// Whether the post says that it waits for its account's limit, and until when.
fn is_limited(post: &PostRow, now: DateTime<Utc>) -> bool {
    let left = post.waiting_until.map(|until| (until - now).num_seconds());
    post.waiting_reason.as_deref() == Some("account_limit")
        && left.is_some_and(|left| (0..=60).contains(&left))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_at_its_limit_delays_no_other_account() {
    let shop = open().await;
    let worker = shop.worker();
    let busy = shop.account("toy_blind", "busy").await;
    let idle = shop.account("toy_blind", "idle").await;
    for n in 0..8 {
        shop.accept(&busy, &format!("busy {n}")).await;
    }
    let batch = shop.accept(&idle, "idle").await;
    assert_eq!(shop.result(batch).await.shown, "published");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_or_never_sent_uses_up_no_window() {
    let shop = open().await;
    let worker = shop.worker();
    for platform in PLATFORMS {
        let account = shop.account(platform, platform).await;
        for n in 0..6 {
            let text = format!("forbidden! {n} on {platform}");
            let batch = shop.accept(&account, &text).await;
            assert_eq!(shop.result(batch).await.shown, "rejected");
        }
        for n in 0..5 {
            let batch = shop
                .accept(&account, &format!("fine {n} on {platform}"))
                .await;
            assert_eq!(shop.result(batch).await.shown, "published");
        }
    }
    assert_eq!(shop.platform.refused_by_window(), 0);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_jobs_of_an_account_run_at_once_than_it_has_slots() {
    let shop = Shop::open_with(ToyTimes {
        slots: 2,
        ..toy_times()
    })
    .await;
    let account = shop.account("toy_blind", "ada").await;
    let mut batches = vec![];
    for n in 0..6 {
        batches.push(shop.accept(&account, &format!("slot {n}")).await);
    }
    let hang = publisher::fake::Fault::Hang {
        until_released: true,
    };
    shop.fake.faults().arm("posts", hang, 2);
    let worker = shop.worker();
    until("two sends", async || {
        (shop.fake.ledger().entries().len() >= 2).then_some(())
    })
    .await;
    let running = shop
        .database
        .count("select count(*) from jobs where state = 'running'")
        .await;
    assert!(running <= 2, "{running} run at once, and 2 may");
    shop.fake.faults().release();
    for batch in batches {
        assert_eq!(shop.result(batch).await.shown, "published");
    }
    worker.drain().await;
    shop.close().await;
}
