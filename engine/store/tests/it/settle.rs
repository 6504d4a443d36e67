//! Settling: every kind, everything it implies, in one commit (I6, I7, I8).

use crate::outcomes::{
    cancel, complete, dead_letter, died_marked, hold, proceed, receipt, release, retry, snooze,
    verify,
};
use crate::shop::{QUEUE, Shop};
use publisher::id::AccountId;
use serde_json::{Value, json};
use store::queue::{Claimed, NewPost, Settlement};

pub(crate) async fn marked_job() -> (Shop, AccountId, Claimed) {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let post = NewPost {
        exclusive: true,
        ..shop.draft(account)
    };
    shop.enqueue(post, shop.at(0)).await;
    let job = shop.claim_one(shop.at(1)).await;
    shop.mark(&job, shop.at(2)).await.unwrap();
    (shop, account, job)
}

async fn attempt(shop: &Shop, job: &Claimed) -> Value {
    let condition = format!("job = '{}' and claim = {}", job.job, job.claim);
    shop.row("attempts", &condition).await
}

async fn is_due_at(shop: &Shop, job: &Claimed, seconds: i64) -> bool {
    let at = shop.at(seconds);
    let condition = format!("id = '{}' and run_at = '{at}'", job.job);
    shop.count("jobs", &condition).await == 1
}

/// The job is back in line, nobody's, and its bucket knows.
async fn assert_back(shop: &Shop, account: AccountId, job: &Claimed) -> Value {
    let row = shop.job(job.job).await;
    assert_eq!(
        (&row["state"], &row["lease"]),
        (&json!("queued"), &Value::Null)
    );
    assert_eq!(row["claim"], job.claim, "the fence stays where it is");
    assert_eq!(shop.bucket(account).await["running"], 0);
    assert_eq!(shop.post_of(job).await["status"], "queued");
    row
}

fn assert_mark_resolved(row: &Value) {
    for column in ["sent_claim", "sent_at", "answer_by"] {
        assert_eq!(row[column], Value::Null, "{column}");
    }
}

#[tokio::test]
async fn complete_ends_the_job_and_publishes_the_post() {
    let (shop, account, job) = marked_job().await;
    let row = Settlement {
        post_warnings: Some(json!([{"code": "alt.dropped"}])),
        ..complete(&job)
    };

    assert!(shop.settle(row, shop.at(3)).await);

    assert_eq!(shop.job(job.job).await, Value::Null);
    let post = shop.post_of(&job).await;
    assert_eq!(post["status"], "published");
    assert_eq!(post["receipt"], receipt());
    assert_eq!(post["warnings"], json!([{"code": "alt.dropped"}]));
    let published = format!("published_at = '{}'", shop.at(3));
    assert_eq!(shop.count("posts", &published).await, 1);
    let attempt = attempt(&shop, &job).await;
    assert_eq!(attempt["outcome"], "published");
    assert_eq!(attempt["settlement"], "complete");
    assert_eq!(attempt["worker"], json!(shop.worker));
    assert_eq!(attempt["subject"], json!(job.subject));
    let event = shop.row("events", "type = 'post.published'").await;
    assert_eq!(event["subject"], json!(job.subject));
    let bucket = shop.bucket(account).await;
    assert_eq!(
        (&bucket["running"], &bucket["marked_job"]),
        (&json!(0), &Value::Null)
    );
    shop.close().await;
}

#[tokio::test]
async fn continue_keeps_the_checkpoint_and_looks_in_later() {
    let (shop, account, job) = marked_job().await;
    let row = Settlement {
        receipt: Some(receipt()),
        ..proceed(&job, 30_000)
    };

    assert!(shop.settle(row, shop.at(3)).await);

    let row = assert_back(&shop, account, &job).await;
    assert_mark_resolved(&row);
    assert_eq!(
        (&row["checkpoint"], &row["stage"]),
        (&json!("\\x010203"), &json!("processing"))
    );
    assert_eq!((&row["receipt"], &row["failures"]), (&receipt(), &json!(0)));
    assert!(is_due_at(&shop, &job, 33).await);
    assert_eq!(shop.ready_ms(account).await, Some(33_000));
    assert_eq!(attempt(&shop, &job).await["outcome"], "progressed");
    assert_eq!(shop.bucket(account).await["marked_job"], Value::Null);
    shop.close().await;
}

