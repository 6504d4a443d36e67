//! A worker that lost its database after the mark, and whose job somebody else has by the time it comes back.

use crate::proxy::Proxy;
use crate::shop::{Shop, quick};
use crate::state::until;
use publisher::fake::Fault;
use std::time::Duration;

async fn count(shop: &Shop, table: &str) -> i64 {
    shop.database
        .count(&format!("select count(*) from {table}"))
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_zombie_published_is_found_by_its_heir_and_not_published_again() {
    let shop = Shop::open().await;
    let mut zombies = vec![];
    for platform in ["toy_list", "toy_late", "toy_steps"] {
        let proxy = Proxy::before(&shop.database).await;
        let account = shop.account(platform, "ada").await;
        let hang = Fault::Hang {
            until_released: true,
        };
        shop.arm(platform, "ada", hang, 1);
        let worker = shop.worker_on(proxy.store(), quick());
        let text = format!("from a zombie on {platform}");
        let batch = shop.accept(&account, &text).await;
        until("a send", async || (shop.sent(&text).0 == 1).then_some(())).await;
        proxy.stop(true);
        shop.fake.faults().release();
        until("its effect", async || {
            (shop.sent(&text) == (1, 1)).then_some(())
        })
        .await;
        zombies.push((worker, proxy, batch, text));
    }
    let heir = shop.worker();
    for (worker, proxy, batch, text) in zombies {
        shop.attempted(batch, 1).await;
        let post = shop.result_in_time(batch, Duration::from_secs(1)).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.outcomes(post.id).await, ["died", "published"]);
        proxy.stop(false);
        worker.drain().await;
        assert_eq!(shop.sent(&text), (1, 1));
        assert_eq!(shop.outcomes(post.id).await.len(), 2);
        proxy.close().await;
    }
    assert_eq!(count(&shop, "receipts").await, 3, "each late one is kept");
    assert_eq!(count(&shop, "dead_letters").await, 0);
    heir.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_look_the_late_receipt_of_a_zombie_turns_the_letter_into_a_publication() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("toy_blind", "ada").await;
    let hang = Fault::Hang {
        until_released: true,
    };
    shop.arm("toy_blind", "ada", hang, 1);
    let zombie = shop.worker_on(proxy.store(), quick());
    let batch = shop.accept(&account, "blind").await;
    until("a send", async || (shop.sent("blind").0 == 1).then_some(())).await;
    proxy.stop(true);
    shop.fake.faults().release();
    let heir = shop.worker();
    shop.attempted(batch, 1).await;
    let post = shop.result_in_time(batch, Duration::from_secs(1)).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    assert_eq!(shop.letter(post.id).await.class, "ambiguous");
    proxy.stop(false);
    let post = until("its adoption", async || {
        let post = shop.post(batch).await;
        (post.shown == "published").then_some(post)
    })
    .await;
    assert!(post.error.is_none() && post.receipt.is_some(), "{post:?}");
    let letter = shop.letter(post.id).await;
    assert_eq!(letter.resolved_how.as_deref(), Some("confirmed_published"));
    assert_eq!(shop.sent("blind"), (1, 1));
    zombie.drain().await;
    heir.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_that_wakes_after_its_permit_sends_nothing() {
    let (shop, script) = Shop::scripted().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("scripted", "ada").await;
    let zombie = shop.worker_on(proxy.store(), quick());
    let batch = shop.accept(&account, "late by far").await;
    until("a mark", async || {
        (script.count("gate", "late by far") == 1).then_some(())
    })
    .await;
    proxy.stop(true);
    let heir = shop.worker();
    let post = shop.result_in_time(batch, Duration::from_secs(5)).await;
    assert_eq!(post.shown, "published", "{post:?}");
    assert_eq!(
        shop.outcomes(post.id).await,
        ["died", "absent", "published"]
    );
    script.open_gate();
    until("the zombie's try", async || {
        (!script.refusals().is_empty()).then_some(())
    })
    .await;
    assert_eq!(script.refusals(), ["PastNotAfter"]);
    proxy.stop(false);
    zombie.drain().await;
    assert_eq!(shop.sent("late by far"), (1, 1));
    assert_eq!(shop.outcomes(post.id).await.len(), 3);
    assert_eq!(count(&shop, "receipts").await, 0);
    heir.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_that_had_not_marked_cannot_mark_any_more() {
    let (shop, script) = Shop::scripted().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("scripted", "ada").await;
    let zombie = shop.worker_on(proxy.store(), quick());
    let batch = shop.accept(&account, "wait long").await;
    until("an attempt", async || {
        (script.count("gate", "wait long") == 1).then_some(())
    })
    .await;
    proxy.stop(true);
    let heir = shop.worker();
    let id = shop.post(batch).await.id;
    until("an heir", async || {
        if shop.job(id, "state").await? == "queued" {
            shop.pass(Duration::from_secs(5)).await;
        }
        (script.count("gate", "wait long") == 2).then_some(())
    })
    .await;
    // Both go on at the same moment; the zombie's mark reaches the database too.
    proxy.stop(false);
    script.open_gate();
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "published", "{post:?}");
    zombie.drain().await;
    heir.drain().await;
    assert_eq!(shop.sent("wait long"), (1, 1));
    proxy.close().await;
    shop.close().await;
}
