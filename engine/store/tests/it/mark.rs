//! The send mark (I4): who may set it, and what it leaves in the row.

use crate::outcomes::{complete, died, receipt, release, retry, verify};
use crate::shop::{Shop, fences};
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{Claimed, Fence, NewPost, Refusal, SetMark};

async fn shop_with_claim() -> (Shop, Claimed) {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let job = shop.claim_one(shop.at(0)).await;
    (shop, job)
}

/// A refused mark changes nothing at all.
async fn assert_unmarked(shop: &Shop, job: &Claimed) {
    let row = shop.job(job.job).await;
    for column in ["sent_claim", "sent_at", "answer_by", "checkpoint", "stage"] {
        assert_eq!(row[column], Value::Null, "{column}");
    }
    let bucket = shop.row("buckets", "marked_job is not null").await;
    assert_eq!(bucket, Value::Null);
}

#[tokio::test]
async fn a_mark_says_which_claim_sends_since_when_and_until_when_an_answer_may_come() {
    let (shop, job) = shop_with_claim().await;

    let marked = shop.mark(&job, shop.at(5)).await.unwrap();

    assert_eq!(marked.sent_at, shop.at(5));
    // The lease ends at 60 s and must outlive the call by 11 s: the request may begin until 49 s.
    assert_eq!(marked.may_begin, Duration::from_secs(44));
    let row = shop.job(job.job).await;
    assert_eq!(row["sent_claim"], 1);
    assert_eq!(row["stage"], "sending");
    let answer_by = format!("id = '{}' and answer_by = '{}'", job.job, shop.at(59));
    assert_eq!(shop.count("jobs", &answer_by).await, 1);
    assert_eq!(shop.store.read_mark(job.fence()).await.unwrap(), Some(true));
    shop.close().await;
}

#[tokio::test]
async fn a_request_may_begin_no_later_than_the_deadline_of_its_post() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let hurried = NewPost {
        give_up_after: Duration::from_secs(20),
        ..shop.draft(account)
    };
    shop.enqueue(hurried, shop.at(0)).await;
    let job = shop.claim_one(shop.at(0)).await;

    let marked = shop.mark(&job, shop.at(5)).await.unwrap();

    assert_eq!(marked.may_begin, Duration::from_secs(15));
    shop.close().await;
}

#[tokio::test]
async fn a_mark_set_twice_by_one_claim_keeps_its_first_instant() {
    let (shop, job) = shop_with_claim().await;
    let first = shop.mark(&job, shop.at(5)).await.unwrap();

    let again = shop.mark(&job, shop.at(7)).await.unwrap();

    assert_eq!(again.sent_at, first.sent_at);
    assert_eq!(again.may_begin, Duration::from_secs(42));
    shop.close().await;
}

#[tokio::test]
async fn a_mark_is_refused_when_the_lease_would_not_outlive_the_call() {
    let (shop, job) = shop_with_claim().await;

    assert_eq!(shop.mark(&job, shop.at(49)).await, Err(Refusal::LeaseLost));

    assert_unmarked(&shop, &job).await;
    assert!(shop.mark(&job, shop.at_ms(48_999)).await.is_ok());
    shop.close().await;
}

#[tokio::test]
async fn a_claim_that_is_no_longer_current_cannot_mark() {
    let (shop, old) = shop_with_claim().await;
    assert!(shop.settle(died(&old, 0), shop.at(61)).await);
    assert_eq!(shop.mark(&old, shop.at(61)).await, Err(Refusal::LeaseLost));
    let heir = shop.claim_one(shop.at(62)).await;

    assert_eq!(shop.mark(&old, shop.at(62)).await, Err(Refusal::LeaseLost));

    assert_unmarked(&shop, &heir).await;
    assert_eq!(shop.store.read_mark(old.fence()).await.unwrap(), None);
    assert_eq!(
        shop.store.read_mark(heir.fence()).await.unwrap(),
        Some(false)
    );
    shop.close().await;
}

#[tokio::test]
async fn nothing_is_sent_past_its_deadline() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let hurried = NewPost {
        give_up_after: Duration::from_secs(20),
        ..shop.draft(account)
    };
    shop.enqueue(hurried, shop.at(0)).await;
    let job = shop.claim_one(shop.at(0)).await;

    assert_eq!(shop.mark(&job, shop.at(20)).await, Err(Refusal::Overdue));

    assert_unmarked(&shop, &job).await;
    shop.close().await;
}

#[tokio::test]
async fn nothing_is_sent_after_an_operator_asked_for_its_end() {
    let (shop, job) = shop_with_claim().await;
    shop.database
        .execute("update jobs set cancel_requested_at = clock_timestamp()")
        .await;

    assert_eq!(shop.mark(&job, shop.at(5)).await, Err(Refusal::Canceled));

    assert_unmarked(&shop, &job).await;
    shop.close().await;
}

