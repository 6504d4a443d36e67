//! Disconnections: what lives of an account ends as honestly as it can be known, and nothing of its platform is kept anywhere.

use crate::forgetting::{PLATFORM, dump, known_account};
use crate::outcomes::{complete, dead_letter, hold, refreshed, release, revoked, verify};
use crate::shop::{QUEUE, Shop, slots};
use publisher::Warning;
use publisher::id::{AccountId, ApiKeyId, DeadLetterId, PostId};
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{Accepted, Claimed, FreshTokens, Redrive, Refusal, Requeue};
use store::{Disconnect, Ended, LastWords};

pub(crate) fn words() -> LastWords {
    let warning = |message: &str| Warning {
        code: "account.disconnected".to_owned(),
        message: message.to_owned(),
    };
    LastWords {
        code: "account.disconnected".to_owned(),
        message: "its account was disconnected".to_owned(),
        forgotten: "deleted".to_owned(),
        canceled: warning("canceled"),
        cut: warning("cut"),
        error: json!({"code": "platform_unavailable", "rule": "publish.outcome_unknown"}),
        failure: json!({"class": "ambiguous", "rule": "publish.outcome_unknown"}),
        fingerprint: ":ambiguous:account.disconnected".to_owned(),
    }
}

/// Disconnects as an operator does.
pub(crate) async fn disconnect(shop: &Shop, account: AccountId, seconds: i64) -> Disconnect {
    let now = Some(shop.at(seconds));
    shop.store
        .disconnect_account(shop.org, account, None, &words(), now)
        .await
        .unwrap()
}

pub(crate) fn ended(canceled: i64, unresolved: i64, published: i64) -> Disconnect {
    Disconnect::Done(Ended {
        canceled,
        unresolved,
        published,
    })
}

async fn due(shop: &Shop, account: AccountId, second: i64) -> Claimed {
    shop.enqueue(shop.draft(account), shop.at(second)).await;
    shop.claim_one(shop.at(second)).await
}

#[tokio::test]
async fn a_claim_under_way_sends_nothing_more() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = due(&shop, account, 0).await;

    assert_eq!(disconnect(&shop, account, 1).await, ended(1, 0, 0));

    let marked = shop.mark(&job, shop.at(1)).await;
    assert_eq!(marked.map(drop), Err(Refusal::LeaseLost));
    for settlement in [complete(&job), hold(&job), release(&job), verify(&job, 0)] {
        assert!(!shop.settle(settlement, shop.at(2)).await);
    }
    let post = shop.post_of(&job).await;
    assert_eq!(
        (&post["status"], &post["receipt"]),
        (&json!("canceled"), &Value::Null)
    );
    assert_eq!(post["warnings"][0]["code"], "account.disconnected");
    let attempt = shop.row("attempts", "true").await;
    assert_eq!(
        (
            &attempt["outcome"],
            &attempt["settlement"],
            &attempt["claim"]
        ),
        (&json!("canceled"), &json!("cancel"), &json!(1))
    );
    shop.close().await;
}

#[tokio::test]
async fn what_was_marked_is_a_letter_and_a_late_receipt_publishes_it_without_its_address() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = due(&shop, account, 0).await;
    shop.mark(&job, shop.at(0)).await.unwrap();

    assert_eq!(disconnect(&shop, account, 1).await, ended(0, 1, 0));

    let letter = shop.row("dead_letters", "true").await;
    assert_eq!(
        (
            &letter["class"],
            &letter["checkpoint"],
            &letter["fingerprint"]
        ),
        (
            &json!("ambiguous"),
            &Value::Null,
            &json!("toys:ambiguous:account.disconnected")
        )
    );
    assert!(!letter["sent_at"].is_null() && !letter["answer_by"].is_null());
    assert_eq!(
        shop.post_of(&job).await["error"]["rule"],
        "publish.outcome_unknown"
    );

    let receipt = json!({"uri": "at://did:zqplatform:ada/1", "cid": "zqplatform"});
    let kept = shop
        .store
        .keep_receipt(job.fence(), PostId(job.subject), &receipt);
    assert!(kept.await.unwrap(), "the letter is resolved");

    let post = shop.post_of(&job).await;
    assert_eq!(
        (&post["status"], &post["receipt"]),
        (&json!("published"), &json!({}))
    );
    assert_eq!(shop.row("receipts", "true").await["receipt"], json!({}));
    assert!(!dump(&shop).await.contains(PLATFORM));
    shop.close().await;
}

#[tokio::test]
async fn what_a_late_receipt_had_proved_is_published() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let zombie = due(&shop, account, 0).await;
    shop.mark(&zombie, shop.at(0)).await.unwrap();
    assert!(shop.settle(verify(&zombie, 0), shop.at(1)).await);
    let receipt = json!({"uri": "at://did:zqplatform:ada/1"});
    let kept = shop
        .store
        .keep_receipt(zombie.fence(), PostId(zombie.subject), &receipt);
    assert!(!kept.await.unwrap(), "its job lives");

    assert_eq!(disconnect(&shop, account, 2).await, ended(0, 0, 1));

    let post = shop.post_of(&zombie).await;
    assert_eq!(
        (&post["status"], &post["warnings"]),
        (&json!("published"), &json!([]))
    );
    assert!(!dump(&shop).await.contains(PLATFORM));
    shop.close().await;
}

