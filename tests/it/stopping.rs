//! Stopping processes by signals, as a deploy does: `worker`, `api` and `serve`, with work and callers in their hands.
//!
//! The first signal drains, the second or the deadline ends at once. Neither loses anything, and neither is a death.

mod uploads;

use crate::{
    caller::{Caller, immediate},
    fleet::{Fleet, PLATFORMS},
    late_arrival::{has_arrived, irreversible},
    process::Process,
    times::Times,
    wire::{Wire, head, last_answer, refuses},
};
use publisher::{Answer, fake::Fault, id::PostId};
use rustix::process::Signal;
use secrecy::SecretString;
use serde_json::Value;
use std::time::Duration;
use store::AccountRow;
use tokio::task::JoinSet;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// Longer than it takes from a request to the signals; short enough for a look.
const CALL_DEADLINE: u64 = 5_000;

/// Outlives a call by as much as the engine asks for.
const LEASE_MS: &str = "9000";

const HANGS: Fault = Fault::Hang {
    until_released: true,
};

async fn open() -> Fleet {
    let times = Times {
        call_deadline: CALL_DEADLINE,
        ..Times::default()
    };
    Fleet::open_with(times).await
}

/// A worker with a lease for calls of that length.
fn new_worker(fleet: &Fleet) -> Process {
    fleet.worker_with(&[("POSTRIDER_LEASE_MS", LEASE_MS)])
}

/// Nothing runs, and nothing was counted.
async fn nothing_is_left_behind(fleet: &Fleet) {
    let left = "select count(*) from jobs where state = 'running' or failures + deaths > 0";
    assert_eq!(fleet.database.count(left).await, 0);
    assert_eq!(fleet.database.count("select count(*) from leases").await, 0);
    assert_eq!(fleet.deaths().await, 0);
}

/// A caller of an API that works for it, or does not.
struct Asked {
    address: String,
    key: SecretString,
    process: Process,
    answer: JoinSet<Answer>,
}

impl Asked {
    /// Starts `api` or `serve`, and one request that waits for its result.
    async fn of(
        fleet: &Fleet,
        verb: &'static str,
        drain_ms: &str,
        (account, text): (&AccountRow, &str),
    ) -> Self {
        let more = [
            ("POSTRIDER_LEASE_MS", LEASE_MS),
            ("POSTRIDER_WAIT_MS", "60000"),
            ("POSTRIDER_DRAIN_MS", drain_ms),
        ];
        let (process, address) = fleet.listening(verb, &more).await;
        let key = fleet.api_key().await;
        let caller = Caller::of(&address, &key);
        caller.is_ready().await;
        let body = immediate(account, text);
        let request = async move { caller.post("v1/posts", &body, None).await.unwrap() };
        let answer = JoinSet::from_iter([request]);
        let accepted = "select count(*) from batches";
        fleet.until(accepted, "1", PATIENCE).await;
        Self {
            address,
            key,
            process,
            answer,
        }
    }

    /// The answer, which must say that it is the last one, and the status and id of the one post.
    async fn result(&mut self) -> (String, PostId) {
        let answer = self.answer.join_next().await.unwrap().unwrap();
        let body: Value = answer.json().unwrap();
        assert_eq!(answer.status, 200, "{body}");
        assert_eq!(answer.header("connection"), Some("close"));
        result_in(&body)
    }
}

