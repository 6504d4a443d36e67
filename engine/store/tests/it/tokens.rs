//! Tokens: refused, refreshed, revoked, renewed by their owner.

use crate::outcomes::{complete, dead_letter, refreshed, refused, revoked, snooze};
use crate::shop::{QUEUE, Shop};
use publisher::id::AccountId;
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{Claimed, NewPost, Settlement};

const MINUTE_MS: i64 = 60_000;

async fn claimed(shop: &Shop, account: AccountId, count: i16, second: i64) -> Vec<Claimed> {
    shop.enqueue_many(account, count, shop.at(second)).await;
    shop.claim(100, shop.at(second)).await.jobs
}

async fn account_row(shop: &Shop, account: AccountId) -> Value {
    shop.row("accounts", &format!("id = '{account}'")).await
}

/// An account whose token was just refused, and the refresh that this asked for.
async fn refreshing() -> (Shop, AccountId, Claimed) {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = claimed(&shop, account, 1, 0).await.remove(0);
    assert!(shop.settle(refused(&job, 1), shop.at(1)).await);
    let refresh = shop.claim_one(shop.at(1)).await;
    assert_eq!(
        (refresh.kind.as_str(), refresh.subject),
        ("refresh", account.uuid())
    );
    (shop, account, refresh)
}

#[tokio::test]
async fn a_refused_token_asks_for_one_refresh_however_many_posts_found_out() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let jobs = claimed(&shop, account, 4, 0).await;

    let batch = [refused(&jobs[0], 1), refused(&jobs[1], 1)];
    let settled = shop.settle_all(&batch, shop.at(1)).await;
    assert_eq!(settled.written.len(), 2);
    assert!(shop.settle(refused(&jobs[2], 1), shop.at(2)).await);

    assert_eq!(shop.count("jobs", "kind = 'refresh'").await, 1);
    let bucket = shop.bucket(account).await;
    assert_eq!(bucket["blocked_by"], "token");
    assert_eq!(shop.ready_ms(account).await, Some(2_000 + 30 * MINUTE_MS));
    // Only the refresh may go now.
    let open = shop.claim(10, shop.at(3)).await.jobs;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].kind, "refresh");
    // One that is told while the refresh runs asks for no second one.
    assert!(shop.settle(refused(&jobs[3], 1), shop.at(4)).await);
    assert_eq!(shop.count("jobs", "kind = 'refresh'").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn fresh_tokens_replace_the_old_ones_and_open_the_account() {
    let (shop, account, refresh) = refreshing().await;
    let loaded = shop
        .store
        .load_accounts(&[(shop.org, account)])
        .await
        .unwrap();
    assert_eq!(loaded[0].token_generation, 1);
    assert_eq!(loaded[0].sealed_tokens.as_deref(), Some(&b"sealed"[..]));

    assert!(shop.settle(refreshed(&refresh, 1), shop.at(5)).await);

    let row = account_row(&shop, account).await;
    assert_eq!(
        (&row["token_generation"], &row["sealed_tokens"]),
        (&json!(2), &json!("\\x010203"))
    );
    assert_eq!(row["status"], "active");
    assert_eq!(shop.ready_ms(account).await, Some(5_000));
    let post = shop.claim_one(shop.at(5)).await;
    assert_eq!((post.kind.as_str(), post.token_seen), ("publish", Some(1)));
    assert!(shop.settle(complete(&post), shop.at(6)).await);
    shop.close().await;
}

#[tokio::test]
async fn an_account_that_was_found_elsewhere_moves_with_its_fresh_tokens_or_not_at_all() {
    let moved = |refresh: &Claimed| Settlement {
        profile: Some(json!({ "pds": "https://new.example" })),
        host: Some("new.example".to_owned()),
        ..refreshed(refresh, 1)
    };
    let hosts = async |shop: &Shop, account: AccountId, host: &str| {
        let of_account = format!("subject = '{account}' and host = '{host}'");
        shop.count("buckets", &of_account).await
    };
    let (shop, account, refresh) = refreshing().await;
    assert!(shop.settle(moved(&refresh), shop.at(5)).await);
    let profile = &account_row(&shop, account).await["profile_data"];
    assert_eq!(profile, &json!({ "pds": "https://new.example" }));
    assert_eq!(hosts(&shop, account, "new.example").await, 2);
    shop.close().await;

    // Its owner connected again meanwhile: those tokens belong to the place that they were granted at.
    let (shop, account, refresh) = refreshing().await;
    assert_eq!(shop.connect(account, QUEUE).await, Some(false));
    assert!(shop.settle(moved(&refresh), shop.at(5)).await);
    assert_eq!(account_row(&shop, account).await["profile_data"], json!({}));
    assert_eq!(hosts(&shop, account, "toys.example").await, 2);
    shop.close().await;
}

#[tokio::test]
async fn tokens_are_replaced_only_by_compare_and_set() {
    let (shop, account, refresh) = refreshing().await;
    // Meanwhile the owner connected again.
    assert_eq!(shop.connect(account, QUEUE).await, Some(false));

    assert!(shop.settle(refreshed(&refresh, 1), shop.at(5)).await);

    let row = account_row(&shop, account).await;
    assert_eq!(
        (&row["token_generation"], &row["sealed_tokens"]),
        (&json!(2), &json!("\\x7365616c6564"))
    );
    shop.close().await;
}

#[tokio::test]
async fn a_refresh_refused_for_tokens_that_were_replaced_condemns_nobody() {
    let (shop, account, refresh) = refreshing().await;
    assert_eq!(shop.connect(account, QUEUE).await, Some(false));

    assert!(shop.settle(revoked(&refresh, 1), shop.at(5)).await);

    assert_eq!(account_row(&shop, account).await["status"], "active");
    assert_eq!(shop.bucket(account).await["paused"], false);
    shop.close().await;
}

#[tokio::test]
async fn a_token_refused_when_a_newer_one_is_stored_is_simply_tried_again() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = claimed(&shop, account, 1, 0).await.remove(0);
    assert_eq!(shop.connect(account, QUEUE).await, Some(false));

    assert!(shop.settle(refused(&job, 1), shop.at(1)).await);

    assert_eq!(shop.count("jobs", "kind = 'refresh'").await, 0);
    assert_eq!(shop.claim_one(shop.at(1)).await.job, job.job);
    shop.close().await;
}

