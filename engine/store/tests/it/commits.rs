//! A batch of settlements is one commit: all of it or nothing, and twice is once (I8).

use crate::outcomes::{
    cancel, complete, dead_letter, hold, proceed, release, retry, snooze, verify,
};
use crate::settle::marked_job;
use crate::shop::{QUEUE, Shop};
use std::time::Duration;
use store::queue::Settlement;

#[tokio::test]
async fn settling_twice_is_recognised_and_changes_nothing() {
    let (shop, _, job) = marked_job().await;
    let row = complete(&job);
    assert!(shop.settle(row.clone(), shop.at(3)).await);
    let before = shop.post_of(&job).await;

    let again = shop.settle_all(&[row], shop.at(4)).await;

    assert_eq!((again.written, again.lost), (vec![job.fence()], vec![]));
    assert_eq!(shop.post_of(&job).await, before);
    assert_eq!(shop.count("events", "type = 'post.published'").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_hundred_settlements_of_nine_kinds_are_one_commit() {
    let shop = Shop::open().await;
    let mut accounts = Vec::new();
    for _ in 0..5 {
        let account = shop.account().await;
        shop.enqueue_many(account, 20, shop.at(0)).await;
        accounts.push(account);
    }
    let jobs = shop.claim(100, shop.at(1)).await.jobs;
    assert_eq!(jobs.len(), 100);
    for job in &jobs {
        shop.mark(job, shop.at(2)).await.unwrap();
    }
    let batch: Vec<Settlement> = jobs
        .iter()
        .enumerate()
        .map(|(n, job)| match n % 10 {
            0 => complete(job),
            1 => proceed(job, 10_000),
            2 => retry(job, 10_000),
            3 => snooze(job, 10_000),
            4 => verify(job, 10_000),
            5 => Settlement {
                account_status: None,
                ..hold(job)
            },
            6 => release(job),
            7 => cancel(job),
            8 => dead_letter(job, "rejected"),
            _ => dead_letter(job, "ambiguous"),
        })
        .collect();

    let settled = shop.settle_all(&batch, shop.at(3)).await;

    assert_eq!((settled.written.len(), settled.lost.len()), (100, 0));
    for (table, condition, rows) in [
        ("jobs", "state = 'queued'", 50),
        ("jobs", "state = 'held'", 10),
        ("jobs", "sent_claim is not null", 20),
        ("posts", "status = 'published'", 10),
        ("posts", "status = 'canceled'", 10),
        ("posts", "status = 'rejected'", 10),
        ("posts", "status = 'failed'", 10),
        ("dead_letters", "true", 20),
        ("attempts", "true", 90),
        ("buckets", "running <> 0", 0),
    ] {
        assert_eq!(
            shop.count(table, condition).await,
            rows,
            "{table}: {condition}"
        );
    }
    shop.close().await;
}

#[tokio::test]
async fn a_batch_in_which_one_row_is_refused_changes_nothing_at_all() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let jobs = shop.claim(2, shop.at(1)).await.jobs;
    let bad = Settlement {
        outcome: Some("no such outcome"),
        ..complete(&jobs[1])
    };

    let refused = shop
        .store
        .settle(&[complete(&jobs[0]), bad], Some(shop.at(2)))
        .await;

    assert!(refused.is_err());
    assert_eq!(shop.count("jobs", "state = 'running'").await, 2);
    assert_eq!(shop.count("posts", "status = 'queued'").await, 2);
    assert_eq!(shop.count("attempts", "true").await, 0);
    shop.close().await;
}

#[tokio::test]
async fn a_closed_host_closes_its_accounts_and_no_others() {
    let shop = Shop::open().await;
    let (here, there) = (shop.account().await, shop.account().await);
    shop.database
        .execute(&format!(
            "update buckets set host = 'other.example' where id = '{there}'"
        ))
        .await;
    shop.enqueue_many(here, 1, shop.at(0)).await;
    shop.enqueue_many(there, 1, shop.at(0)).await;

    let long = Duration::from_hours(3);
    shop.store
        .close_host(QUEUE, "toys.example", long, "rate_limited")
        .await
        .unwrap();

    let open = shop.claim(10, shop.at(1)).await.jobs;
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].bucket.uuid(), there.uuid());
    assert_eq!(shop.claim(10, shop.at(4 * 3600)).await.jobs.len(), 1);
    shop.close().await;
}
