//! Commits whose answers are lost: at accept, claim, mark, settle and refresh there is exactly one of everything.

use crate::proxy::{Fate, Proxy};
use crate::shop::{Shop, quick, toy_times};
use crate::state::until;
use engine::{Acceptance, Remembered};
use publisher::fake::Fault;
use publisher::toys::{PLATFORMS, ToyTimes};
use serde_json::json;
use std::time::Duration;

const FATES: [Fate; 3] = [
    Fate::Lost,
    Fate::Unanswered,
    Fate::Late(Duration::from_millis(250)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_whose_commit_is_unknown_stores_its_batch_once() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let client = shop.client_on(proxy.store());
    let worker = shop.worker();
    let account = shop.account("toy_blind", "ada").await;
    let mut sprung = 0;
    for fate in FATES {
        for keyed in [false, true] {
            let text = format!("{fate:?}, keyed: {keyed}");
            let mut submission = shop.submission(&account, &text);
            submission.remembered = keyed.then(|| Remembered {
                key: text.clone(),
                fingerprint: [7; 32],
            });
            proxy.trap_commit("-- insert_batch", fate);
            let accepted = client.accept(submission.clone()).await;
            let Ok(Acceptance::New { batch }) = accepted else {
                panic!("{text}: {accepted:?}");
            };
            sprung += 1;
            proxy.sprung(sprung).await;
            assert_eq!(shop.result(batch).await.shown, "published");
            if keyed {
                let again = client.accept(submission).await.unwrap();
                assert_eq!(again, Acceptance::Known { batch });
            }
            assert_eq!(shop.sent(&text), (1, 1));
            let posts = format!("select count(*) from posts where text = '{text}'");
            assert_eq!(shop.database.count(&posts).await, 1, "{text}");
        }
    }
    client.store().close().await;
    proxy.close().await;
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_whose_commit_is_unknown_is_asked_for_again_and_sends_once() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let worker = shop.worker_on(proxy.store(), quick());
    let mut sprung = 0;
    for platform in PLATFORMS {
        let account = shop.account(platform, "ada").await;
        for fate in FATES {
            proxy.trap("-- set_mark:", fate, 1);
            let text = format!("{fate:?} on {platform}");
            let post = shop.result(shop.accept(&account, &text).await).await;
            sprung += 1;
            proxy.sprung(sprung).await;
            assert_eq!(post.shown, "published", "{post:?}");
            assert_eq!(shop.outcomes(post.id).await, ["published"], "{text}");
            assert_eq!(shop.sent(&text), (1, 1));
        }
    }
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_that_stays_unknown_sends_nothing_and_is_looked_at() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let worker = shop.worker_on(proxy.store(), quick());
    for platform in PLATFORMS {
        let account = shop.account(platform, "ada").await;
        for fate in FATES {
            proxy.trap("-- set_mark:", fate, 3);
            let text = format!("{fate:?} on {platform}");
            let batch = shop.accept(&account, &text).await;
            let attempt = shop.attempted(batch, 1).await;
            assert_eq!(attempt.outcome, "unknown", "{attempt:?}");
            assert_eq!(shop.sent(&text), (0, 0), "nothing may be sent on a guess");
            let post = shop.result_in_time(batch, Duration::from_secs(5)).await;
            // Where the mark was not stored, the next claim finds none and simply publishes.
            let stored = !shop.outcomes(post.id).await[1].starts_with("published");
            if platform == "toy_blind" && stored {
                assert_eq!(shop.letter(post.id).await.class, "ambiguous");
            } else {
                assert_eq!(post.shown, "published", "{post:?}");
                assert_eq!(shop.sent(&text), (1, 1));
            }
        }
    }
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_whose_commit_is_unknown_is_written_once() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let worker = shop.worker_on(proxy.store(), quick());
    let mut sprung = 0;
    for platform in PLATFORMS {
        let account = shop.account(platform, "ada").await;
        for fate in FATES {
            // In two steps there are two settlements; each meets its fate.
            let times = if platform == "toy_steps" { 2 } else { 1 };
            proxy.trap("-- settle:", fate, times);
            let text = format!("{fate:?} on {platform}");
            let post = shop.result(shop.accept(&account, &text).await).await;
            sprung += times;
            proxy.sprung(sprung).await;
            assert_eq!(post.shown, "published", "{post:?}");
            assert_eq!(shop.outcomes(post.id).await, ["published"], "{text}");
            assert_eq!(shop.sent(&text), (1, 1));
        }
    }
    // What was written is recognised, not taken for a lost claim with a late receipt.
    let late = shop.database.count("select count(*) from receipts").await;
    assert_eq!(late, 0);
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counted_settlements_whose_commit_is_unknown_count_once() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let worker = shop.worker_on(proxy.store(), quick());
    let unavailable = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    let mut sprung = 0;
    for fate in FATES {
        let name = sprung.to_string();
        let account = shop.account("toy_steps", &name).await;
        let containers = format!("POST /toy_steps/{name}/containers");
        shop.fake.faults().arm(&containers, unavailable.clone(), 1);
        proxy.trap("-- settle:", fate, 1);
        let failed = shop.accept(&account, &format!("failed, {fate:?}")).await;
        let post = shop.post(failed).await.id;
        shop.attempted(failed, 1).await;
        sprung += 1;
        proxy.sprung(sprung).await;
        assert_eq!(shop.job(post, "failures").await.as_deref(), Some("1"));
        let post = shop.result_in_time(failed, Duration::from_secs(5)).await;
        assert_eq!(shop.outcomes(post.id).await, ["failed", "published"]);

        let account = shop.account("toy_list", &name).await;
        shop.arm("toy_list", &name, Fault::CutAfter, 1);
        proxy.trap("-- settle:", fate, 1);
        let unknown = shop.accept(&account, &format!("unknown, {fate:?}")).await;
        let post = shop.post(unknown).await.id;
        shop.attempted(unknown, 1).await;
        sprung += 1;
        proxy.sprung(sprung).await;
        assert_eq!(shop.job(post, "looks").await.as_deref(), Some("1"));
        let post = shop.result_in_time(unknown, Duration::from_secs(5)).await;
        assert_eq!(shop.outcomes(post.id).await, ["unknown", "published"]);
    }
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_whose_commit_is_unknown_keeps_its_tokens_and_is_not_repeated() {
    let shop = Shop::open_with(ToyTimes {
        token_lives: Duration::from_hours(1),
        ..toy_times()
    })
    .await;
    let proxy = Proxy::before(&shop.database).await;
    let worker = shop.worker_on(proxy.store(), quick());
    let mut sprung = 0;
    for fate in FATES {
        let name = format!("number{sprung}");
        let account = shop.account("toy_blind", &name).await;
        shop.fake.clock().advance(Duration::from_hours(2));
        // The post's own settlement, then the refresh's.
        proxy.trap("-- settle:", fate, 2);
        let text = format!("refreshed, {fate:?}");
        let post = shop.result(shop.accept(&account, &text).await).await;
        sprung += 2;
        proxy.sprung(sprung).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.holder(&name).await["refreshes"], 1);
        let generation = format!(
            "select token_generation from accounts where id = '{}'",
            account.id.uuid()
        );
        assert_eq!(shop.database.count(&generation).await, 2);
        assert_eq!(shop.outcomes(post.id).await, ["failed", "published"]);
    }
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_commit_is_unknown_is_put_back_and_no_death_is_counted() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("toy_blind", "ada").await;
    let worker = shop.worker_on(proxy.store(), quick());
    for (n, fate) in [Fate::Lost, Fate::Unanswered].into_iter().enumerate() {
        proxy.trap_commit("-- take_jobs", fate);
        let text = format!("claimed by nobody, {fate:?}");
        let batch = shop.accept(&account, &text).await;
        proxy.sprung(n + 1).await;
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.outcomes(post.id).await, ["published"]);
        assert_eq!(shop.sent(&text), (1, 1));
    }
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_that_could_not_be_loaded_are_put_back_and_no_death_is_counted() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("toy_blind", "ada").await;
    let worker = shop.worker_on(proxy.store(), quick());
    for (n, fate) in FATES.into_iter().enumerate() {
        proxy.trap("-- load_posts:", fate, 1);
        proxy.trap("-- release_unstarted:", fate, 1);
        let text = format!("put back, {fate:?}");
        let batch = shop.accept(&account, &text).await;
        let post = shop.result(batch).await;
        proxy.sprung(2 * (n + 1)).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.outcomes(post.id).await, ["published"]);
        assert_eq!(shop.sent(&text), (1, 1));
    }
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_behind_which_the_database_fell_silent_is_put_back_and_no_death_is_counted() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let account = shop.account("toy_blind", "ada").await;
    let worker = shop.worker_on(proxy.store(), quick());
    proxy.trap_commit("-- take_jobs", Fate::Silence);
    let batch = shop.accept(&account, "claimed in silence").await;
    proxy.sprung(1).await;
    // Longer than a connection is waited for, shorter than the lease.
    let enough = shop.now().await + Duration::from_millis(2400);
    until("the pool to give up", async || {
        (shop.now().await > enough).then_some(())
    })
    .await;
    proxy.stop(false);
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "published", "{post:?}");
    assert_eq!(shop.outcomes(post.id).await, ["published"]);
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_waits_for_a_database_that_is_away_at_its_start() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    proxy.away(true);
    let account = shop.account("toy_blind", "ada").await;
    let batch = shop.accept(&account, "patience").await;
    let worker = shop.worker_on(proxy.store(), quick());
    assert!(!worker.has_ended());
    proxy.away(false);
    assert_eq!(shop.result(batch).await.shown, "published");
    until("the worker's row", async || {
        let rows = shop.database.count("select count(*) from workers").await;
        (rows == 1).then_some(())
    })
    .await;
    worker.drain().await;
    proxy.close().await;
    shop.close().await;
}
