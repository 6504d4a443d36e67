//! Deadlines: what no ordinary claim reaches is reached all the same, and once.

use crate::outcomes::{dead_letter, hold, snooze, verify};
use crate::shop::{QUEUE, Shop, window};
use std::time::Duration;
use store::queue::{Claimed, NewPost};

async fn overdue(shop: &Shop, seconds: i64) -> Vec<Claimed> {
    let ask = shop.ask(100, shop.at(seconds));
    shop.store.claim_overdue(ask).await.unwrap()
}

fn brief(shop: &Shop, account: publisher::id::AccountId) -> NewPost {
    NewPost {
        give_up_after: Duration::from_secs(100),
        ..shop.draft(account)
    }
}

#[tokio::test]
async fn a_job_behind_a_closed_bucket_is_taken_a_minute_after_its_deadline() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let mut jobs = vec![shop.enqueue(brief(&shop, account), shop.at(0)).await];
    let first = shop.claim_one(shop.at(1)).await;
    assert!(shop.settle(snooze(&first, 86_400_000), shop.at(2)).await);
    jobs.push(shop.enqueue(brief(&shop, account), shop.at(0)).await);
    shop.enqueue_many(account, 1, shop.at(0)).await;

    assert!(shop.claim(10, shop.at(161)).await.jobs.is_empty());
    assert!(overdue(&shop, 160).await.is_empty());
    let taken = overdue(&shop, 161).await;

    let mut ids: Vec<_> = taken.iter().map(|job| job.job).collect();
    ids.sort();
    assert_eq!(ids, jobs);
    assert_eq!(shop.bucket(account).await["running"], 2);
    assert!(overdue(&shop, 161).await.is_empty(), "they are leased now");
    for job in &taken {
        assert!(shop.settle(dead_letter(job, "expired"), shop.at(162)).await);
    }
    shop.close().await;
}

#[tokio::test]
async fn a_held_job_is_taken_after_its_deadline_and_is_no_longer_held() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue(brief(&shop, account), shop.at(0)).await;
    let job = shop.claim_one(shop.at(1)).await;
    assert!(shop.settle(hold(&job), shop.at(2)).await);
    assert_eq!(shop.job(job.job).await["run_at"], "infinity");

    let taken = overdue(&shop, 161).await;

    assert_eq!(taken.len(), 1);
    let row = shop.job(job.job).await;
    assert_eq!(
        (row["state"].as_str(), row["hold_reason"].as_str()),
        (Some("running"), None)
    );
    assert!(
        shop.settle(dead_letter(&taken[0], "expired"), shop.at(162))
            .await
    );
    shop.close().await;
}

#[tokio::test]
async fn a_job_parked_behind_its_window_is_taken_after_its_deadline_without_a_charge() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("none", "posts", 0, 1, 60_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue(brief(&shop, account), shop.at(0)).await;
    assert!(shop.claim(10, shop.at(1)).await.jobs.is_empty());

    let taken = overdue(&shop, 161).await;

    assert_eq!(taken.len(), 1);
    assert_eq!(shop.count("charges", "true").await, 0);
    assert!(
        shop.settle(dead_letter(&taken[0], "expired"), shop.at(162))
            .await
    );
    shop.close().await;
}

#[tokio::test]
async fn an_overdue_job_whose_look_is_not_due_yet_waits_for_its_look() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue(brief(&shop, account), shop.at(0)).await;
    let job = shop.claim_one(shop.at(1)).await;
    shop.mark(&job, shop.at(2)).await.unwrap();
    assert!(shop.settle(verify(&job, 300_000), shop.at(3)).await);

    assert!(overdue(&shop, 302).await.is_empty());
    let taken = overdue(&shop, 303).await;

    assert_eq!(taken[0].sent_claim, Some(1));
    shop.close().await;
}

#[tokio::test]
async fn an_overdue_job_of_another_queue_is_left_to_its_own() {
    let shop = Shop::open().await;
    shop.declare("other", &[]).await;
    let account = shop.account_on("other").await;
    shop.enqueue(brief(&shop, account), shop.at(0)).await;

    assert!(overdue(&shop, 500).await.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn two_keepers_never_take_one_overdue_job_twice() {
    let shop = Shop::open().await;
    for _ in 0..6 {
        let account = shop.account().await;
        for _ in 0..5 {
            shop.enqueue(brief(&shop, account), shop.at(0)).await;
        }
    }

    let (mut ours, theirs) = tokio::join!(overdue(&shop, 200), overdue(&shop, 200));

    ours.extend(theirs);
    ours.extend(overdue(&shop, 200).await);
    let mut ids: Vec<_> = ours.iter().map(|job| job.job).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((ours.len(), ids.len()), (30, 30));
    shop.close().await;
}
