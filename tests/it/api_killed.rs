//! The API dies between accept and answer, or in the middle of accepting, while its caller repeats the request under the
//! same Idempotency-Key; and eight callers come with one key at once. One execution, one batch, one send.

use crate::{
    caller::{Caller, immediate},
    fleet::Fleet,
};
use publisher::{Answer, id::PostId};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use tokio::{task::JoinSet, time::timeout};

const PATIENCE: Duration = Duration::from_secs(40);

/// The batch and the post that an answer of 200 names as published.
fn published(answer: &Answer) -> (String, PostId) {
    let body: Value = answer.json().unwrap();
    assert_eq!(
        (answer.status, body["status"].as_str()),
        (200, Some("published")),
        "{body}"
    );
    let post = body["results"][0]["postId"].as_str().unwrap();
    (
        body["id"].as_str().unwrap().to_owned(),
        post.parse().unwrap(),
    )
}

async fn batches(fleet: &Fleet) -> i64 {
    fleet.database.count("select count(*) from batches").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_after_the_api_was_killed_publishes_once() {
    for platform in ["bluesky", "toy_blind"] {
        let fleet = Fleet::open().await;
        let account = fleet.account(platform, "ada").await;
        let (key, text) = (
            fleet.api_key().await,
            format!("{platform} although the API was killed"),
        );
        let (api, address) = fleet.api().await;
        let caller = Caller::of(&address, &key);
        caller.is_ready().await;
        let asked = caller.clone();
        let body = immediate(&account, &text);
        let first =
            JoinSet::from_iter([
                async move { asked.post("v1/posts", &body, Some("one key")).await },
            ]);
        // Accepted, and no worker there to answer.
        fleet
            .until("select count(*) from batches", "1", PATIENCE)
            .await;
        api.kill().await;
        let cut = first.join_all().await.remove(0);
        assert!(cut.is_err(), "the killed API answered: {cut:?}");

        let (api, address) = fleet.api().await;
        let again = Caller::of(&address, &key);
        again.is_ready().await;
        let worker = fleet.worker(None);
        let answer = again
            .post("v1/posts", &immediate(&account, &text), Some("one key"))
            .await
            .unwrap();
        let (_, post) = published(&answer);
        assert_eq!(answer.header("idempotency-replayed"), Some("true"));
        assert_eq!(batches(&fleet).await, 1);
        let ledger = fleet.fake(platform).ledger();
        assert_eq!(
            (ledger.sends(&text), ledger.effective(&text)),
            (1, 1),
            "{:?}",
            ledger.entries()
        );
        assert_eq!(fleet.ending(post).await.outcomes(), ["published"]);
        api.drain().await;
        worker.drain().await;
        fleet.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_api_was_killed_while_accepting_is_accepted_once() {
    let fleet = Fleet::open().await;
    let account = fleet.account("toy_blind", "ada").await;
    let (key, text) = (fleet.api_key().await, "the API was killed while accepting");
    let (api, address) = fleet.api().await;
    let caller = Caller::of(&address, &key);
    caller.is_ready().await;
    let (asked, body) = (caller.clone(), immediate(&account, text));
    let first =
        JoinSet::from_iter([async move { asked.post("v1/posts", &body, Some("one key")).await }]);
    let lock = fleet
        .database
        .execute("do $$ begin lock table posts in exclusive mode; perform pg_sleep(4); end $$");
    let killed = async {
        let waits = "select count(*) from pg_locks l join pg_database d on d.oid = l.database \
            where d.datname = current_database() and not l.granted";
        fleet.until(waits, "1", PATIENCE).await;
        api.kill().await;
    };
    tokio::join!(lock, killed);
    let cut = first.join_all().await.remove(0);
    assert!(cut.is_err(), "the killed API answered: {cut:?}");

    let (api, address) = fleet.api().await;
    let again = Caller::of(&address, &key);
    again.is_ready().await;
    let worker = fleet.worker(None);
    let answer = again
        .post("v1/posts", &immediate(&account, text), Some("one key"))
        .await
        .unwrap();
    published(&answer);
    assert_eq!(batches(&fleet).await, 1);
    assert_eq!(fleet.fake("toy_blind").ledger().sends(text), 1);
    api.drain().await;
    worker.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_concurrent_requests_with_one_key_are_one_execution_and_one_send() {
    let fleet = Fleet::open().await;
    let account = fleet.account("toy_blind", "ada").await;
    let (key, text) = (fleet.api_key().await, "eight callers, one key");
    let (first, address) = fleet.api().await;
    let (second, other) = fleet.api().await;
    let callers = [Caller::of(&address, &key), Caller::of(&other, &key)];
    for caller in &callers {
        caller.is_ready().await;
    }
    let worker = fleet.worker(None);
    let requests = (0..8).map(|n| {
        let (caller, body) = (callers[n % 2].clone(), immediate(&account, text));
        async move {
            caller
                .post("v1/posts", &body, Some("one key for all"))
                .await
                .unwrap()
        }
    });
    let answers = timeout(PATIENCE, requests.collect::<JoinSet<_>>().join_all())
        .await
        .unwrap();
    let named: BTreeSet<_> = answers
        .iter()
        .map(published)
        .map(|(batch, post)| (batch, post.to_string()))
        .collect();
    assert_eq!((answers.len(), named.len()), (8, 1), "{named:?}");
    let replayed = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed").is_some())
        .count();
    assert_eq!(replayed, 7, "all but one were attached");
    assert_eq!(batches(&fleet).await, 1);
    let ledger = fleet.fake("toy_blind").ledger();
    assert_eq!(
        (ledger.sends(text), ledger.effective(text)),
        (1, 1),
        "{:?}",
        ledger.entries()
    );
    for process in [first, second, worker] {
        process.drain().await;
    }
    fleet.close().await;
}
