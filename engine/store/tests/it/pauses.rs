//! Pausing and resuming accounts and queues, and what lists say of them.

use crate::outcomes::complete;
use crate::shop::{QUEUE, Shop};
use publisher::id::AccountId;
use store::queue::{Paused, Resumed};
use store::{BucketFilter, BucketRow};

async fn listed(shop: &Shop, account: AccountId) -> BucketRow {
    let filter = BucketFilter {
        account: Some(account),
        ..BucketFilter::default()
    };
    let mut rows = shop.store.list_buckets(&filter, None, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn by(who: &str) -> Paused {
    Paused::Already(Some(who.to_owned()))
}

#[tokio::test]
async fn nothing_of_a_paused_account_is_claimed_until_it_is_resumed() {
    let shop = Shop::open().await;
    let (still, moving) = (shop.account().await, shop.account().await);
    let store = &shop.store;
    assert_eq!(
        store.pause_account(still, "ada").await.unwrap(),
        Paused::Now
    );
    assert_eq!(store.pause_account(still, "bob").await.unwrap(), by("ada"));
    shop.enqueue_many(still, 2, shop.at(0)).await;
    shop.enqueue_many(moving, 1, shop.at(0)).await;
    let row = listed(&shop, still).await;
    assert_eq!((row.state.as_str(), row.queued), ("paused", 2));
    assert_eq!(row.reason.as_deref(), Some("ada"));

    let job = shop.claim_one(shop.at(1)).await;
    assert_eq!(job.bucket.uuid(), moving.uuid());

    assert_eq!(store.resume_account(still).await.unwrap(), Resumed::Now);
    assert_eq!(
        store.resume_account(still).await.unwrap(),
        Resumed::NotPaused
    );
    assert_eq!(shop.claim(10, shop.at(2)).await.jobs.len(), 2);
    assert!(shop.settle(complete(&job), shop.at(3)).await);
    shop.close().await;
}

#[tokio::test]
async fn what_runs_when_an_account_is_paused_ends_and_the_rest_stays() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let job = shop.claim_one(shop.at(0)).await;
    shop.store.pause_account(account, "ada").await.unwrap();
    shop.enqueue_many(account, 1, shop.at(1)).await;
    assert!(shop.settle(complete(&job), shop.at(2)).await);
    assert!(shop.claim(10, shop.at(3)).await.jobs.is_empty());
    let row = listed(&shop, account).await;
    assert_eq!((row.queued, row.running), (1, 0));
    shop.close().await;
}

#[tokio::test]
async fn a_resumed_account_that_needs_its_owner_waits_for_the_reconnection() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    shop.database
        .execute("update accounts set status = 'needs_reauth'")
        .await;
    shop.database
        .execute("update buckets set paused = true, paused_by = 'account_needs_reauth', ready_at = 'infinity' where kind = 'account'")
        .await;
    let store = &shop.store;
    assert_eq!(
        store.resume_account(account).await.unwrap(),
        Resumed::NeedsOwner
    );
    // A person's pause outlives the reconnection.
    assert_eq!(
        store.pause_account(account, "ada").await.unwrap(),
        Paused::Now
    );
    assert_eq!(shop.connect(account, QUEUE).await, Some(false));
    assert!(shop.claim(10, shop.at(1)).await.jobs.is_empty());
    assert_eq!(store.resume_account(account).await.unwrap(), Resumed::Now);
    assert_eq!(shop.claim(10, shop.at(2)).await.jobs.len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn a_paused_queue_gives_nothing_and_its_resumption_forgets_that_our_app_was_blocked() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let store = &shop.store;
    assert_eq!(store.pause_queue(QUEUE, "ada").await.unwrap(), Paused::Now);
    assert_eq!(store.pause_queue(QUEUE, "bob").await.unwrap(), by("ada"));
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let row = listed(&shop, account).await;
    assert_eq!((row.state.as_str(), row.queue_paused), ("paused", true));
    assert!(shop.claim(10, shop.at(1)).await.jobs.is_empty());
    shop.database
        .execute("update queues set blocked_until = 'infinity', blocked_by = 'operator_blocked'")
        .await;

    assert_eq!(store.resume_queue(QUEUE).await.unwrap(), Resumed::Now);

    let queue = shop.row("queues", "true").await;
    assert_eq!(
        (&queue["blocked_until"], queue["blocked_by"].is_null()),
        (&"-infinity".into(), true)
    );
    assert_eq!(store.resume_queue(QUEUE).await.unwrap(), Resumed::NotPaused);
    assert_eq!(shop.claim(10, shop.at(2)).await.jobs.len(), 1);
    shop.close().await;
}

#[tokio::test]
async fn a_platform_that_closed_a_queue_keeps_it_closed_when_a_person_resumes_it() {
    let shop = Shop::open().await;
    shop.store.pause_queue(QUEUE, "ada").await.unwrap();
    shop.database
        .execute("update queues set blocked_until = 'infinity', blocked_by = 'rate_limited'")
        .await;
    assert_eq!(shop.store.resume_queue(QUEUE).await.unwrap(), Resumed::Now);
    let queue = shop.row("queues", "true").await;
    assert_eq!(queue["blocked_until"], "infinity");
    shop.close().await;
}

#[tokio::test]
async fn who_is_not_there_is_neither_paused_nor_resumed() {
    let shop = Shop::open().await;
    let (store, nobody) = (&shop.store, AccountId::new());
    assert_eq!(
        store.pause_account(nobody, "ada").await.unwrap(),
        Paused::Unknown
    );
    assert_eq!(
        store.resume_account(nobody).await.unwrap(),
        Resumed::Unknown
    );
    assert_eq!(
        store.pause_queue("lost", "ada").await.unwrap(),
        Paused::Unknown
    );
    assert_eq!(store.resume_queue("lost").await.unwrap(), Resumed::Unknown);
    shop.close().await;
}

#[tokio::test]
async fn a_list_of_buckets_says_what_each_waits_for() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    assert_eq!(listed(&shop, account).await.state, "ready");
    let set = async |columns: &str| {
        let update = format!("update buckets set {columns} where id = '{account}'");
        shop.database.execute(&update).await;
        let row = listed(&shop, account).await;
        (row.state.clone(), row.reason.clone(), row.until.is_some())
    };
    let limited = set("limited_by = 'daily', ready_at = now() + interval '1 hour'").await;
    assert_eq!(
        limited,
        ("limited".to_owned(), Some("daily".to_owned()), true)
    );
    let blocked = set("blocked_until = now() + interval '1 hour', blocked_by = 'token'").await;
    assert_eq!(
        blocked,
        ("blocked".to_owned(), Some("token".to_owned()), true)
    );
    let other = BucketFilter {
        platform: Some("elsewhere".to_owned()),
        ..BucketFilter::default()
    };
    let rows = shop.store.list_buckets(&other, None, 10).await.unwrap();
    assert!(rows.is_empty());
    shop.database.drop_database().await;
}

#[tokio::test]
async fn a_list_of_workers_says_what_each_holds() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 3, shop.at(0)).await;
    let jobs = shop.claim(2, shop.at(0)).await.jobs;
    assert_eq!(jobs.len(), 2);
    assert!(shop.settle(complete(&jobs[0]), shop.at(1)).await);
    shop.store.stop_worker(shop.worker).await.unwrap();
    let workers = shop.store.list_workers(10).await.unwrap();
    assert_eq!(workers.len(), 1);
    let worker = &workers[0];
    assert_eq!((worker.id, worker.stopping), (shop.worker, true));
    assert_eq!((worker.leases, worker.running), (1, 1));
    shop.close().await;
}
