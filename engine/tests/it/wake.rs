//! No wake-up is lost (I9): with polling off, everything that was accepted is claimed.

use crate::shop::{Shop, toy_times};
use crate::state::until;
use engine::RuntimeConfig;
use futures_util::StreamExt as _;
use futures_util::stream;
use publisher::toys::{PLATFORMS, ToyTimes};
use std::time::Duration;

async fn open() -> Shop {
    Shop::open_with(ToyTimes {
        posts_max: 1_000_000,
        ..toy_times()
    })
    .await
}

/// A worker that wakes by notification only.
fn deaf_to_time() -> RuntimeConfig {
    RuntimeConfig {
        poll: Duration::from_hours(1),
        lease: Duration::from_mins(1),
        ..RuntimeConfig::default()
    }
}

async fn listening(shop: &Shop, workers: i64) {
    let listeners = "select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'";
    until("the listeners", async || {
        (shop.database.count(listeners).await >= workers).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_accepts_beside_two_claimers_leaves_nobody_behind() {
    const POSTS: usize = 1500;
    let shop = open().await;
    let mut accounts = vec![];
    for n in 0..40 {
        // Two steps in every eighth: their polls must wake somebody too.
        let platform = if n % 8 == 0 { "toy_steps" } else { "toy_blind" };
        accounts.push(shop.account(platform, &format!("number{n}")).await);
    }
    let workers = [
        shop.worker_on(shop.store.clone(), deaf_to_time()),
        shop.worker_on(shop.store.clone(), deaf_to_time()),
    ];
    listening(&shop, 2).await;
    stream::iter(0..POSTS)
        .for_each_concurrent(8, |n| {
            let (shop, account) = (&shop, &accounts[n % accounts.len()]);
            async move {
                shop.accept(account, &format!("flood {n}")).await;
            }
        })
        .await;
    let left = "select count(*) from posts where status = 'queued'";
    until("an empty queue", async || {
        (shop.database.count(left).await == 0).then_some(())
    })
    .await;
    let published = "select count(*) from posts where status = 'published'";
    assert_eq!(shop.database.count(published).await, 1500);
    assert_eq!(shop.fake.ledger().doubles(), Vec::<String>::new());
    for worker in workers {
        worker.drain().await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_single_accept_wakes_an_idle_worker_every_time() {
    let shop = open().await;
    let mut accounts = vec![];
    for platform in PLATFORMS {
        accounts.push(shop.account(platform, "ada").await);
    }
    let worker = shop.worker_on(shop.store.clone(), deaf_to_time());
    listening(&shop, 1).await;
    for n in 0..48 {
        let batch = shop.accept(&accounts[n % 4], &format!("knock {n}")).await;
        assert_eq!(shop.result(batch).await.shown, "published");
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_notifications_the_poll_alone_is_enough() {
    let shop = open().await;
    let polling = RuntimeConfig {
        listen: false,
        poll: Duration::from_millis(50),
        lease: Duration::from_secs(3),
        ..RuntimeConfig::default()
    };
    let worker = shop.worker_on(shop.store.clone(), polling);
    for platform in PLATFORMS {
        let account = shop.account(platform, "ada").await;
        for n in 0..5 {
            let batch = shop.accept(&account, &format!("{n} on {platform}")).await;
            assert_eq!(shop.result(batch).await.shown, "published");
        }
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_post_goes_at_its_time_and_not_before() {
    let shop = open().await;
    let mut batches = vec![];
    for platform in PLATFORMS {
        let account = shop.account(platform, "ada").await;
        let text = format!("scheduled on {platform}");
        batches.push(
            shop.schedule(&account, &text, Duration::from_millis(1500))
                .await,
        );
    }
    // Nobody polls: the worker must know by itself when the next bucket opens.
    let worker = shop.worker_on(shop.store.clone(), deaf_to_time());
    for batch in batches {
        let post = shop.post(batch).await;
        if shop.now().await < post.scheduled_at.unwrap() {
            assert_eq!(post.waiting_reason.as_deref(), Some("not_due"));
            assert_eq!(shop.sent(&post.text), (0, 0));
        }
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published");
        let early = shop.attempts(post.id).await;
        let first = early.iter().map(|attempt| attempt.started_at).min();
        assert!(first >= post.scheduled_at, "{post:?} {early:?}");
    }
    worker.drain().await;
    shop.close().await;
}
