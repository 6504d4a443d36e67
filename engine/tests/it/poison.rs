//! A settlement that Postgres refuses, in a batch with others and alone: it takes nobody with it, and is not lost.

use crate::shop::Shop;
use crate::state::until;
use std::time::Duration;

/// Everything that gathers while the first settlement waits for a lock becomes one batch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_settlement_takes_no_other_with_it_and_is_written_in_its_least_form() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    // Of another account: its settlement locks its own bucket only, and the others may mark.
    let bob = shop.account("scripted", "bob").await;
    let first = shop.accept(&bob, "the first").await;
    let good: Vec<String> = (0..6).map(|n| format!("wait {n}")).collect();
    let (odd, refused) = ("poison for once", "poison_refused for ever");
    let mut batches = vec![];
    for text in &good {
        batches.push(shop.accept(&account, text).await);
    }
    let odd_batch = shop.accept(&account, odd).await;
    let refused_batch = shop.accept(&account, refused).await;
    let lock = format!("select from posts where batch = '{first}' for update");
    let held = shop.database.hold(&lock).await;
    let worker = shop.worker();
    until(
        "everybody at the gate, and a settlement at the lock",
        async || {
            let waits = "select count(*) from pg_stat_activity where datname = current_database()
                        and wait_event_type = 'Lock' and query like '-- settle:%'";
            let texts = good.iter().map(String::as_str).chain([odd, refused]);
            let all = texts.fold(0, |all, text| all + script.count("gate", text)) == 8;
            (all && shop.database.count(waits).await == 1).then_some(())
        },
    )
    .await;
    script.open_gate();
    until("six sends", async || {
        good.iter()
            .all(|text| shop.sent(text) == (1, 1))
            .then_some(())
    })
    .await;
    held.release().await;

    batches.push(first);
    for batch in batches {
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.outcomes(post.id).await, ["published"]);
        assert_eq!(shop.sent(&post.text), (1, 1));
    }
    for (batch, class) in [(odd_batch, "transient"), (refused_batch, "rejected")] {
        let attempt = shop.attempted(batch, 1).await;
        assert_eq!(
            (attempt.outcome.as_str(), attempt.class.as_deref()),
            ("failed", Some(class))
        );
        assert_eq!(attempt.code.as_deref(), Some("settlement.minimal"));
        assert_eq!((attempt.message, attempt.http_status), (None, None));
    }
    let post = shop.result(refused_batch).await;
    assert_eq!(post.shown, "rejected");
    assert_eq!(shop.letter(post.id).await.class, "rejected");
    assert_eq!(post.error.unwrap()["code"], "platform_rejected");
    let post = shop.result_in_time(odd_batch, Duration::from_secs(5)).await;
    assert_eq!(post.shown, "published", "{post:?}");
    assert_eq!(shop.outcomes(post.id).await, ["failed", "published"]);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_in_any_form_is_found_by_its_lease_and_looked_at() {
    let shop = Shop::open().await;
    let account = shop.account("toy_list", "ada").await;
    for statement in [
        "create function refuse() returns trigger language plpgsql as
           $$ begin raise exception 'no publication is noted'; end $$",
        "create trigger refuses before insert on attempts for each row
           when (new.outcome = 'published') execute function refuse()",
    ] {
        shop.database.execute(statement).await;
    }
    let worker = shop.worker();
    let batch = shop.accept(&account, "public, and not noted").await;
    let other = shop.account("toy_list", "bob").await;
    let refused = shop.accept(&other, "forbidden!").await;
    assert_eq!(shop.result(refused).await.shown, "rejected");
    let attempt = shop.attempted(batch, 1).await;
    assert_eq!(attempt.outcome, "died", "{attempt:?}");
    shop.database
        .execute("drop trigger refuses on attempts")
        .await;
    let post = shop.result_in_time(batch, Duration::from_secs(5)).await;
    assert_eq!(post.shown, "published", "{post:?}");
    assert_eq!(shop.outcomes(post.id).await, ["died", "published"]);
    assert_eq!(shop.sent("public, and not noted"), (1, 1));
    worker.drain().await;
    shop.close().await;
}
