//! Reconnections: what was held goes on, what a person paused does not, and what meets them in line is not forgotten.

use crate::outcomes::hold;
use crate::shop::{QUEUE, Shop};
use publisher::id::AccountId;
use serde_json::{Value, json};
use store::queue::{Claimed, NewPost};

async fn claimed(shop: &Shop, account: AccountId, count: i16, second: i64) -> Vec<Claimed> {
    shop.enqueue_many(account, count, shop.at(second)).await;
    shop.claim(100, shop.at(second)).await.jobs
}

async fn account_row(shop: &Shop, account: AccountId) -> Value {
    shop.row("accounts", &format!("id = '{account}'")).await
}

#[tokio::test]
async fn a_reconnection_resumes_what_was_held_and_what_waited() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = claimed(&shop, account, 1, 0).await.remove(0);
    let waiting = shop.enqueue(shop.draft(account), shop.at(1)).await;
    assert!(shop.settle(hold(&job), shop.at(2)).await);
    assert_eq!(shop.job(job.job).await["state"], "held");
    assert!(shop.claim(10, shop.at(3)).await.jobs.is_empty());

    assert_eq!(shop.connect(account, QUEUE).await, Some(false));

    let row = account_row(&shop, account).await;
    assert_eq!(
        (&row["status"], &row["status_reason"]),
        (&json!("active"), &Value::Null)
    );
    assert_eq!(row["token_generation"], 2);
    let mut resumed: Vec<_> = shop
        .claim(10, shop.at(4))
        .await
        .jobs
        .iter()
        .map(|job| job.job)
        .collect();
    resumed.sort();
    assert_eq!(resumed, [job.job, waiting]);
    shop.close().await;
}

/// The job becomes held while the reconnection stands in line behind that settlement.
#[tokio::test]
async fn a_reconnection_resumes_also_what_was_held_a_moment_ago() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = claimed(&shop, account, 1, 0).await.remove(0);
    let gate = shop.hold_bucket(account).await;
    tokio::join!(
        async { assert!(shop.settle(hold(&job), shop.at(2)).await) },
        async {
            shop.wait_blocked(1).await;
            assert_eq!(shop.connect(account, QUEUE).await, Some(false));
        },
        async {
            shop.wait_blocked(2).await;
            gate.rollback().await.unwrap();
        }
    );

    assert_eq!(account_row(&shop, account).await["status"], "active");
    assert_eq!(shop.claim_one(shop.at(3)).await.job, job.job);
    shop.close().await;
}

/// The account needs its owner from the moment on in which the acceptance gets its turn.
#[tokio::test]
async fn an_awaited_post_accepted_behind_the_bad_news_is_overdue_at_once() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = claimed(&shop, account, 1, 0).await.remove(0);
    let gate = shop.hold_bucket(account).await;
    let awaited = NewPost {
        may_wait: false,
        ..shop.draft(account)
    };
    let id = awaited.job;
    tokio::join!(
        async { assert!(shop.settle(hold(&job), shop.at(2)).await) },
        async {
            shop.wait_blocked(1).await;
            shop.enqueue(awaited, shop.at(2)).await;
        },
        async {
            shop.wait_blocked(2).await;
            gate.rollback().await.unwrap();
        }
    );

    let overdue = shop
        .store
        .claim_overdue(shop.ask(10, shop.at(3)))
        .await
        .unwrap();
    assert_eq!(overdue.iter().map(|job| job.job).collect::<Vec<_>>(), [id]);
    shop.close().await;
}

#[tokio::test]
async fn a_reconnection_leaves_what_a_person_paused() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    shop.database
        .execute("update buckets set paused = true, paused_by = 'bob', ready_at = 'infinity'")
        .await;

    assert_eq!(shop.connect(account, QUEUE).await, Some(false));

    let bucket = shop.bucket(account).await;
    assert_eq!(
        (&bucket["paused"], &bucket["paused_by"]),
        (&json!(true), &json!("bob"))
    );
    assert!(shop.claim(10, shop.at(1)).await.jobs.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn two_connections_of_one_identity_end_as_one_account() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let found = shop
        .store
        .find_identity(shop.org, QUEUE, &account.to_string())
        .await;
    assert_eq!(found.unwrap(), Some(account));

    let (again, twin) = tokio::join!(shop.connect(account, QUEUE), shop.connect(account, QUEUE));

    assert_eq!((again, twin), (Some(false), Some(false)));
    assert_eq!(account_row(&shop, account).await["token_generation"], 3);
    assert_eq!(shop.count("buckets", "true").await, 2);
    shop.close().await;
}
