//! What each definite answer of a platform becomes, on every toy.

use crate::ledger::irreversible;
use crate::shop::{Shop, toy_times};
use crate::state::until;
use publisher::fake::{FakeServer, Fault};
use publisher::toys::{PLATFORMS, ToyTimes};
use serde_json::json;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_content_is_rejected_at_once_and_lands_in_the_dead_letters_with_its_rule() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    for platform in PLATFORMS {
        let account = shop.account(platform, "ada").await;
        let text = format!("this is forbidden! on {platform}");
        let post = shop.result(shop.accept(&account, &text).await).await;
        assert_eq!(post.shown, "rejected", "{post:?}");
        let error = post.error.unwrap();
        assert_eq!(error["code"], "platform_rejected");
        assert_eq!(error["rule"], format!("{platform}.text.forbidden"));
        assert_eq!(error["platform"], platform);
        assert_eq!(error["remediation"], "Change the text.");
        let letter = shop.letter(post.id).await;
        assert_eq!((letter.class.as_str(), letter.failures), ("rejected", 0));
        assert_eq!(letter.resolved_at, None);
        assert_eq!(letter.sent_at, None, "a definite refusal resolves the mark");
        assert_eq!(shop.outcomes(post.id).await.last().unwrap(), "failed");
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_cannot_be_reached_is_tried_again_after_a_backoff() {
    let mut shop = Shop::open().await;
    let mut batches = vec![];
    let addr = shop.fake.addr();
    for platform in PLATFORMS {
        let account = shop.account(platform, "ada").await;
        batches.push((
            shop.accept(&account, &format!("soon on {platform}")).await,
            platform,
        ));
    }
    let away = std::mem::replace(
        &mut shop.fake,
        FakeServer::start(shop.platform.clone(), None)
            .await
            .unwrap(),
    );
    away.stop().await;
    let worker = shop.worker();
    for (batch, platform) in &batches {
        let attempt = shop.attempted(*batch, 1).await;
        assert_eq!(attempt.class.as_deref(), Some("transient"), "{attempt:?}");
        assert_eq!(attempt.settlement, "retry");
        let post = shop.post(*batch).await.id;
        let waits = format!("extract(epoch from run_at - '{}')", attempt.ended_at);
        let waits: f64 = shop.job(post, &waits).await.unwrap().parse().unwrap();
        assert!((2.5..=5.0).contains(&waits), "{platform}: {waits}");
        assert_eq!(shop.job(post, "failures").await.as_deref(), Some("1"));
        assert_eq!(shop.job(post, "sent_claim").await, None, "nothing was sent");
    }
    shop.fake = FakeServer::start(shop.platform.clone(), Some(addr))
        .await
        .unwrap();
    for (batch, _) in batches {
        let post = shop.result_in_time(batch, 5 * SECOND).await;
        assert_eq!(
            post.shown,
            "published",
            "{:?}",
            shop.attempts(post.id).await
        );
        let outcomes = shop.outcomes(post.id).await;
        assert_eq!(outcomes.first().unwrap(), "failed");
        assert_eq!(outcomes.last().unwrap(), "published");
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_stays_down_exhausts_the_failures_and_a_redrive_begins_anew() {
    let shop = Shop::open().await;
    let account = shop.account("toy_steps", "ada").await;
    let unavailable = Fault::Status {
        status: 503,
        body: json!({"error": "down"}),
        headers: vec![],
    };
    let route = "POST /toy_steps/ada/containers";
    shop.fake.faults().arm(route, unavailable, 8);
    let worker = shop.worker();
    let batch = shop.accept(&account, "never").await;
    for failures in 1..8 {
        shop.attempted(batch, failures).await;
        shop.pass(Duration::from_secs(5 << (failures - 1))).await;
    }
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    let error = post.error.clone().unwrap();
    assert_eq!(error["code"], "platform_unavailable");
    assert_eq!(error["rule"], "publish.exhausted");
    assert_eq!(error["platformResponse"]["error"], "down");
    let letter = shop.letter(post.id).await;
    assert_eq!((letter.class.as_str(), letter.failures), ("exhausted", 8));
    assert_eq!(shop.attempts(post.id).await.len(), 8);
    assert_eq!(
        shop.fake.faults().left(),
        0,
        "eight tries, not one more or less"
    );

    let redriven = redrive(&shop, post.id, false).await;
    assert!(!redriven.looks_first, "nothing was ever sent");
    assert_eq!(shop.result(batch).await.shown, "published");
    worker.drain().await;
    shop.close().await;
}

pub(crate) async fn redrive(
    shop: &Shop,
    post: publisher::id::PostId,
    blind: bool,
) -> engine::Redriven {
    try_redrive(shop, post, blind).await.unwrap()
}

pub(crate) async fn try_redrive(
    shop: &Shop,
    post: publisher::id::PostId,
    blind: bool,
) -> Result<engine::Redriven, engine::RedriveError> {
    let console = engine::Console::new(shop.store.clone());
    let request = engine::RedriveRequest {
        letter: post.uuid(),
        org: Some(shop.org),
        by: "test".to_owned(),
        blind,
    };
    console.redrive(shop.client.registry(), request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_closes_its_account_and_no_sibling_is_sent_to_find_out() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    for platform in PLATFORMS {
        let ada = shop.account(platform, "ada").await;
        let bob = shop.account(platform, "bob").await;
        let limited = Fault::Status {
            status: 429,
            body: json!({"error": "slow down"}),
            headers: vec![("retry-after".to_owned(), "300".to_owned())],
        };
        shop.arm(platform, "ada", limited, 1);
        let first = shop.accept(&ada, &format!("first on {platform}")).await;
        let attempt = shop.attempted(first, 1).await;
        assert_eq!(
            (attempt.class.as_deref(), attempt.settlement.as_str()),
            (Some("rate_limited"), "snooze")
        );
        let siblings = [
            shop.accept(&ada, &format!("second on {platform}")).await,
            shop.accept(&ada, &format!("third on {platform}")).await,
        ];
        // The other account proves that the queue was looked at again meanwhile.
        let other = shop.accept(&bob, &format!("bob's on {platform}")).await;
        assert_eq!(shop.result(other).await.shown, "published");
        for batch in siblings.iter().chain([&first]) {
            let post = shop.post(*batch).await;
            let now = shop.now().await;
            // Two steps: the first one has begun, so it is `publishing` and has no `waiting`.
            if *batch == first && platform == "toy_steps" {
                assert_eq!(post.shown, "publishing");
            } else if *batch != first || post.shown == "queued" {
                assert_eq!(
                    post.waiting_reason.as_deref(),
                    Some("platform_backoff"),
                    "{post:?}"
                );
                let left = post.waiting_until.unwrap() - now;
                assert!((200..=300).contains(&left.num_seconds()), "{left}");
            }
            assert_eq!(shop.job(post.id, "failures").await.as_deref(), Some("0"));
            if *batch != first {
                assert_eq!(shop.job(post.id, "claim").await.as_deref(), Some("0"));
                assert_eq!(shop.sent(&post.text), (0, 0));
            }
        }
        shop.pass(300 * SECOND).await;
        for batch in siblings.iter().chain([&first]) {
            assert_eq!(shop.result(*batch).await.shown, "published");
        }
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_past_its_deadline_expires_unsent() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_blind", "ada").await;
    let limited = Fault::Status {
        status: 429,
        body: json!({}),
        headers: vec![("retry-after".to_owned(), "7200".to_owned())],
    };
    shop.arm("toy_blind", "ada", limited, 1);
    let batch = shop.accept(&account, "too late").await;
    shop.attempted(batch, 1).await;
    // The deadline of an immediate post, and the minute that the keeper leaves to an ordinary claim.
    shop.pass(Duration::from_mins(62)).await;
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    assert_eq!(post.error.unwrap()["rule"], "publish.expired");
    assert_eq!(shop.letter(post.id).await.class, "expired");
    assert_eq!(shop.sent("too late"), (1, 0));
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_expired_is_begun_again_once() {
    let shop = Shop::open_with(ToyTimes {
        container_takes: Duration::from_mins(10),
        container_lives: Duration::from_mins(20),
        ..toy_times()
    })
    .await;
    let worker = shop.worker();
    let account = shop.account("toy_steps", "ada").await;
    let batch = shop.accept(&account, "in two steps").await;
    let post = shop.post(batch).await.id;
    until("a container", async || shop.job(post, "checkpoint").await).await;
    shop.fake.clock().advance(Duration::from_mins(25));
    let attempt = shop.attempted(batch, 1).await;
    assert_eq!(attempt.class.as_deref(), Some("stale"), "{attempt:?}");
    assert_eq!(attempt.settlement, "retry");
    until("a second container", async || {
        shop.job(post, "checkpoint").await
    })
    .await;
    shop.fake.clock().advance(Duration::from_mins(11));
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "published", "{post:?}");
    assert_eq!(shop.sent("in two steps"), (1, 1));
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_that_expired_behind_an_unanswered_publish_is_looked_at_before_it_is_begun_again()
 {
    let shop = Shop::open_with(ToyTimes {
        container_lives: Duration::from_mins(20),
        ..toy_times()
    })
    .await;
    let worker = shop.worker();
    let account = shop.account("toy_steps", "ada").await;
    shop.fake
        .faults()
        .arm(&irreversible("toy_steps", "ada"), Fault::CutBefore, 1);
    let batch = shop.accept(&account, "lost in the middle").await;
    shop.attempted(batch, 1).await;
    shop.pass(Duration::from_mins(25)).await;
    let post = shop.result_in_time(batch, 5 * SECOND).await;
    assert_eq!(post.shown, "published", "{post:?}");
    let outcomes = shop.outcomes(post.id).await;
    assert_eq!(outcomes, ["unknown", "absent", "failed", "published"]);
    assert_eq!(shop.sent("lost in the middle"), (2, 1));
    worker.drain().await;
    shop.close().await;
}