fn result_in(body: &Value) -> (String, PostId) {
    let result = &body["results"][0];
    let word = |name: &str| result[name].as_str().unwrap_or_else(|| panic!("{body}"));
    (word("status").to_owned(), word("postId").parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_drains_finishes_what_it_has_sent_and_leaves_the_rest() {
    let fleet = open().await;
    let account = fleet.account("toy_list", "ada").await;
    let route = irreversible("toy_list");
    fleet.fake("toy_list").faults().arm(&route, HANGS, 1);
    let sent = fleet.accept(&account, "on its way", false).await;
    let worker = new_worker(&fleet);
    has_arrived(&fleet, "toy_list", "on its way").await;
    worker.signal(Signal::TERM);
    let stopping = "select count(*) from workers where stopping";
    fleet.until(stopping, "1", PATIENCE).await;
    let late = fleet.accept(&account, "for the next one", false).await;
    fleet.fake("toy_list").faults().release();
    worker.ends_in_order().await;
    nothing_is_left_behind(&fleet).await;
    assert_eq!(fleet.ending(sent).await.outcomes(), ["published"]);
    let claims = "select string_agg(claim::text, ' ') from jobs";
    assert_eq!(fleet.database.ask(claims).await.as_deref(), Some("0"));
    let heir = new_worker(&fleet);
    let endings = fleet.end_well(&[sent, late], PATIENCE).await;
    assert_eq!(endings[1].outcomes(), ["published"]);
    assert_eq!(fleet.fake("toy_list").ledger().sends("on its way"), 1);
    heir.drain().await;
    fleet.close().await;
}

/// A worker has one send in the air on every platform, and one step that is harmless to repeat; then it must end at once.
async fn cut(drain_ms: &str, signals: usize) {
    let fleet = open().await;
    let mut posts = vec![];
    for platform in PLATFORMS {
        let account = fleet.account(platform, "ada").await;
        let faults = fleet.fake(platform).faults();
        faults.arm(&irreversible(platform), HANGS, 1);
        let text = format!("{platform} is in the air");
        posts.push(fleet.accept(&account, &text, false).await);
    }
    let bob = fleet.account("toy_steps", "bob").await;
    let toys = fleet.fake("toys").faults();
    toys.arm("POST /toy_steps/bob/containers", HANGS, 1);
    posts.push(fleet.accept(&bob, "not sent yet", false).await);
    let worker = fleet.worker_with(&[
        ("POSTRIDER_LEASE_MS", LEASE_MS),
        ("POSTRIDER_DRAIN_MS", drain_ms),
    ]);
    for platform in PLATFORMS {
        has_arrived(&fleet, platform, &format!("{platform} is in the air")).await;
    }
    let running = "select count(*) from jobs where state = 'running'";
    fleet.until(running, "6", PATIENCE).await;
    let marked = "select count(*) from jobs where sent_claim is not null";
    fleet.until(marked, "5", PATIENCE).await;
    for _ in 0..signals {
        worker.signal(Signal::TERM);
        // Two equal signals that come together are one.
        fleet.is_said("draining", PATIENCE).await;
    }
    worker.ends_in_order().await;
    nothing_is_left_behind(&fleet).await;
    for post in &posts {
        let ending = fleet.ending(*post).await;
        let was_sent = ending.post.text != "not sent yet";
        let told = if was_sent { vec!["unknown"] } else { vec![] };
        assert_eq!(ending.outcomes(), told, "{ending:?}");
    }
    for platform in ["bluesky", "toys"] {
        fleet.fake(platform).faults().clear();
    }
    let heir = new_worker(&fleet);
    for ending in fleet.end_well(&posts, PATIENCE).await {
        let is_blind = ending.post.platform == "toy_blind";
        let word = if is_blind { "ambiguous" } else { "published" };
        assert_eq!(ending.word(), word, "{ending:?}");
    }
    heir.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_worker_at_once_and_its_heir_looks() {
    cut("600000", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drains_deadline_ends_a_worker_and_its_heir_looks() {
    cut("300", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_a_drained_api_gets_the_result_that_another_process_brings() {
    let fleet = open().await;
    let account = fleet.account("toy_list", "ada").await;
    let mut asked = Asked::of(&fleet, "api", "60000", (&account, "waited for")).await;
    let idle = Wire::open(&asked.address).await;
    asked.process.signal(Signal::TERM);
    refuses(&asked.address).await;
    // A connection that asks nothing is closed, and holds nothing up.
    assert_eq!(idle.rest().await, "");
    let worker = new_worker(&fleet);
    let (status, post) = asked.result().await;
    assert_eq!(status, "published");
    asked.process.ends_in_order().await;
    assert_eq!(fleet.ending(post).await.outcomes(), ["published"]);
    worker.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_a_drained_api_for_whom_nobody_works_is_told_the_true_status() {
    let fleet = open().await;
    let account = fleet.account("toy_list", "ada").await;
    let mut asked = Asked::of(&fleet, "api", "6000", (&account, "for later")).await;
    asked.process.signal(Signal::TERM);
    let (status, post) = asked.result().await;
    assert_eq!(status, "queued");
    asked.process.ends_in_order().await;
    let worker = new_worker(&fleet);
    let endings = fleet.end_well(&[post], PATIENCE).await;
    assert_eq!(endings[0].outcomes(), ["published"]);
    worker.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_server_finishes_the_send_that_its_caller_waits_for() {
    let fleet = open().await;
    let account = fleet.account("toy_steps", "ada").await;
    let (faults, text) = (fleet.fake("toy_steps").faults(), "in both hands");
    faults.arm(&irreversible("toy_steps"), HANGS, 1);
    let mut asked = Asked::of(&fleet, "serve", "60000", (&account, text)).await;
    has_arrived(&fleet, "toy_steps", text).await;
    asked.process.signal(Signal::TERM);
    refuses(&asked.address).await;
    faults.release();
    let (status, post) = asked.result().await;
    assert_eq!(status, "published");
    asked.process.ends_in_order().await;
    let endings = fleet.end_well(&[post], PATIENCE).await;
    assert_eq!(endings[0].outcomes(), ["published"]);
    assert_eq!(fleet.fake("toy_steps").ledger().sends(text), 1);
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_read_after_the_worker_beside_it_has_ended_is_answered_at_once() {
    let fleet = open().await;
    let account = fleet.account("toy_list", "ada").await;
    let mut asked = Asked::of(&fleet, "serve", "15000", (&account, "the first")).await;
    let answer = asked.answer.join_next().await.unwrap().unwrap();
    assert_eq!(result_in(&answer.json().unwrap()).0, "published");
    let body = immediate(&account, "a slow caller's").to_string();
    let (first, second) = body.split_at(10);
    let mut wire = Wire::open(&asked.address).await;
    let line = "POST /v1/posts";
    wire.send(head(line, &asked.key, "application/json", body.len()))
        .await;
    wire.send(first).await;
    // Connections are accepted in order: when a later one was answered, ours is not in the line of a closing listener.
    let mut later = Wire::open(&asked.address).await;
    later
        .send("GET /health HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .await;
    assert!(later.rest().await.contains(" 200 "));
    asked.process.signal(Signal::TERM);
    refuses(&asked.address).await;
    fleet
        .is_said("stopped; everything begun is settled", PATIENCE)
        .await;
    wire.send(second).await;
    // Before the deadline, although its caller would wait for longer: nobody here works for it any more.
    let (status, body) = last_answer(&wire.rest().await);
    assert_eq!(status, 200, "{body}");
    let (word, post) = result_in(&body);
    assert_eq!(word, "queued");
    asked.process.ends_in_order().await;
    let heir = new_worker(&fleet);
    fleet.end_well(&[post], PATIENCE).await;
    heir.drain().await;
    fleet.close().await;
}
