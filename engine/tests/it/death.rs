//! Attempts that panic, workers that die, databases that go away: hurt stays where it happened.

use crate::proxy::{Fate, Proxy};
use crate::shop::{Shop, quick};
use crate::state::until;
use publisher::id::PostId;
use std::time::Duration;

/// Ends the lease of a post's job as if the worker that holds it were gone for good: nobody renews it any more.
async fn lose_lease(shop: &Shop, post: PostId) {
    let statement = format!(
        "update leases set until = clock_timestamp() - interval '1 second', worker = gen_random_uuid()
          where id = (select lease from jobs where kind = 'publish' and subject = '{}')",
        post.uuid()
    );
    shop.database.execute(&statement).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_panics_fails_alone_and_is_tried_again() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let texts = ["panic a", "panic_marked b", "unsealable c", "fine d"];
    let mut batches = vec![];
    for text in texts {
        batches.push((shop.accept(&account, text).await, text));
    }
    for (batch, text) in batches {
        let post = shop.result_in_time(batch, Duration::from_secs(5)).await;
        assert_eq!(post.shown, "published", "{post:?}");
        let outcomes = shop.outcomes(post.id).await;
        match text {
            // Nothing was sent: a plain failure.
            "panic a" => assert_eq!(outcomes, ["failed", "published"]),
            // It may have been sent: looked at first, also when what comes next cannot be remembered.
            "panic_marked b" | "unsealable c" => {
                assert_eq!(outcomes, ["unknown", "absent", "published"]);
                assert!(script.count("verify", text) > 0);
            }
            _ => assert_eq!(outcomes, ["published"]),
        }
        assert_eq!(shop.sent(text), (1, 1));
    }
    let again = shop.accept(&account, "fine e").await;
    assert_eq!(shop.result(again).await.shown, "published");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_duplicate_that_names_the_first_post_is_the_receipt_of_an_unknown_send() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let batch = shop.accept(&account, "resend a").await;
    let post = shop.result_in_time(batch, Duration::from_secs(10)).await;
    assert_eq!(post.shown, "published", "{post:?}");
    assert_eq!(shop.outcomes(post.id).await, ["unknown", "published"]);
    assert_eq!(
        (script.count("resent", "resend a"), shop.sent("resend a")),
        (1, (1, 1))
    );
    let receipt = shop
        .database
        .ask("select receipt ->> 'uri' from posts where status = 'published'")
        .await;
    assert_eq!(receipt.as_deref(), Some("the first one"));
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_always_panics_is_exhausted() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let batch = shop.accept(&account, "panic_always").await;
    for failures in 1..8 {
        shop.attempted(batch, failures).await;
        shop.pass(Duration::from_secs(5 << (failures - 1))).await;
    }
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "failed");
    assert_eq!(shop.letter(post.id).await.class, "exhausted");
    assert_eq!(script.count("publish", "panic_always"), 8);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_workers_die_three_times_in_a_row_is_poison_and_its_neighbours_are_not() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let batch = shop.accept(&account, "wait poison").await;
    let post = shop.post(batch).await.id;
    for death in 1..=3 {
        until("an attempt", async || {
            (script.count("gate", "wait poison") == death).then_some(())
        })
        .await;
        lose_lease(&shop, post).await;
        let attempt = shop.attempted(batch, death).await;
        assert_eq!(attempt.outcome, "died", "{attempt:?}");
        shop.pass(Duration::from_secs(30)).await;
    }
    let ended = shop.result(batch).await;
    assert_eq!(ended.shown, "failed", "{ended:?}");
    let error = ended.error.unwrap();
    assert_eq!(error["code"], "internal_error");
    assert_eq!(error["rule"], "publish.poison");
    assert_eq!(shop.letter(post).await.class, "poison");
    let neighbour = shop.accept(&account, "fine").await;
    assert_eq!(shop.result(neighbour).await.shown, "published");
    // The three who were given up wake: none of them may send any more.
    script.open_gate();
    worker.drain().await;
    assert_eq!(shop.sent("wait poison"), (0, 0));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_live_settlement_forgets_the_deaths() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let batch = shop.accept(&account, "wait twice").await;
    let post = shop.post(batch).await.id;
    for death in 1..=2 {
        until("an attempt", async || {
            (script.count("gate", "wait twice") == death).then_some(())
        })
        .await;
        lose_lease(&shop, post).await;
        shop.attempted(batch, death).await;
        let deaths = shop.job(post, "deaths").await;
        assert_eq!(deaths, Some(death.to_string()));
        assert_eq!(shop.job(post, "failures").await.as_deref(), Some("0"));
        shop.pass(Duration::from_secs(30)).await;
    }
    script.open_gate();
    let ended = shop.result(batch).await;
    assert_eq!(ended.shown, "published", "{ended:?}");
    assert_eq!(shop.sent("wait twice"), (1, 1));
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_public_in_part_ends_published_whoever_dies_of_the_rest() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let batch = shop.accept(&account, "part one").await;
    let post = shop.post(batch).await.id;
    for death in 1..=3 {
        until("an attempt", async || {
            (script.count("gate", "part one") == death).then_some(())
        })
        .await;
        lose_lease(&shop, post).await;
        shop.attempted(batch, death + 1).await;
        shop.pass(Duration::from_secs(30)).await;
    }
    let ended = shop.result(batch).await;
    assert_eq!(ended.shown, "published", "{ended:?}");
    assert_eq!(ended.receipt.unwrap()["uri"], "part");
    assert_ne!(ended.warnings, serde_json::json!([]), "and says why");
    script.open_gate();
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_told_to_stop_is_no_death() {
    let (shop, script) = Shop::scripted().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("scripted", "ada").await;
    let stopping = shop.worker_on(proxy.store(), quick());
    let batch = shop.accept(&account, "wait for me").await;
    let post = shop.post(batch).await.id;
    until("an attempt", async || {
        (script.count("gate", "wait for me") == 1).then_some(())
    })
    .await;
    stopping.stop.drain.cancel();
    until("the stop in the database", async || {
        let stopping = "select count(*) from workers where stopping";
        (shop.database.count(stopping).await == 1).then_some(())
    })
    .await;
    proxy.stop(true);
    let heir = shop.worker();
    until("an heir", async || {
        (script.count("gate", "wait for me") == 2).then_some(())
    })
    .await;
    assert_eq!(shop.job(post, "deaths").await.as_deref(), Some("0"));
    script.open_gate();
    assert_eq!(shop.result(batch).await.shown, "published");
    proxy.stop(false);
    stopping.ended().await;
    heir.drain().await;
    assert_eq!(shop.sent("wait for me"), (1, 1));
    proxy.close().await;
    shop.close().await;
}