#[tokio::test]
async fn held_posts_and_those_of_a_paused_account_are_canceled_too() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = due(&shop, account, 0).await;
    assert!(shop.settle(hold(&job), shop.at(1)).await);
    shop.enqueue(shop.draft(account), shop.at(2)).await;

    assert_eq!(disconnect(&shop, account, 3).await, ended(2, 0, 0));

    assert_eq!(shop.count("posts", "status = 'canceled'").await, 2);
    assert_eq!(shop.count("jobs", "true").await, 0);
    shop.close().await;
}

#[tokio::test]
async fn a_refresh_that_comes_back_stores_no_token() {
    let shop = Shop::open().await;
    let account = known_account(&shop).await;
    let hour = Duration::from_hours(1);
    let planned = shop
        .store
        .plan_refreshes(QUEUE, hour, hour, 10, Some(shop.at(0)))
        .await;
    assert_eq!(planned.unwrap(), 1);
    let refresh = shop.claim_one(shop.at(1)).await;

    assert_eq!(disconnect(&shop, account, 2).await, ended(0, 0, 0));

    assert!(!shop.settle(refreshed(&refresh, 1), shop.at(3)).await);
    assert!(!shop.settle(revoked(&refresh, 1), shop.at(3)).await);
    let rescued = shop
        .store
        .replace_tokens(FreshTokens {
            org: shop.org,
            account,
            expected: 1,
            sealed: b"fresh",
            expires_at: None,
            profile: None,
            host: None,
        })
        .await;
    assert!(!rescued.unwrap());
    let planned = shop
        .store
        .plan_refreshes(QUEUE, hour, hour, 10, Some(shop.at(4)))
        .await;
    assert_eq!(planned.unwrap(), 0);
    assert_eq!(shop.count("accounts", "true").await, 0);
    shop.close().await;
}

#[tokio::test]
async fn what_is_gone_is_gone_and_connected_again_it_is_another_account() {
    let shop = Shop::open().await;
    let first = shop.account().await;
    let name = first.to_string();
    let job = due(&shop, first, 0).await;
    assert!(
        shop.settle(dead_letter(&job, "exhausted"), shop.at(1))
            .await
    );
    assert_eq!(disconnect(&shop, first, 2).await, ended(0, 0, 0));

    assert_eq!(disconnect(&shop, first, 3).await, Disconnect::Gone);
    assert_eq!(
        disconnect(&shop, AccountId::new(), 3).await,
        Disconnect::Gone
    );
    // Found before, gone now: the id never comes back.
    assert!(!shop.connect_as(first, true, QUEUE, &name).await);
    assert_eq!(shop.count("accounts", "true").await, 0);

    let second = AccountId::new();
    assert!(shop.connect_as(second, false, QUEUE, &name).await);
    assert_eq!(
        shop.count("buckets", &format!("subject = '{second}'"))
            .await,
        2
    );
    let shown = shop
        .store
        .get_post(shop.org, PostId(job.subject), None)
        .await;
    let shown = shown.unwrap().unwrap();
    assert_eq!((shown.account, shown.platform_account_id), (first, None));
    let fresh = due(&shop, second, 4).await;
    assert!(shop.settle(complete(&fresh), shop.at(5)).await);
    shop.close().await;
}

#[tokio::test]
async fn nothing_of_a_disconnected_account_is_sent_again() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = due(&shop, account, 0).await;
    let end = dead_letter(&job, "exhausted");
    let letter = end.letter.unwrap();
    assert!(shop.settle(end, shop.at(1)).await);
    let waiting = shop.draft(account);
    let canceled = waiting.id;
    shop.enqueue(waiting, shop.at(1)).await;
    assert_eq!(disconnect(&shop, account, 2).await, ended(1, 0, 0));

    let redrive = Redrive {
        org: shop.org,
        letter: DeadLetterId(letter.uuid()),
        by: "bob".to_owned(),
        blind: true,
        give_up_after: Duration::from_hours(1),
        scheduled_at: None,
    };
    assert!(shop.store.redrive(&redrive).await.unwrap().is_none());
    let requeue = Requeue {
        org: shop.org,
        post: canceled,
        scheduled_at: None,
        exclusive: false,
        parts: 1,
        give_up_after: Duration::from_hours(1),
    };
    let requeued = shop
        .store
        .requeue_canceled(&requeue, Some(shop.at(3)))
        .await;
    assert!(requeued.unwrap().is_none());
    let posts = [shop.draft(account)];
    assert_eq!(
        shop.accept(&posts, None, shop.at(3)).await,
        Accepted::AccountGone
    );
    let discarded = shop
        .store
        .discard_letter(shop.org, letter, "bob", "gone")
        .await;
    assert!(discarded.unwrap(), "its letter can be closed");
    shop.close().await;
}

#[tokio::test]
async fn a_revoked_key_disconnects_nothing() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = due(&shop, account, 0).await;
    let (key, now) = (Some(ApiKeyId::new()), Some(shop.at(1)));
    let refused = shop
        .store
        .disconnect_account(shop.org, account, key, &words(), now)
        .await;
    assert_eq!(refused.unwrap(), Disconnect::KeyRevoked);
    assert!(shop.settle(complete(&job), shop.at(2)).await);
    assert_eq!(shop.count("accounts", "sealed_tokens is not null").await, 1);
    shop.close().await;
}

/// The bounds of a platform are not an account's: they stay.
#[tokio::test]
async fn the_platforms_limits_stay() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[slots(3)]).await;
    let account = shop.account().await;
    disconnect(&shop, account, 1).await;
    assert_eq!(shop.count("limits", "queue = 'toys'").await, 1);
    assert_eq!(shop.count("queues", "name = 'toys'").await, 1);
    shop.close().await;
}
