//! Disconnections that meet whoever writes what an account is about, in both orders and by force: nothing comes back.

use crate::disconnect::disconnect;
use crate::outcomes::{dead_letter, refreshed};
use crate::shop::{QUEUE, Shop};
use publisher::id::{AccountId, DeadLetterId, PostId};
use serde_json::json;
use std::pin::Pin;
use std::time::Duration;
use store::Disconnect;
use store::queue::{Accepted, Claimed, NewPost, Redrive, Refusal};

/// Runs both with the second standing in line behind the first, which stands behind the account's lock.
fn in_line<'a, A: 'a, B: 'a>(
    shop: &'a Shop,
    account: AccountId,
    first: impl Future<Output = A> + 'a,
    second: impl Future<Output = B> + 'a,
) -> Pin<Box<dyn Future<Output = (A, B)> + 'a>> {
    Box::pin(async move {
        let gate = shop.hold_bucket(account).await;
        let (first, second, ()) = tokio::join!(
            first,
            async {
                shop.wait_blocked(1).await;
                second.await
            },
            async {
                shop.wait_blocked(2).await;
                gate.rollback().await.unwrap();
            }
        );
        (first, second)
    })
}

async fn running(shop: &Shop, account: AccountId) -> Claimed {
    shop.enqueue(shop.draft(account), shop.at(0)).await;
    shop.claim_one(shop.at(0)).await
}

fn is_done(end: Disconnect) -> bool {
    matches!(end, Disconnect::Done(_))
}

#[tokio::test]
async fn an_acceptance_that_meets_a_disconnection_is_canceled_or_refused() {
    let shop = Shop::open().await;
    for accepts_first in [true, false] {
        let account = shop.account().await;
        let post = shop.draft(account);
        let posts = [post];
        let accept = shop.accept(&posts, None, shop.at(0));
        let (end, accepted) = if accepts_first {
            let (accepted, end) =
                in_line(&shop, account, accept, disconnect(&shop, account, 1)).await;
            (end, accepted)
        } else {
            in_line(&shop, account, disconnect(&shop, account, 1), accept).await
        };
        assert!(is_done(end));
        if accepts_first {
            assert!(matches!(accepted, Accepted::New { .. }));
        } else {
            assert_eq!(accepted, Accepted::AccountGone);
        }
        let post = shop.row("posts", &format!("account = '{account}'")).await;
        assert_eq!(post.is_null(), !accepts_first);
        assert_eq!(shop.count("jobs", "true").await, 0);
    }
    shop.close().await;
}

#[tokio::test]
async fn a_connection_that_meets_a_disconnection_is_undone_or_begins_anew() {
    let shop = Shop::open().await;
    for connects_first in [true, false] {
        let account = shop.account().await;
        let name = account.to_string();
        let connect = shop.connect_as(account, true, QUEUE, &name);
        let (end, connected) = if connects_first {
            let (connected, end) =
                in_line(&shop, account, connect, disconnect(&shop, account, 1)).await;
            (end, connected)
        } else {
            in_line(&shop, account, disconnect(&shop, account, 1), connect).await
        };
        assert!(is_done(end));
        assert_eq!(connected, connects_first);
        let id = format!("id = '{account}'");
        assert_eq!(
            shop.count("accounts", &id).await,
            0,
            "the id never comes back"
        );
        let found = shop.store.find_identity(shop.org, QUEUE, &name).await;
        assert_eq!(found.unwrap(), None);
        assert!(shop.connect_as(AccountId::new(), false, QUEUE, &name).await);
    }
    assert_eq!(
        shop.count(
            "buckets",
            "not exists (select from accounts a where a.id = subject)"
        )
        .await,
        0
    );
    shop.close().await;
}

/// A twin that has not seen the first connection: it stands in line for the very name that is being given up.
#[tokio::test]
async fn a_new_connection_that_meets_a_disconnection_begins_anew() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let name = account.to_string();
    let (end, connected) = in_line(
        &shop,
        account,
        disconnect(&shop, account, 1),
        shop.connect_as(AccountId::new(), false, QUEUE, &name),
    )
    .await;
    assert!(is_done(end) && connected);
    let buckets = "subject in (select id from accounts)";
    assert_eq!(shop.count("buckets", buckets).await, 2);
    assert_eq!(shop.count("buckets", "true").await, 2);
    shop.close().await;
}

#[tokio::test]
async fn a_late_receipt_that_meets_a_disconnection_is_kept_without_its_address() {
    let shop = Shop::open().await;
    for receipt_first in [true, false] {
        let account = shop.account().await;
        let job = running(&shop, account).await;
        shop.mark(&job, shop.at(0)).await.unwrap();
        let receipt = json!({"uri": "at://did:zqplatform:ada/1"});
        let keep = async {
            let kept = shop
                .store
                .keep_receipt(job.fence(), PostId(job.subject), &receipt);
            kept.await.unwrap()
        };
        if receipt_first {
            let (adopted, end) = in_line(&shop, account, keep, disconnect(&shop, account, 1)).await;
            assert!(!adopted && is_done(end), "its job lived");
        } else {
            let (end, adopted) = in_line(&shop, account, disconnect(&shop, account, 1), keep).await;
            assert!(adopted && is_done(end), "its letter was there");
        }
        let post = shop.post_of(&job).await;
        assert_eq!(
            (&post["status"], &post["receipt"]),
            (&json!("published"), &json!({}))
        );
        assert_eq!(shop.count("receipts", "receipt <> '{}'").await, 0);
    }
    shop.close().await;
}