#[tokio::test]
async fn a_token_refused_although_it_is_fresh_starts_no_loop_of_refreshes() {
    let (shop, account, refresh) = refreshing().await;
    assert!(shop.settle(refreshed(&refresh, 1), shop.at(5)).await);
    let post = shop.claim_one(shop.at(6)).await;

    assert!(shop.settle(refused(&post, 2), shop.at(7)).await);

    assert_eq!(shop.count("jobs", "kind = 'refresh'").await, 0);
    assert_eq!(shop.ready_ms(account).await, Some(7_000 + 30 * MINUTE_MS));
    shop.close().await;
}

#[tokio::test]
async fn fresh_tokens_do_not_open_what_the_platform_closed() {
    let (shop, account, refresh) = refreshing().await;
    // Another post of the account was still under way, and was told to come back in two hours.
    shop.database
        .execute(&format!(
            "update buckets set blocked_until = '-infinity', ready_at = '{}'",
            shop.at(2)
        ))
        .await;
    let other = claimed(&shop, account, 1, 2).await.remove(0);
    assert!(
        shop.settle(snooze(&other, 120 * MINUTE_MS), shop.at(3))
            .await
    );

    assert!(shop.settle(refreshed(&refresh, 1), shop.at(5)).await);

    assert_eq!(shop.ready_ms(account).await, Some(3_000 + 120 * MINUTE_MS));
    assert_eq!(shop.bucket(account).await["blocked_by"], "rate_limited");
    shop.close().await;
}

/// The refresh commits while the news of the refused token stands in line behind it, with an older snapshot.
#[tokio::test]
async fn a_refusal_that_stood_in_line_behind_the_refresh_knows_the_fresh_token() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let jobs = claimed(&shop, account, 2, 0).await;
    assert!(shop.settle(refused(&jobs[0], 1), shop.at(1)).await);
    let refresh = shop.claim_one(shop.at(1)).await;
    let gate = shop.hold_bucket(account).await;
    tokio::join!(
        async { assert!(shop.settle(refreshed(&refresh, 1), shop.at(5)).await) },
        async {
            shop.wait_blocked(1).await;
            assert!(shop.settle(refused(&jobs[1], 1), shop.at(5)).await);
        },
        async {
            shop.wait_blocked(2).await;
            gate.rollback().await.unwrap();
        }
    );

    assert_eq!(shop.count("jobs", "kind = 'refresh'").await, 0);
    assert_eq!(shop.claim(10, shop.at(6)).await.jobs.len(), 2);
    shop.close().await;
}