/// Runs posts through an outage that is longer than the lease, and returns when all is over.
async fn outage(begin: impl Fn(&Proxy), end: impl Fn(&Proxy)) {
    let (shop, script) = Shop::scripted().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("scripted", "ada").await;
    let workers = [
        shop.worker_on(proxy.store(), quick()),
        shop.worker_on(proxy.store(), quick()),
    ];
    // Past the first lease, in which nobody reaps.
    let reaping = shop.now().await + Duration::from_secs(4);
    until("the keepers to reap", async || {
        (shop.now().await > reaping).then_some(())
    })
    .await;
    let mut batches = vec![];
    for n in 0..6 {
        batches.push(shop.accept(&account, &format!("wait {n}")).await);
    }
    until("six attempts", async || {
        let all = (0..6).all(|n| script.count("gate", &format!("wait {n}")) == 1);
        all.then_some(())
    })
    .await;
    begin(&proxy);
    let over = "select count(*) from leases where until > clock_timestamp() - interval '1 second'";
    until("leases that are over", async || {
        (shop.database.count(over).await == 0).then_some(())
    })
    .await;
    end(&proxy);
    let live = "select count(*) from leases where until > clock_timestamp() + interval '1 second'";
    until("a renewal", async || {
        (shop.database.count(live).await > 0).then_some(())
    })
    .await;
    script.open_gate();
    for batch in batches {
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.outcomes(post.id).await, ["published"]);
        assert_eq!(shop.sent(&post.text), (1, 1));
    }
    for worker in workers {
        worker.drain().await;
    }
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_away_for_longer_than_a_lease_costs_no_death() {
    outage(|proxy| proxy.away(true), |proxy| proxy.away(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_silent_for_longer_than_a_lease_costs_no_death() {
    // It falls silent in the middle of a reaper's question, which is therefore the first thing that it answers.
    let begin = |proxy: &Proxy| proxy.trap("-- read_expired:", Fate::Frozen, 1);
    outage(begin, |proxy| proxy.stop(false)).await;
}
