//! What the keeper sweeps: charges that no window sees, and accounts whose news met a reconnection.

use crate::outcomes::{complete, hold};
use crate::shop::{QUEUE, Shop, window};
use serde_json::json;
use store::queue::{FreshTokens, NewPost};

#[tokio::test]
async fn charges_are_forgotten_when_the_longest_window_cannot_see_them() {
    let shop = Shop::open().await;
    let limits = [
        window("day", "posts", 100, 1, 86_400_000),
        window("hour", "posts", 100, 1, 3_600_000),
    ];
    shop.declare(QUEUE, &limits).await;
    let account = shop.account().await;
    shop.enqueue_many(account, 3, shop.at(0)).await;
    let jobs = shop.claim(3, shop.at(0)).await.jobs;
    for job in &jobs[..2] {
        assert!(shop.settle(complete(job), shop.at(10)).await);
    }
    let prune = async |seconds: i64| {
        let now = Some(shop.at(seconds));
        shop.store.prune_charges(1, now).await.unwrap()
    };

    assert_eq!(prune(86_400 + 3_600).await, 0);
    let after = 86_400 + 3_600 + 11;
    // A page at a time; the open one is not theirs to forget, however old.
    assert_eq!(
        (prune(after).await, prune(after).await, prune(after).await),
        (1, 1, 0)
    );
    assert_eq!(shop.count("charges", "at is null").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn an_account_that_is_active_again_has_its_bucket_opened_and_its_held_posts_resumed() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let job = shop.claim_one(shop.at(1)).await;
    assert!(shop.settle(hold(&job), shop.at(2)).await);
    // As if the reconnection had not seen what it met.
    shop.database
        .execute("update accounts set status = 'active'")
        .await;
    let queues = [QUEUE.to_owned()];

    let moved = shop
        .store
        .reconcile_accounts(&queues, Some(shop.at(3)))
        .await;
    assert_eq!(moved.unwrap(), 1);
    let again = shop
        .store
        .reconcile_accounts(&queues, Some(shop.at(4)))
        .await;
    assert_eq!(again.unwrap(), 0);

    assert_eq!(shop.claim_one(shop.at(5)).await.job, job.job);
    shop.close().await;
}

#[tokio::test]
async fn a_waiting_caller_of_an_account_that_needs_its_owner_is_hurried_once() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let awaited = NewPost {
        may_wait: false,
        ..shop.draft(account)
    };
    let awaited = shop.enqueue(awaited, shop.at(0)).await;
    shop.enqueue(shop.draft(account), shop.at(0)).await;
    shop.database
        .execute(&format!(
            "update accounts set status = 'needs_reauth', updated_at = '{}'",
            shop.at(1)
        ))
        .await;
    let queues = [QUEUE.to_owned()];

    let moved = shop
        .store
        .reconcile_accounts(&queues, Some(shop.at(2)))
        .await;
    assert_eq!(moved.unwrap(), 1);
    let again = shop
        .store
        .reconcile_accounts(&queues, Some(shop.at(3)))
        .await;
    assert_eq!(again.unwrap(), 0);

    let overdue = shop
        .store
        .claim_overdue(shop.ask(10, shop.at(3)))
        .await
        .unwrap();
    assert_eq!(
        overdue.iter().map(|job| job.job).collect::<Vec<_>>(),
        [awaited]
    );
    shop.close().await;
}

#[tokio::test]
async fn tokens_of_a_lost_refresh_are_kept_unless_newer_ones_are_there() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let profile = serde_json::json!({ "pds": "https://new.example" });
    let replace = async |expected: i32, sealed: &[u8]| {
        shop.store
            .replace_tokens(FreshTokens {
                org: shop.org,
                account,
                expected,
                sealed,
                expires_at: None,
                profile: Some(&profile),
                host: Some("new.example"),
            })
            .await
            .unwrap()
    };

    assert!(replace(1, b"fresh").await);
    assert!(!replace(1, b"stale").await);

    let row = shop.row("accounts", "true").await;
    assert_eq!(
        (&row["token_generation"], &row["sealed_tokens"]),
        (&json!(2), &json!("\\x6672657368"))
    );
    assert_eq!(row["profile_data"], profile);
    assert_eq!(shop.bucket(account).await["host"], "new.example");
    shop.close().await;
}
