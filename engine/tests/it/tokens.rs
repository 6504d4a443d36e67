//! Tokens that expire, refreshes that are refused, accounts that need their owner.

use crate::shop::{Shop, quick, toy_times};
use crate::state::until;
use publisher::fake::Fault;
use publisher::toys::ToyTimes;
use serde_json::json;
use std::time::Duration;
use store::AccountRow;

/// A shop whose tokens live an hour, by the platform's clock.
async fn open() -> Shop {
    Shop::open_with(ToyTimes {
        token_lives: Duration::from_hours(1),
        ..toy_times()
    })
    .await
}

async fn status(shop: &Shop, account: &AccountRow) -> String {
    let row = shop.store.get_account(shop.org, account.id, None).await;
    row.unwrap().unwrap().status
}

fn refuse_refreshes(shop: &Shop, times: u32) {
    let refused = Fault::Status {
        status: 400,
        body: json!({"error": "invalid_grant"}),
        headers: vec![],
    };
    shop.fake.faults().arm("POST /toys/token", refused, times);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_is_refreshed_once_for_all_posts_that_wait_for_it() {
    let shop = open().await;
    for (platform, posts) in [("toy_list", 6), ("toy_blind", 24), ("toy_steps", 6)] {
        let account = shop.account(platform, platform).await;
        let mut batches = vec![];
        for n in 0..posts {
            batches.push(shop.accept(&account, &format!("{n} on {platform}")).await);
        }
        // Only the platform's clock: nothing told us that the token is old.
        shop.fake.clock().advance(Duration::from_hours(2));
        let (one, two) = (shop.worker(), shop.worker());
        for batch in batches {
            let post = shop.result(batch).await;
            assert_eq!(post.shown, "published", "{post:?}");
            assert!(shop.letterless(post.id).await);
            let outcomes = shop.outcomes(post.id).await;
            assert_eq!(outcomes.last().unwrap(), "published");
        }
        assert_eq!(shop.holder(platform).await["refreshes"], 1, "{platform}");
        one.drain().await;
        two.drain().await;
    }
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_about_to_expire_is_refreshed_before_anybody_is_refused() {
    let shop = open().await;
    let account = shop.account("toy_blind", "ada").await;
    shop.pass(Duration::from_mins(56)).await;
    let worker = shop.worker();
    until("a refresh", async || {
        (shop.holder("ada").await["refreshes"] == 1).then_some(())
    })
    .await;
    until("its settlement", async || {
        let jobs = shop.database.count("select count(*) from jobs").await;
        (jobs == 0).then_some(())
    })
    .await;
    shop.pass(Duration::from_mins(30)).await;
    let post = shop.result(shop.accept(&account, "in time").await).await;
    assert_eq!(post.shown, "published");
    assert_eq!(shop.outcomes(post.id).await, ["published"]);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refresh_ends_who_waits_holds_who_can_and_reconnecting_lets_them_go_on() {
    let shop = open().await;
    let worker = shop.worker();
    for platform in ["toy_blind", "toy_steps"] {
        let account = shop.account(platform, platform).await;
        let later = shop
            .schedule(
                &account,
                &format!("later on {platform}"),
                Duration::from_mins(10),
            )
            .await;
        shop.fake.clock().advance(Duration::from_hours(2));
        refuse_refreshes(&shop, 1);
        let due = shop
            .schedule(&account, &format!("due on {platform}"), Duration::ZERO)
            .await;
        let immediate = shop.accept(&account, &format!("now on {platform}")).await;

        let refused = shop.result(immediate).await;
        assert_eq!(refused.shown, "rejected", "{refused:?}");
        let error = refused.error.clone().unwrap();
        assert_eq!(error["code"], "platform_auth_failed", "{error}");
        assert!(error["remediation"].is_string(), "{error}");
        assert_eq!(shop.letter(refused.id).await.class, "account_blocked");
        assert_eq!(status(&shop, &account).await, "needs_reauth");
        for batch in [due, later] {
            let post = shop.post(batch).await;
            if post.shown == "queued" {
                assert_eq!(post.waiting_reason.as_deref(), Some("account_needs_reauth"));
            }
            assert_eq!(shop.job(post.id, "failures").await.as_deref(), Some("0"));
            assert_eq!(shop.sent(&post.text).1, 0);
        }
        // Whoever comes now learns it at once.
        let newcomer = shop
            .result(
                shop.accept(&account, &format!("newcomer on {platform}"))
                    .await,
            )
            .await;
        assert_eq!(newcomer.shown, "rejected");
        assert_eq!(newcomer.error.unwrap()["code"], "platform_auth_failed");

        let again = shop.account(platform, platform).await;
        assert_eq!(again.id, account.id, "a reconnection keeps the account");
        assert_eq!(status(&shop, &account).await, "active");
        assert_eq!(shop.result(due).await.shown, "published");
        assert_eq!(
            shop.post(later).await.waiting_reason.as_deref(),
            Some("not_due")
        );
        shop.pass(Duration::from_mins(10)).await;
        assert_eq!(shop.result(later).await.shown, "published");
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_account_holds_its_scheduled_posts_until_it_is_connected_again() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    for platform in publisher::toys::PLATFORMS {
        let account = shop.account(platform, platform).await;
        shop.suspend(platform, true).await;
        let scheduled = shop
            .schedule(
                &account,
                &format!("scheduled on {platform}"),
                Duration::ZERO,
            )
            .await;
        let id = shop.post(scheduled).await.id;
        until("a hold", async || {
            (shop.job(id, "state").await? == "held").then_some(())
        })
        .await;
        let post = shop.post(scheduled).await;
        // What has begun is shown as `publishing`, which has no reason to wait.
        if post.shown == "queued" {
            assert_eq!(post.waiting_reason.as_deref(), Some("account_needs_reauth"));
        }
        assert_eq!(status(&shop, &account).await, "needs_reauth");

        let refused = shop
            .result(shop.accept(&account, &format!("now on {platform}")).await)
            .await;
        assert_eq!(refused.shown, "rejected", "{refused:?}");
        assert_eq!(refused.error.unwrap()["code"], "platform_auth_failed");

        shop.suspend(platform, false).await;
        shop.account(platform, platform).await;
        assert_eq!(shop.result(scheduled).await.shown, "published");
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_immediate_post_that_meets_the_suspension_itself_ends_rejected() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_blind", "ada").await;
    shop.suspend("ada", true).await;
    let post = shop.result(shop.accept(&account, "suspended").await).await;
    assert_eq!(post.shown, "rejected");
    assert_eq!(post.error.unwrap()["code"], "platform_auth_failed");
    assert_eq!(status(&shop, &account).await, "needs_reauth");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_post_expires_at_its_deadline() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_blind", "ada").await;
    shop.suspend("ada", true).await;
    let batch = shop.schedule(&account, "held", Duration::ZERO).await;
    let id = shop.post(batch).await.id;
    until("a hold", async || {
        (shop.job(id, "state").await? == "held").then_some(())
    })
    .await;
    shop.pass(Duration::from_hours(25)).await;
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    assert_eq!(post.error.unwrap()["rule"], "publish.expired");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_endpoint_that_is_down_is_tried_again_and_the_posts_go_after_it() {
    let shop = open().await;
    let worker = shop.worker_on(shop.store.clone(), quick());
    let account = shop.account("toy_blind", "ada").await;
    shop.fake.clock().advance(Duration::from_hours(2));
    let down = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    shop.fake.faults().arm("POST /toys/token", down, 3);
    let batch = shop.accept(&account, "patient").await;
    shop.attempted(batch, 1).await;
    until("three failures", async || {
        shop.pass(Duration::from_secs(20)).await;
        (shop.fake.faults().left() == 0).then_some(())
    })
    .await;
    let post = shop.result_in_time(batch, Duration::from_secs(20)).await;
    assert_eq!(post.shown, "published");
    assert_eq!(shop.sent("patient"), (2, 1));
    assert_eq!(status(&shop, &account).await, "active");
    worker.drain().await;
    shop.close().await;
}
