//! What people do: cancel before it began, send a dead letter again.

use crate::outcomes::{cancel, complete, dead_letter, proceed, release, retry, verify};
use crate::shop::{QUEUE, Shop, window};
use publisher::id::{AccountId, DeadLetterId, PostId};
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{Claimed, NewPost, Redrive, Settlement};

pub(crate) async fn shop_with_claim() -> (Shop, AccountId, Claimed) {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let job = shop.claim_one(shop.at(1)).await;
    (shop, account, job)
}

pub(crate) async fn redrive(shop: &Shop, blind: bool) -> Option<PostId> {
    let open = "select id from dead_letters order by created_at desc limit 1";
    let letter: DeadLetterId = shop.database.ask(open).await?.parse().unwrap();
    let ask = Redrive {
        org: shop.org,
        letter,
        by: "bob".to_owned(),
        blind,
        give_up_after: Duration::from_hours(24),
        scheduled_at: None,
    };
    let requeued = shop.store.redrive(&ask).await.unwrap();
    requeued.map(|requeued| requeued.post)
}

async fn cancel_post(shop: &Shop, post: PostId) -> bool {
    shop.store.cancel_post(shop.org, post).await.unwrap()
}

#[tokio::test]
async fn a_post_that_has_not_begun_is_canceled_once() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let later = NewPost {
        scheduled_at: Some(shop.at(600)),
        ..shop.draft(account)
    };
    let post = later.id;
    let job = shop.enqueue(later, shop.at(0)).await;

    assert!(cancel_post(&shop, post).await);
    assert!(!cancel_post(&shop, post).await);

    assert_eq!(shop.job(job).await, Value::Null);
    assert_eq!(shop.row("posts", "true").await["status"], "canceled");
    assert_eq!(shop.count("events", "type = 'post.canceled'").await, 1);
    assert!(shop.claim(10, shop.at(601)).await.jobs.is_empty());
    shop.close().await;
}

