//! Disconnections in a whole Postrider: the platform is told, nothing more is sent, and whatever comes back is honest.

use crate::proxy::{Fate, Proxy};
use crate::shop::{Shop, Worker, quick, toy_times};
use crate::state::until;
use engine::{Client, DisconnectError, DisconnectRequest, Disconnected, Ended};
use publisher::fake::Fault;
use publisher::id::BatchId;
use publisher::toys::{PLATFORMS, ToyTimes};
use serde_json::json;
use std::time::Duration;
use store::AccountRow;

impl Shop {
    async fn disconnect_on(
        &self,
        client: &Client,
        account: &AccountRow,
    ) -> Result<Disconnected, DisconnectError> {
        let ask = DisconnectRequest {
            org: self.org,
            account: account.id,
            api_key: None,
            by: "bob",
        };
        client.disconnect_account(ask).await
    }

    async fn disconnect(&self, account: &AccountRow) -> Disconnected {
        self.disconnect_on(&self.client, account).await.unwrap()
    }

    async fn is_connected(&self, account: &AccountRow) -> bool {
        let found = self.store.get_account(self.org, account.id, None).await;
        found.unwrap().is_some()
    }

    async fn sessions(&self, name: &str) -> u64 {
        self.holder(name).await["sessions"].as_u64().unwrap()
    }
}

fn ended(canceled: i64, unresolved: i64, published: i64) -> Ended {
    Ended {
        canceled,
        unresolved,
        published,
    }
}