#[tokio::test]
async fn retry_counts_a_failure_and_keeps_the_checkpoint_unless_it_is_stale() {
    let (shop, account, job) = marked_job().await;

    assert!(shop.settle(retry(&job, 5_000), shop.at(3)).await);

    let row = assert_back(&shop, account, &job).await;
    assert_mark_resolved(&row);
    assert_eq!(
        (&row["failures"], &row["stage"]),
        (&json!(1), &json!("sending"))
    );
    assert!(is_due_at(&shop, &job, 8).await);
    let noted = attempt(&shop, &job).await;
    assert_eq!(
        (&noted["outcome"], &noted["class"]),
        (&json!("failed"), &json!("transient"))
    );
    assert_eq!(
        (&noted["http_status"], &noted["rule"]),
        (&json!(503), &json!("publish.toys"))
    );
    assert_eq!(noted["platform_response"], json!({"error": "transient"}));
    let again = shop.claim_one(shop.at(8)).await;
    let stale = Settlement {
        drops_checkpoint: true,
        ..retry(&again, 0)
    };
    assert!(shop.settle(stale, shop.at(9)).await);
    let row = shop.job(job.job).await;
    assert_eq!(
        (&row["checkpoint"], &row["stage"], &row["failures"]),
        (&Value::Null, &Value::Null, &json!(2))
    );
    shop.close().await;
}

#[tokio::test]
async fn snooze_closes_the_bucket_for_all_its_jobs_and_counts_nothing() {
    let (shop, account, job) = marked_job().await;
    shop.enqueue_many(account, 3, shop.at(0)).await;

    assert!(shop.settle(snooze(&job, 60_000), shop.at(3)).await);

    let row = assert_back(&shop, account, &job).await;
    assert_mark_resolved(&row);
    assert_eq!(row["failures"], 0);
    let bucket = shop.bucket(account).await;
    assert_eq!(bucket["blocked_by"], "rate_limited");
    assert_eq!(shop.ready_ms(account).await, Some(63_000));
    assert!(shop.claim(10, shop.at(62)).await.jobs.is_empty());
    // New work does not open it either.
    shop.enqueue_many(account, 1, shop.at(4)).await;
    assert_eq!(shop.ready_ms(account).await, Some(63_000));
    assert_eq!(shop.claim(10, shop.at(63)).await.jobs.len(), 5);
    shop.close().await;
}

#[tokio::test]
async fn a_shorter_block_does_not_shorten_a_longer_one() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let jobs = shop.claim(2, shop.at(1)).await.jobs;

    assert!(shop.settle(snooze(&jobs[0], 600_000), shop.at(2)).await);
    assert!(shop.settle(snooze(&jobs[1], 1_000), shop.at(3)).await);

    assert_eq!(shop.ready_ms(account).await, Some(602_000));
    shop.close().await;
}

#[tokio::test]
async fn an_answer_about_the_whole_app_closes_the_queue() {
    let shop = Shop::open().await;
    let (here, there) = (shop.account().await, shop.account().await);
    shop.enqueue_many(here, 2, shop.at(0)).await;
    shop.enqueue_many(there, 1, shop.at(0)).await;
    let jobs = shop.claim(2, shop.at(1)).await.jobs;
    let until = Settlement {
        blocks_ms: None,
        closes_queue_ms: Some(60_000),
        ..snooze(&jobs[0], 0)
    };
    assert!(shop.settle(until, shop.at(2)).await);
    assert!(shop.claim(10, shop.at(61)).await.jobs.is_empty());
    let for_a_person = Settlement {
        blocks_ms: None,
        pauses_queue: true,
        blocked_by: Some("operator_blocked".to_owned()),
        ..snooze(&jobs[1], 0)
    };
    assert!(shop.settle(for_a_person, shop.at(3)).await);

    assert!(shop.claim(10, shop.at(600)).await.jobs.is_empty());
    let queue = shop.row("queues", &format!("name = '{QUEUE}'")).await;
    assert_eq!(
        (&queue["paused"], &queue["paused_by"]),
        (&json!(true), &json!("operator_blocked"))
    );
    shop.close().await;
}

#[tokio::test]
async fn verify_keeps_the_mark_and_counts_a_look() {
    let (shop, account, job) = marked_job().await;

    assert!(shop.settle(verify(&job, 10_000), shop.at(3)).await);

    let row = assert_back(&shop, account, &job).await;
    assert_eq!(
        (&row["sent_claim"], &row["looks"], &row["failures"]),
        (&json!(1), &json!(1), &json!(0))
    );
    assert!(is_due_at(&shop, &job, 13).await);
    assert_eq!(attempt(&shop, &job).await["outcome"], "unknown");
    assert_eq!(shop.bucket(account).await["marked_job"], json!(job.job));
    // A definite answer to a look forgets the looks.
    let look = shop.claim_one(shop.at(13)).await;
    assert_eq!((look.sent_claim, look.looks), (Some(1), 1));
    let absent = Settlement {
        absences: 1,
        outcome: Some("absent"),
        ..retry(&look, 0)
    };
    assert!(shop.settle(absent, shop.at(14)).await);
    let row = shop.job(job.job).await;
    assert_mark_resolved(&row);
    assert_eq!((&row["looks"], &row["absences"]), (&json!(0), &json!(1)));
    assert_eq!(shop.bucket(account).await["marked_job"], Value::Null);
    shop.close().await;
}