#[tokio::test]
async fn an_account_that_needs_its_owner_keeps_scheduled_posts_and_ends_awaited_ones() {
    let (shop, account, refresh) = refreshing().await;
    let awaited = NewPost {
        may_wait: false,
        ..shop.draft(account)
    };
    let awaited = shop.enqueue(awaited, shop.at(2)).await;
    let waiting = shop.enqueue(shop.draft(account), shop.at(2)).await;

    assert!(shop.settle(revoked(&refresh, 1), shop.at(5)).await);

    let row = account_row(&shop, account).await;
    assert_eq!(row["status"], "needs_reauth");
    assert!(
        row["status_reason"]
            .as_str()
            .unwrap()
            .contains("connect again")
    );
    let bucket = shop.bucket(account).await;
    assert_eq!(
        (&bucket["paused"], &bucket["paused_by"]),
        (&json!(true), &json!("account_needs_reauth"))
    );
    assert!(shop.claim(10, shop.at(4_000)).await.jobs.is_empty());
    let overdue = shop
        .store
        .claim_overdue(shop.ask(10, shop.at(6)))
        .await
        .unwrap();
    assert_eq!(overdue.len(), 1, "the caller learns it at once");
    assert_eq!(overdue[0].job, awaited);
    assert!(
        shop.settle(dead_letter(&overdue[0], "account_blocked"), shop.at(6))
            .await
    );
    assert_eq!(shop.job(waiting).await["state"], "queued");
    assert_eq!(shop.count("dead_letters", "kind = 'refresh'").await, 0);
    shop.close().await;
}

#[tokio::test]
async fn refreshes_are_planned_once_for_tokens_that_end_soon() {
    let shop = Shop::open().await;
    let (soon, late, blocked) = (
        shop.account().await,
        shop.account().await,
        shop.account().await,
    );
    for (account, minutes, status) in [
        (soon, 5, "active"),
        (late, 500, "active"),
        (blocked, 5, "needs_reauth"),
    ] {
        let ends = shop.at(60 * minutes);
        shop.database
            .execute(&format!(
                "update accounts set token_expires_at = '{ends}', status = '{status}' where id = '{account}'"
            ))
            .await;
    }
    let plan = async || {
        let (horizon, give_up) = (Duration::from_mins(10), Duration::from_hours(1));
        let now = Some(shop.at(0));
        shop.store
            .plan_refreshes(QUEUE, horizon, give_up, 10, now)
            .await
            .unwrap()
    };

    assert_eq!((plan().await, plan().await), (1, 0));

    let refresh = shop.claim_one(shop.at(0)).await;
    assert_eq!(
        (refresh.kind.as_str(), refresh.subject),
        ("refresh", soon.uuid())
    );
    assert_eq!(plan().await, 0, "it runs");
    assert!(shop.settle(refreshed(&refresh, 1), shop.at(1)).await);
    assert_eq!(
        plan().await,
        0,
        "the platform gave no end, and it was refreshed a moment ago"
    );
    shop.close().await;
}

#[tokio::test]
async fn a_token_that_only_a_person_can_renew_is_left_alone_until_it_has_ended() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let ends = shop.at(60);
    shop.database
        .execute(&format!(
            "update accounts set token_expires_at = '{ends}', token_renewable = false where id = '{account}'"
        ))
        .await;
    let plan = async |at| {
        let (horizon, give_up) = (Duration::from_mins(10), Duration::from_hours(1));
        let planned = shop
            .store
            .plan_refreshes(QUEUE, horizon, give_up, 10, Some(shop.at(at)));
        planned.await.unwrap()
    };
    assert_eq!(plan(59).await, 0);
    assert_eq!(plan(61).await, 1);
    shop.close().await;
}