#[tokio::test]
async fn nothing_is_sent_again_once_a_late_receipt_is_known() {
    let (shop, zombie) = shop_with_claim().await;
    assert!(shop.settle(died(&zombie, 0), shop.at(61)).await);
    let heir = shop.claim_one(shop.at(62)).await;
    let adopted = shop
        .store
        .keep_receipt(zombie.fence(), zombie.subject.into(), &receipt())
        .await
        .unwrap();
    assert!(!adopted, "the job is live: its next step finds it");

    assert_eq!(shop.mark(&heir, shop.at(63)).await, Err(Refusal::Received));

    assert_unmarked(&shop, &heir).await;
    shop.close().await;
}

#[tokio::test]
async fn exclusive_sends_of_one_bucket_never_overlap() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    for _ in 0..2 {
        let exclusive = NewPost {
            exclusive: true,
            ..shop.draft(account)
        };
        shop.enqueue(exclusive, shop.at(0)).await;
    }
    let jobs = shop.claim(2, shop.at(0)).await.jobs;
    let [first, second] = &jobs[..] else {
        unreachable!("two are due")
    };
    shop.mark(first, shop.at(1)).await.unwrap();
    assert_eq!(shop.mark(second, shop.at(2)).await, Err(Refusal::Busy));

    // An unknown outcome keeps the bucket to itself until somebody knows.
    assert!(shop.settle(verify(first, 0), shop.at(3)).await);
    assert_eq!(shop.mark(second, shop.at(4)).await, Err(Refusal::Busy));
    let look = shop.claim_one(shop.at(5)).await;
    assert!(shop.settle(retry(&look, 0), shop.at(6)).await);

    assert!(shop.mark(second, shop.at(7)).await.is_ok());
    assert_eq!(shop.bucket(account).await["marked_job"], json!(second.job));
    assert!(shop.settle(complete(second), shop.at(8)).await);
    assert_eq!(shop.bucket(account).await["marked_job"], Value::Null);
    shop.close().await;
}

#[tokio::test]
async fn two_concurrent_exclusive_marks_of_one_bucket_end_with_one() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    for round in 0..10 {
        for _ in 0..2 {
            let exclusive = NewPost {
                exclusive: true,
                ..shop.draft(account)
            };
            shop.enqueue(exclusive, shop.at(round)).await;
        }
        let jobs = shop.claim(2, shop.at(round)).await.jobs;
        // Both stand behind the bucket before either may look.
        let gate = shop.hold_bucket(account).await;
        let (first, second, ()) = tokio::join!(
            shop.mark(&jobs[0], shop.at(round)),
            shop.mark(&jobs[1], shop.at(round)),
            async {
                shop.wait_blocked(2).await;
                gate.rollback().await.unwrap();
            }
        );
        assert_eq!(
            u8::from(first.is_ok()) + u8::from(second.is_ok()),
            1,
            "{first:?} {second:?}"
        );
        for job in &jobs {
            assert!(shop.settle(complete(job), shop.at(round)).await);
        }
    }
    shop.close().await;
}

#[tokio::test]
async fn sends_that_are_not_exclusive_overlap_freely() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let jobs = shop.claim(2, shop.at(0)).await.jobs;

    for job in &jobs {
        assert!(shop.mark(job, shop.at(1)).await.is_ok());
    }

    assert_eq!(shop.bucket(account).await["marked_job"], Value::Null);
    shop.close().await;
}

#[tokio::test]
async fn a_job_that_was_put_back_cannot_mark() {
    let (shop, job) = shop_with_claim().await;
    let put_back = shop
        .store
        .release_unstarted(&fences(std::slice::from_ref(&job)))
        .await;
    assert_eq!(put_back.unwrap(), 1);

    assert_eq!(shop.mark(&job, shop.at(1)).await, Err(Refusal::LeaseLost));

    assert_unmarked(&shop, &job).await;
    shop.close().await;
}

#[tokio::test]
async fn a_mark_of_a_job_that_is_not_there_is_a_lost_lease() {
    let (shop, job) = shop_with_claim().await;
    let stranger = Fence {
        job: publisher::id::JobId::new(),
        ..job.fence()
    };
    let ask = SetMark {
        fence: stranger,
        checkpoint: b"x",
        stage: "sending",
        margin: Duration::from_secs(11),
        call: Duration::from_secs(10),
        begin: Duration::from_mins(10),
        now: Some(shop.at(1)),
    };

    let marked = shop.store.set_mark(ask).await.unwrap();

    assert_eq!(marked, Err(Refusal::LeaseLost));
    assert!(shop.settle(release(&job), shop.at(2)).await);
    shop.close().await;
}