#[tokio::test]
async fn hold_waits_for_a_person_and_no_clock_makes_it_claimable() {
    let (shop, account, job) = marked_job().await;
    let row = Settlement {
        account_status: None,
        hold_reason: Some("operator"),
        ..hold(&job)
    };

    assert!(shop.settle(row, shop.at(3)).await);

    let row = shop.job(job.job).await;
    assert_eq!(
        (&row["state"], &row["hold_reason"], &row["run_at"]),
        (&json!("held"), &json!("operator"), &json!("infinity"))
    );
    assert_eq!((&row["failures"], &row["lease"]), (&json!(0), &Value::Null));
    assert_eq!(shop.bucket(account).await["running"], 0);
    assert!(shop.claim(10, shop.at(80_000)).await.jobs.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn release_puts_back_keeps_the_mark_and_writes_no_row() {
    let (shop, account, job) = marked_job().await;

    assert!(shop.settle(release(&job), shop.at(3)).await);

    let row = assert_back(&shop, account, &job).await;
    assert_eq!(
        (&row["sent_claim"], &row["failures"], &row["deaths"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert!(
        is_due_at(&shop, &job, 0).await,
        "its place in line is its old one"
    );
    assert_eq!(shop.count("attempts", "true").await, 0);
    assert_eq!(shop.bucket(account).await["marked_job"], json!(job.job));
    shop.close().await;
}

#[tokio::test]
async fn a_death_counts_as_one_until_a_live_settlement_forgets_it() {
    let (shop, _, job) = marked_job().await;
    assert!(shop.settle(died_marked(&job, 1_000), shop.at(70)).await);
    assert_eq!(shop.job(job.job).await["deaths"], 1);
    let second = shop.claim_one(shop.at(71)).await;
    assert!(shop.settle(release(&second), shop.at(72)).await);
    assert_eq!(
        shop.job(job.job).await["deaths"],
        1,
        "a release proves nothing"
    );

    let third = shop.claim_one(shop.at(72)).await;
    assert!(shop.settle(verify(&third, 0), shop.at(73)).await);

    assert_eq!(shop.job(job.job).await["deaths"], 0);
    shop.close().await;
}

#[tokio::test]
async fn cancel_ends_the_job_and_cancels_the_post() {
    let (shop, account, job) = marked_job().await;

    assert!(shop.settle(cancel(&job), shop.at(3)).await);

    assert_eq!(shop.job(job.job).await, Value::Null);
    assert_eq!(shop.post_of(&job).await["status"], "canceled");
    assert_eq!(attempt(&shop, &job).await["outcome"], "canceled");
    assert_eq!(shop.bucket(account).await["marked_job"], Value::Null);
    shop.close().await;
}

#[tokio::test]
async fn dead_letter_moves_the_job_and_tells_the_post_why() {
    let (shop, account, job) = marked_job().await;
    let row = Settlement {
        failures: 1,
        ..dead_letter(&job, "rejected")
    };

    assert!(shop.settle(row, shop.at(3)).await);

    assert_eq!(shop.job(job.job).await, Value::Null);
    let post = shop.post_of(&job).await;
    assert_eq!(
        (&post["status"], &post["error"]["code"]),
        (&json!("rejected"), &json!("platform_rejected"))
    );
    let letter = shop.row("dead_letters", "resolved_at is null").await;
    assert_eq!(
        (&letter["class"], &letter["job"]),
        (&json!("rejected"), &json!(job.job))
    );
    assert_eq!(
        (&letter["failures"], &letter["claim"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(letter["sent_at"], Value::Null, "the answer was definite");
    assert_eq!(letter["stage"], "sending");
    assert_eq!(attempt(&shop, &job).await["outcome"], "failed");
    assert_eq!(shop.count("events", "type = 'post.failed'").await, 1);
    assert_eq!(shop.bucket(account).await["running"], 0);
    shop.close().await;
}

#[tokio::test]
async fn an_ambiguous_letter_keeps_its_mark() {
    let (shop, _, job) = marked_job().await;

    assert!(
        shop.settle(dead_letter(&job, "ambiguous"), shop.at(3))
            .await
    );

    let sent = format!("class = 'ambiguous' and sent_at = '{}'", shop.at(2));
    assert_eq!(shop.count("dead_letters", &sent).await, 1);
    assert_eq!(shop.post_of(&job).await["status"], "failed");
    shop.close().await;
}