fn broken(status: u16) -> Fault {
    Fault::Status {
        status,
        body: json!({"error": "zqplatform"}),
        headers: vec![],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_ends_what_waits_is_canceled_and_history_stays_without_its_address() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    for platform in PLATFORMS {
        let account = shop.account(platform, platform).await;
        let published = shop
            .accept(&account, &format!("before on {platform}"))
            .await;
        assert!(shop.result(published).await.receipt.is_some());
        let hour = Duration::from_hours(1);
        let waits = shop
            .schedule(&account, &format!("never on {platform}"), hour)
            .await;
        assert_eq!(shop.sessions(platform).await, 1);

        let done = shop.disconnect(&account).await;

        assert_eq!((done.ended, done.warning), (ended(1, 0, 0), None));
        assert_eq!(shop.sessions(platform).await, 0, "the platform was told");
        assert!(!shop.is_connected(&account).await);
        let canceled = shop.post(waits).await;
        assert_eq!(canceled.shown, "canceled");
        let history = shop.post(published).await;
        assert_eq!(
            (history.shown.as_str(), history.receipt),
            ("published", Some(json!({})))
        );
        assert_eq!((history.account, history.handle), (account.id, None));
        shop.pass(hour).await;

        let again = shop.account(platform, platform).await;
        assert_ne!(
            again.id, account.id,
            "connected again it is another account"
        );
        let after = shop.accept(&again, &format!("after on {platform}")).await;
        assert_eq!(shop.result(after).await.shown, "published");
        assert_eq!(shop.post(waits).await.shown, "canceled");
        let twice = shop.disconnect_on(&shop.client, &account).await;
        assert!(matches!(twice, Err(DisconnectError::NotFound)), "{twice:?}");
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_under_way_is_canceled_before_its_mark_and_honest_after_it() {
    let (shop, script) = Shop::scripted().await;
    let worker = shop.worker();
    let account = shop.account("scripted", "ada").await;
    let unmarked = shop.accept(&account, "wait before the mark").await;
    let marked = shop.accept(&account, "late behind the mark").await;
    until("both at the gate", async || {
        let at_gate = script.count("gate", "wait before the mark")
            + script.count("gate", "late behind the mark");
        (at_gate == 2).then_some(())
    })
    .await;

    assert_eq!(shop.disconnect(&account).await.ended, ended(1, 1, 0));

    assert_eq!(shop.post(unmarked).await.shown, "canceled");
    let post = shop.post(marked).await;
    assert_eq!(post.error.unwrap()["rule"], "publish.outcome_unknown");
    assert_eq!(shop.letter(post.id).await.class, "ambiguous");
    script.open_gate();
    // The platform takes what was on its way, or refuses its dead token; either way the ledger is right in the end.
    let end = until("the worker's last word", async || {
        (!script.refusals().is_empty() || shop.post(marked).await.shown == "published")
            .then_some(())
    });
    tokio::time::timeout(Duration::from_secs(5), end).await.ok();
    worker.drain().await;
    assert_eq!(shop.sent("wait before the mark"), (0, 0));
    let (_, effective) = shop.sent("late behind the mark");
    let post = shop.post(marked).await;
    let receipt = (effective == 1).then(|| json!({}));
    let shown = if effective == 1 {
        "published"
    } else {
        "failed"
    };
    assert_eq!((post.shown.as_str(), post.receipt), (shown, receipt));
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_cannot_be_told_hinders_nothing_and_is_warned_of() {
    let shop = Shop::open().await;
    for (fault, word) in [
        (broken(503), "did not do it"),
        (Fault::CutBefore, "did not do it"),
        (
            Fault::Hang {
                until_released: false,
            },
            "did not do it",
        ),
    ] {
        let account = shop.account("toy_list", "ada").await;
        shop.fake.faults().arm("POST /toys/revoke", fault, 1);
        let done = shop.disconnect(&account).await;
        let warning = done.warning.expect("it was not told");
        assert_eq!(warning.code, "account.not_revoked");
        assert!(warning.message.contains(word), "{}", warning.message);
        assert!(!shop.is_connected(&account).await);
        assert_eq!(shop.fake.faults().left(), 0);
    }
    // Tokens that do not open are no reason to keep them.
    let account = shop.account("toy_list", "ada").await;
    shop.database
        .execute("update accounts set sealed_tokens = 'nonsense'")
        .await;
    let warning = shop.disconnect(&account).await.warning.unwrap();
    assert!(
        warning.message.contains("do not open"),
        "{}",
        warning.message
    );
    assert!(!shop.is_connected(&account).await);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_one_disconnection_and_is_told_as_one() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let client = shop.client_on(proxy.store());
    let mut sprung = 0;
    for fate in [
        Fate::Lost,
        Fate::Unanswered,
        Fate::Late(Duration::from_millis(250)),
    ] {
        let account = shop.account("toy_blind", "ada").await;
        let text = format!("{fate:?}");
        let batch = shop
            .schedule(&account, &text, Duration::from_hours(1))
            .await;
        proxy.trap_commit("-- delete_account", fate);
        let done = shop.disconnect_on(&client, &account).await.unwrap();
        sprung += 1;
        proxy.sprung(sprung).await;
        assert_eq!(done.ended, ended(1, 0, 0), "{text}");
        assert!(!shop.is_connected(&account).await, "{text}");
        let post = shop.post(batch).await;
        assert_eq!(post.shown, "canceled");
        let events = format!(
            "select count(*) from events where type = 'post.canceled' and subject = '{}'",
            post.id
        );
        assert_eq!(shop.database.count(&events).await, 1, "{text}");
        let again = shop.disconnect_on(&client, &account).await;
        assert!(matches!(again, Err(DisconnectError::NotFound)), "{again:?}");
    }
    client.store().close().await;
    proxy.close().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_dies_after_telling_the_platform_leaves_the_account_to_be_asked_again() {
    let shop = Shop::open().await;
    let proxy = Proxy::before(&shop.database).await;
    let client = shop.client_on(proxy.store());
    let account = shop.account("toy_blind", "ada").await;
    let hour = Duration::from_hours(1);
    let batch = shop.schedule(&account, "waits", hour).await;
    proxy.trap("-- lock_account_buckets", Fate::Frozen, 1);
    // What is dropped in the middle does nothing more, as a process that was killed.
    tokio::select! {
        done = shop.disconnect_on(&client, &account) => panic!("{done:?}"),
        () = proxy.sprung(1) => {}
    }
    assert_eq!(shop.sessions("ada").await, 0, "the platform was told");
    proxy.close().await;
    client.store().close().await;

    assert!(shop.is_connected(&account).await);
    assert_eq!(shop.post(batch).await.shown, "queued");
    assert_eq!(shop.disconnect(&account).await.ended, ended(1, 0, 0));
    assert_eq!(shop.post(batch).await.shown, "canceled");
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_runs_meanwhile_brings_no_token_back() {
    let shop = Shop::open_with(ToyTimes {
        token_lives: Duration::from_hours(1),
        ..toy_times()
    })
    .await;
    let account = shop.account("toy_blind", "ada").await;
    let hang = Fault::Hang {
        until_released: true,
    };
    shop.fake.faults().arm("POST /toys/token", hang, 1);
    shop.pass(Duration::from_mins(56)).await;
    let worker = shop.worker();
    until("a refresh under way", async || {
        (shop.fake.faults().left() == 0).then_some(())
    })
    .await;

    shop.disconnect(&account).await;

    shop.fake.faults().release();
    worker.drain().await;
    assert!(!shop.is_connected(&account).await);
    assert_eq!(shop.database.count("select count(*) from jobs").await, 0);
    let again = shop.account("toy_blind", "ada").await;
    assert_eq!(again.token_generation, 1);
    shop.close().await;
}

/// Whatever a flood of workers is doing at that moment: every post ends, and the ledger agrees with each end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnection_in_the_middle_of_a_flood_leaves_nothing_open() {
    let shop = Shop::open().await;
    let workers: Vec<Worker> = (0..2)
        .map(|_| shop.worker_on(shop.store.clone(), quick()))
        .collect();
    for platform in ["toy_blind", "toy_steps", "toy_list"] {
        let account = shop.account(platform, platform).await;
        let mut batches: Vec<BatchId> = Vec::new();
        for n in 0..24 {
            batches.push(
                shop.accept(&account, &format!("{n} of a flood on {platform}"))
                    .await,
            );
        }
        until("a few published", async || {
            let question = format!(
                "select count(*) from posts where account = '{}' and status = 'published'",
                account.id
            );
            (shop.database.count(&question).await >= 2).then_some(())
        })
        .await;
        shop.disconnect(&account).await;
        for batch in batches {
            let shown = shop.post(batch).await.shown;
            assert!(
                ["published", "canceled", "failed"].contains(&shown.as_str()),
                "{shown}"
            );
        }
        let jobs = format!("select count(*) from jobs where bucket = '{}'", account.id);
        assert_eq!(shop.database.count(&jobs).await, 0);
        let said = "select count(*) from posts where receipt <> '{}'";
        assert_eq!(shop.database.count(said).await, 0);
    }
    for worker in workers {
        worker.drain().await;
    }
    let said = "select count(*) from receipts where receipt <> '{}'";
    assert_eq!(shop.database.count(said).await, 0);
    shop.close().await;
}
