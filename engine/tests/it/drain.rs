//! Stopping loses nothing: whatever the state of the work, and also while the database is away.

use crate::proxy::{Fate, Proxy};
use crate::scripted::Script;
use crate::shop::{Shop, quick};
use crate::state::until;
use engine::RuntimeConfig;
use std::time::Duration;
use tokio::time::{Instant, timeout};

async fn at_gate(script: &Script, texts: &[String]) {
    until("everybody at the gate", async || {
        texts
            .iter()
            .all(|text| script.count("gate", text) == 1)
            .then_some(())
    })
    .await;
}

/// No lease is live and no job runs (I15).
async fn nothing_runs(shop: &Shop) {
    let running = "select count(*) from jobs where state = 'running'";
    assert_eq!(shop.database.count(running).await, 0);
    assert_eq!(shop.database.count("select count(*) from leases").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_finishes_what_runs_and_claims_nothing_new() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let texts: Vec<String> = (0..5).map(|n| format!("wait {n}")).collect();
    let mut begun = vec![];
    for text in &texts {
        begun.push(shop.accept(&account, text).await);
    }
    at_gate(&script, &texts).await;
    worker.stop.drain.cancel();
    let stopping = "select count(*) from workers where stopping";
    until("the stop in the database", async || {
        (shop.database.count(stopping).await == 1).then_some(())
    })
    .await;
    let late = shop.accept(&account, "too late for this worker").await;
    // Longer than the lease: what is drained is still renewed.
    let renewed = shop.now().await + Duration::from_secs(4);
    until("a renewal", async || {
        (shop.now().await > renewed).then_some(())
    })
    .await;
    assert!(!worker.has_ended(), "five attempts still run");
    assert_eq!(shop.post(late).await.shown, "queued");
    script.open_gate();
    worker.ended().await;
    nothing_runs(&shop).await;
    for batch in begun {
        let post = shop.post(batch).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.outcomes(post.id).await, ["published"]);
    }
    let left = shop.post(late).await;
    assert_eq!(shop.job(left.id, "claim").await.as_deref(), Some("0"));
    let heir = shop.worker();
    assert_eq!(shop.result(late).await.shown, "published");
    heir.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_releases_what_was_not_marked_and_records_what_was_for_a_look() {
    let (shop, script) = Shop::scripted().await;
    let account = shop.account("scripted", "ada").await;
    let worker = shop.worker();
    let texts = ["wait a", "wait b", "late c", "late d"].map(str::to_owned);
    let mut batches = vec![];
    for text in &texts {
        batches.push(shop.accept(&account, text).await);
    }
    at_gate(&script, &texts).await;
    worker.stop.drain.cancel();
    worker.stop.now.cancel();
    worker.ended().await;
    nothing_runs(&shop).await;
    for (batch, text) in batches.iter().zip(&texts) {
        let post = shop.post(*batch).await;
        let marked = text.starts_with("late");
        let outcomes = shop.outcomes(post.id).await;
        assert_eq!(outcomes, if marked { vec!["unknown"] } else { vec![] });
        let mark = shop.job(post.id, "sent_claim").await;
        assert_eq!(mark.is_some(), marked, "{text}");
        for counter in ["failures", "deaths"] {
            assert_eq!(shop.job(post.id, counter).await.as_deref(), Some("0"));
        }
    }
    script.open_gate();
    let heir = shop.worker();
    for (batch, text) in batches.into_iter().zip(&texts) {
        let post = shop.result_in_time(batch, Duration::from_secs(5)).await;
        assert_eq!(post.shown, "published", "{post:?}");
        let looks = script.count("verify", text);
        assert_eq!(looks > 0, text.starts_with("late"), "{text}: {looks} looks");
    }
    heir.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_outlasts_a_database_that_is_away_and_writes_what_it_knows() {
    let (shop, script) = Shop::scripted().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("scripted", "ada").await;
    // A permit outlives the wait at the gate, also on a busy machine.
    let patient = RuntimeConfig {
        lease: Duration::from_secs(15),
        ..quick()
    };
    let worker = shop.worker_on(proxy.store(), patient);
    let texts = ["late a", "late b"].map(str::to_owned);
    let mut batches = vec![];
    for text in &texts {
        batches.push(shop.accept(&account, text).await);
    }
    at_gate(&script, &texts).await;
    proxy.away(true);
    worker.stop.drain.cancel();
    script.open_gate();
    until("both sends", async || {
        texts
            .iter()
            .all(|text| shop.sent(text) == (1, 1))
            .then_some(())
    })
    .await;
    for batch in &batches {
        assert_eq!(shop.post(*batch).await.shown, "publishing");
    }
    assert!(!worker.has_ended(), "two answers are not written yet");
    proxy.away(false);
    worker.ended().await;
    nothing_runs(&shop).await;
    for batch in batches {
        let post = shop.post(batch).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.outcomes(post.id).await, ["published"]);
    }
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_leaves_no_claim_behind_whose_commit_is_unknown() {
    let (shop, _) = Shop::scripted().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("scripted", "ada").await;
    for n in 1..=5 {
        let worker = shop.worker_on(proxy.store(), quick());
        proxy.trap_commit("-- take_jobs", Fate::Held);
        let batch = shop
            .accept(&account, &format!("claimed by nobody {n}"))
            .await;
        proxy.sprung(n).await;
        worker.stop.drain.cancel();
        proxy.stop(false);
        worker.ended().await;
        let running = "select count(*) from jobs where state = 'running'";
        assert_eq!(shop.database.count(running).await, 0);
        let heir = shop.worker();
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published");
        assert_eq!(shop.outcomes(post.id).await, ["published"]);
        heir.drain().await;
    }
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_worker_drains_at_once() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let sleepy = RuntimeConfig {
        poll: Duration::from_hours(1),
        lease: Duration::from_mins(1),
        ..RuntimeConfig::default()
    };
    let idle = shop.worker_on(shop.store.clone(), sleepy.clone());
    until("the worker", async || {
        let rows = shop.database.count("select count(*) from workers").await;
        (rows == 1).then_some(())
    })
    .await;
    let began = Instant::now();
    timeout(Duration::from_secs(5), idle.drain()).await.unwrap();

    proxy.away(true);
    let waiting = shop.worker_on(proxy.store(), sleepy);
    timeout(Duration::from_secs(5), waiting.drain())
        .await
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_come_and_go_in_the_middle_of_a_flood_lose_nothing() {
    let shop = Shop::open().await;
    let mut accounts = vec![];
    for n in 0..8 {
        let platform = publisher::toys::PLATFORMS[n % 4];
        accounts.push(shop.account(platform, &format!("number{n}")).await);
    }
    let mut batches = vec![];
    let mut worker = shop.worker();
    for n in 0..160 {
        let text = format!("flood {n}");
        batches.push(shop.accept(&accounts[n % 8], &text).await);
        if n % 20 == 19 {
            let next = shop.worker();
            if n % 40 == 39 {
                worker.stop.now.cancel();
            }
            worker.drain().await;
            worker = next;
        }
    }
    for batch in batches {
        // A cut in the middle of a call leaves a mark, and on the blind toy nobody can look.
        let post = shop.result_in_time(batch, Duration::from_secs(1)).await;
        if post.shown != "published" {
            assert_eq!(post.platform, "toy_blind", "{post:?}");
            assert_eq!(shop.letter(post.id).await.class, "ambiguous");
        }
        let deaths = shop.outcomes(post.id).await;
        assert!(!deaths.contains(&"died".to_owned()), "{deaths:?}");
    }
    worker.drain().await;
    nothing_runs(&shop).await;
    shop.close().await;
}