#[tokio::test]
async fn a_refresh_that_meets_a_disconnection_leaves_no_token() {
    let shop = Shop::open().await;
    for refresh_first in [true, false] {
        let account = shop.account().await;
        let soon = format!("update accounts set token_expires_at = now() where id = '{account}'");
        shop.database.execute(&soon).await;
        let hour = Duration::from_hours(1);
        let planned = shop
            .store
            .plan_refreshes(QUEUE, hour, hour, 10, Some(shop.at(0)))
            .await;
        assert_eq!(planned.unwrap(), 1);
        let job = shop.claim_one(shop.at(1)).await;
        let settle = shop.settle(refreshed(&job, 1), shop.at(2));
        let (end, settled) = if refresh_first {
            let (settled, end) =
                in_line(&shop, account, settle, disconnect(&shop, account, 3)).await;
            (end, settled)
        } else {
            in_line(&shop, account, disconnect(&shop, account, 3), settle).await
        };
        assert!(is_done(end));
        assert_eq!(
            settled, refresh_first,
            "only an account that is there has a refresh to settle"
        );
        assert_eq!(shop.count("accounts", "true").await, 0);
        assert_eq!(shop.count("events", "type like 'token.%'").await, 0);
    }
    shop.close().await;
}

#[tokio::test]
async fn a_redrive_that_meets_a_disconnection_is_canceled_or_refused() {
    let shop = Shop::open().await;
    for redrive_first in [true, false] {
        let account = shop.account().await;
        let job = running(&shop, account).await;
        let end = dead_letter(&job, "exhausted");
        let letter = end.letter.unwrap().uuid();
        assert!(shop.settle(end, shop.at(1)).await);
        let ask = Redrive {
            org: shop.org,
            letter: DeadLetterId(letter),
            by: "bob".to_owned(),
            blind: false,
            give_up_after: Duration::from_hours(1),
            scheduled_at: None,
        };
        let redrive = async { shop.store.redrive(&ask).await.unwrap().is_some() };
        let (end, redriven) = if redrive_first {
            let (redriven, end) =
                in_line(&shop, account, redrive, disconnect(&shop, account, 2)).await;
            (end, redriven)
        } else {
            in_line(&shop, account, disconnect(&shop, account, 2), redrive).await
        };
        assert!(is_done(end));
        assert_eq!(redriven, redrive_first);
        let status = if redrive_first { "canceled" } else { "failed" };
        assert_eq!(shop.post_of(&job).await["status"], status);
        assert_eq!(shop.count("jobs", "true").await, 0);
    }
    shop.close().await;
}

#[tokio::test]
async fn two_disconnections_are_one() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    running(&shop, account).await;
    let (first, second) = in_line(
        &shop,
        account,
        disconnect(&shop, account, 1),
        disconnect(&shop, account, 1),
    )
    .await;
    assert!(is_done(first));
    assert_eq!(second, Disconnect::Gone);
    assert_eq!(shop.count("events", "type = 'post.canceled'").await, 1);
    shop.close().await;
}

/// A mark of an ordinary job takes its row alone, so it meets the disconnection there and not at the bucket.
#[tokio::test]
async fn a_mark_that_came_first_is_seen_and_one_that_comes_later_is_refused() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let job = running(&shop, account).await;
    let marking = shop.database.pool.begin().await.unwrap();
    // As `set_mark` leaves the row before its commit.
    let marking = shop
        .begin_in(marking, "update jobs set sent_claim = claim, sent_at = clock_timestamp(), answer_by = clock_timestamp()")
        .await;
    let (end, ()) = tokio::join!(disconnect(&shop, account, 1), async {
        shop.wait_blocked(1).await;
        marking.commit().await.unwrap();
    });
    assert!(is_done(end));
    assert_eq!(shop.count("dead_letters", "class = 'ambiguous'").await, 1);
    assert_eq!(shop.post_of(&job).await["status"], "failed");

    let account = shop.account().await;
    let job = running(&shop, account).await;
    let gate = shop.database.pool.begin().await.unwrap();
    let gate = shop
        .begin_in(gate, "select from accounts for no key update")
        .await;
    let (end, marked, ()) = tokio::join!(
        disconnect(&shop, account, 1),
        async {
            shop.wait_blocked(1).await;
            shop.mark(&job, shop.at(1)).await
        },
        async {
            shop.wait_blocked(2).await;
            gate.rollback().await.unwrap();
        }
    );
    assert!(is_done(end));
    assert_eq!(marked.map(drop), Err(Refusal::LeaseLost));
    assert_eq!(shop.post_of(&job).await["status"], "canceled");
    shop.close().await;
}

/// One account of several in a request: the whole request is refused, or all of it is accepted before.
#[tokio::test]
async fn a_request_for_two_accounts_of_which_one_goes_stores_nothing() {
    let shop = Shop::open().await;
    let (gone, stays) = (shop.account().await, shop.account().await);
    let posts = [
        shop.draft(stays),
        NewPost {
            position: 1,
            ..shop.draft(gone)
        },
    ];
    let (end, accepted) = in_line(
        &shop,
        gone,
        disconnect(&shop, gone, 1),
        shop.accept(&posts, None, shop.at(1)),
    )
    .await;
    assert!(is_done(end));
    assert_eq!(accepted, Accepted::AccountGone);
    for table in ["posts", "jobs", "batches", "events"] {
        assert_eq!(shop.count(table, "true").await, 0, "{table}");
    }
    shop.close().await;
}

/// Nothing that ends an account waits for another account's lock.
#[tokio::test]
async fn a_disconnection_waits_for_no_other_account() {
    let shop = Shop::open().await;
    let (account, other) = (shop.account().await, shop.account().await);
    running(&shop, account).await;
    let gate = shop.hold_bucket(other).await;
    assert!(is_done(disconnect(&shop, account, 1).await));
    gate.rollback().await.unwrap();
    shop.close().await;
}