#[tokio::test]
async fn a_post_that_has_begun_is_not_canceled() {
    type After = fn(&Claimed) -> Settlement;
    let cases: [(&str, bool, Option<After>); 4] = [
        ("running", false, None),
        ("with a checkpoint", false, Some(|job| proceed(job, 0))),
        ("with a mark", true, Some(|job| verify(job, 0))),
        ("put back with a mark", true, Some(release)),
    ];
    for (what, marked, after) in cases {
        let (shop, _, job) = shop_with_claim().await;
        if marked {
            shop.mark(&job, shop.at(2)).await.unwrap();
        }
        if let Some(after) = after {
            assert!(shop.settle(after(&job), shop.at(3)).await);
        }

        assert!(!cancel_post(&shop, job.subject.into()).await, "{what}");

        assert_eq!(shop.post_of(&job).await["status"], "queued", "{what}");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_failed_post_that_left_nothing_behind_may_be_canceled() {
    let (shop, _, job) = shop_with_claim().await;
    assert!(shop.settle(retry(&job, 60_000), shop.at(2)).await);

    assert!(cancel_post(&shop, job.subject.into()).await);

    assert_eq!(shop.post_of(&job).await["status"], "canceled");
    shop.close().await;
}

#[tokio::test]
async fn a_post_of_another_organisation_cannot_be_canceled() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let post = shop.draft(account);
    let id = post.id;
    shop.enqueue(post, shop.at(0)).await;

    let stranger = publisher::id::OrgId::new();
    assert!(!shop.store.cancel_post(stranger, id).await.unwrap());

    assert_eq!(shop.count("jobs", "true").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_claim_and_a_cancel_of_one_post_never_both_win() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let mut claimed = 0;
    for round in 0..40 {
        let post = shop.draft(account);
        let id = post.id;
        shop.enqueue(post, shop.at(round)).await;
        let (claims, canceled) =
            tokio::join!(shop.claim(1, shop.at(round)), cancel_post(&shop, id));
        // A claim that met the bucket locked comes a moment later, as its poll would.
        let mut jobs = claims.jobs;
        jobs.extend(shop.claim(1, shop.at(round)).await.jobs);
        assert_eq!(jobs.len() == 1, !canceled, "round {round}");
        for job in jobs {
            claimed += 1;
            assert!(shop.settle(complete(&job), shop.at(round)).await);
        }
    }
    assert_eq!(shop.count("posts", "status = 'published'").await, claimed);
    shop.close().await;
}

#[tokio::test]
async fn a_redriven_letter_keeps_its_checkpoint_and_is_a_new_generation() {
    let (shop, account, job) = shop_with_claim().await;
    shop.mark(&job, shop.at(2)).await.unwrap();
    assert!(shop.settle(dead_letter(&job, "rejected"), shop.at(3)).await);

    assert_eq!(redrive(&shop, false).await, Some(job.subject.into()));
    assert_eq!(redrive(&shop, false).await, None, "it is open no more");

    let again = shop.claim_one(shop.at(4)).await;
    assert_ne!(again.job, job.job);
    assert_eq!((again.generation, again.failures, again.claim), (1, 0, 1));
    assert_eq!(again.checkpoint.as_deref(), Some(&b"checkpoint"[..]));
    assert_eq!(
        (again.stage.as_deref(), again.sent_claim),
        (Some("sending"), None)
    );
    let post = shop.post_of(&job).await;
    assert_eq!(
        (&post["status"], &post["error"]),
        (&json!("queued"), &Value::Null)
    );
    let letter = shop.row("dead_letters", "true").await;
    assert_eq!(
        (&letter["resolved_how"], &letter["resolved_by"]),
        (&json!("redriven"), &json!("bob"))
    );
    assert!(shop.settle(complete(&again), shop.at(5)).await);
    assert_eq!(shop.bucket(account).await["running"], 0);
    shop.close().await;
}

#[tokio::test]
async fn an_ambiguous_letter_looks_before_it_sends_unless_a_person_has_looked() {
    for blind in [false, true] {
        let (shop, _, job) = shop_with_claim().await;
        shop.mark(&job, shop.at(2)).await.unwrap();
        assert!(
            shop.settle(dead_letter(&job, "ambiguous"), shop.at(3))
                .await
        );

        assert!(redrive(&shop, blind).await.is_some());

        let again = shop.claim_one(shop.at(4)).await;
        let expected = (!blind).then_some(0);
        assert_eq!(
            again.sent_claim, expected,
            "claim 0 is nobody's, and unresolved"
        );
        assert_eq!(again.sent_at, (!blind).then(|| shop.at(2)));
        let note = shop.row("dead_letters", "true").await["resolved_note"].clone();
        assert_eq!(note.is_null(), !blind);
        assert!(shop.settle(complete(&again), shop.at(5)).await);
        shop.close().await;
    }
}

#[tokio::test]
async fn an_inherited_mark_is_expired_like_an_unmarked_claim_and_keeps_its_mark() {
    let (shop, _, job) = shop_with_claim().await;
    shop.mark(&job, shop.at(2)).await.unwrap();
    assert!(
        shop.settle(dead_letter(&job, "ambiguous"), shop.at(3))
            .await
    );
    assert!(redrive(&shop, false).await.is_some());
    let look = shop.claim_one(shop.at(4)).await;

    let queues = [QUEUE.to_owned()];
    let over = shop
        .store
        .read_expired(&queues, 10, Duration::ZERO, Some(shop.at(65)));
    let over = over.await.unwrap();

    assert_eq!((over.len(), over[0].sent_claim), (1, Some(0)));
    assert!(shop.settle(release(&look), shop.at(66)).await);
    assert_eq!(shop.job(look.job).await["sent_claim"], 0);
    shop.close().await;
}

#[tokio::test]
async fn two_operators_redrive_one_letter_once() {
    let (shop, _, job) = shop_with_claim().await;
    assert!(
        shop.settle(dead_letter(&job, "exhausted"), shop.at(3))
            .await
    );

    let (one, other) = tokio::join!(redrive(&shop, false), redrive(&shop, false));

    assert_eq!(u8::from(one.is_some()) + u8::from(other.is_some()), 1);
    assert_eq!(shop.count("jobs", "true").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_redriven_letter_waits_for_its_window_like_anybody() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("w", "posts", 1, 1, 60_000)])
        .await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let refused = shop.claim_one(shop.at(1)).await;
    assert!(
        shop.settle(dead_letter(&refused, "rejected"), shop.at(2))
            .await
    );
    shop.enqueue_many(account, 1, shop.at(3)).await;
    let other = shop.claim_one(shop.at(3)).await;
    assert!(shop.settle(complete(&other), shop.at(4)).await);

    assert!(redrive(&shop, false).await.is_some());

    assert!(shop.claim(10, shop.at(63)).await.jobs.is_empty());
    let again = shop.claim_one(shop.at(64)).await;
    assert!(shop.settle(cancel(&again), shop.at(65)).await);
    shop.close().await;
}
