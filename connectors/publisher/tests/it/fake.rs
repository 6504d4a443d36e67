//! The fake harness: every fault is what it says, on a real socket.

use crate::raw::{eventually, http};
use axum::{Router, extract::State, http::Method, routing::post};
use publisher::{
    Answer, CallError, Deadline, Http, Permit,
    fake::{Entry, FakeKit, FakePlatform, FakeServer, Fault},
    http::CallErrorKind,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// A platform of one route, which makes its body public.
struct Wall;

impl FakePlatform for Wall {
    fn name(&self) -> &'static str {
        "wall"
    }

    fn routes(self: Arc<Self>, kit: FakeKit) -> Router {
        async fn make(State(kit): State<FakeKit>, text: String) -> String {
            kit.ledger.record(entry(&kit, text, true));
            "made it".to_owned()
        }
        Router::new().route("/wall", post(make)).with_state(kit)
    }

    fn attempted(&self, _: &Method, _: &str, body: &[u8], kit: &FakeKit) -> Option<Entry> {
        Some(entry(
            kit,
            String::from_utf8_lossy(body).into_owned(),
            false,
        ))
    }

    fn about(&self) -> Value {
        json!({ "accounts": ["ada"] })
    }
}

fn entry(kit: &FakeKit, text: String, effective: bool) -> Entry {
    let (account, route) = ("ada".to_owned(), "POST /wall".to_owned());
    Entry {
        at: kit.clock.now(),
        account,
        route,
        text,
        key: None,
        effective,
        note: String::new(),
    }
}

async fn wall() -> (FakeServer, Http) {
    let server = FakeServer::start(Arc::new(Wall), None).await.unwrap();
    let http = http(&[server.addr()]);
    (server, http)
}

async fn write(server: &FakeServer, http: &Http, text: &str) -> Result<Answer, CallError> {
    let permit = Permit::granted(Deadline::after(Duration::from_secs(10)));
    let call = http.post_once(&server.url().join("wall").unwrap(), permit);
    let call = call.bytes("text/plain", text.to_owned().into());
    call.deadline(Deadline::after(Duration::from_millis(1500)))
        .send()
        .await
}

/// Arms one fault, sends once, and tells what came of it: error, sends, effective ones.
async fn with(fault: Fault) -> (Result<Answer, CallErrorKind>, usize, usize) {
    let (server, http) = wall().await;
    server.faults().arm("POST /wall", fault, 1);
    let outcome = write(&server, &http, "hello wall")
        .await
        .map_err(|e| e.kind);
    assert_eq!(server.faults().left(), 0);
    let ledger = server.ledger();
    (
        outcome,
        ledger.sends("hello wall"),
        ledger.effective("hello wall"),
    )
}

#[tokio::test]
async fn without_a_fault_it_takes_effect_and_answers() {
    let (server, http) = wall().await;
    let answer = write(&server, &http, "hello wall").await.unwrap();
    assert_eq!(&answer.body[..], b"made it");
    assert_eq!(server.ledger().effective("hello wall"), 1);
}

#[tokio::test]
async fn cuts_close_the_connection_without_an_answer() {
    for (fault, sends, effective) in [
        (Fault::CutBefore, 1, 0),
        (Fault::CutMidBody, 0, 0),
        (Fault::CutAfter, 1, 1),
    ] {
        let (outcome, sent, took_effect) = with(fault.clone()).await;
        assert!(
            matches!(outcome, Err(CallErrorKind::Broken)),
            "{fault:?}: {outcome:?}"
        );
        assert_eq!((sent, took_effect), (sends, effective), "{fault:?}");
    }
}

#[tokio::test]
async fn answers_without_effect_are_answers() {
    let headers = vec![("x-why".to_owned(), "toy".to_owned())];
    let status = Fault::Status {
        status: 503,
        body: json!({ "error": "busy" }),
        headers,
    };
    let (outcome, sends, effective) = with(status).await;
    let answer = outcome.unwrap();
    assert_eq!((answer.status, answer.header("x-why")), (503, Some("toy")));
    assert_eq!(answer.json::<Value>().unwrap()["error"], "busy");
    assert_eq!((sends, effective), (1, 0));

    let (outcome, sends, effective) = with(Fault::Html).await;
    let answer = outcome.unwrap();
    assert!(answer.is_success() && answer.body.starts_with(b"<!doctype html>"));
    assert_eq!((sends, effective), (1, 0));

    let (outcome, sends, effective) = with(Fault::Redirect {
        to: "http://x.invalid/".into(),
    })
    .await;
    assert_eq!(
        outcome.unwrap().header("location"),
        Some("http://x.invalid/")
    );
    assert_eq!((sends, effective), (1, 0));
}

#[tokio::test]
async fn unreadable_answers_have_taken_effect() {
    let (outcome, sends, effective) = with(Fault::Empty).await;
    assert!(outcome.unwrap().body.is_empty());
    assert_eq!((sends, effective), (1, 1));
    for (fault, kind) in [
        (Fault::HugeAnswer, CallErrorKind::AnswerTooLarge),
        (Fault::TrickleAnswer, CallErrorKind::TimedOut),
    ] {
        let (outcome, sends, effective) = with(fault).await;
        assert_eq!(outcome.unwrap_err(), kind);
        assert_eq!((sends, effective), (1, 1));
    }
}

#[tokio::test]
async fn a_late_effect_comes_by_the_fake_clock() {
    let (server, http) = wall().await;
    server.faults().arm(
        "*",
        Fault::Late {
            after: Duration::from_hours(1),
        },
        1,
    );
    let error = write(&server, &http, "late").await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Broken);
    assert_eq!(
        (
            server.ledger().sends("late"),
            server.ledger().effective("late")
        ),
        (1, 0)
    );
    server.clock().advance(Duration::from_secs(3599));
    server.settle().await;
    assert_eq!(server.ledger().effective("late"), 0);
    server.clock().advance(Duration::from_secs(2));
    eventually("the effect", || server.ledger().effective("late") == 1).await;
    assert_eq!(server.ledger().sends("late"), 1);
}

#[tokio::test]
async fn what_hangs_goes_on_when_it_is_released() {
    let (server, http) = wall().await;
    server.faults().arm(
        "wall",
        Fault::Hang {
            until_released: true,
        },
        1,
    );
    let writing = write(&server, &http, "slow");
    let releasing = async {
        eventually("the arrival", || server.ledger().sends("slow") == 1).await;
        assert_eq!(server.ledger().effective("slow"), 0);
        server.faults().release();
    };
    let (answer, ()) = tokio::join!(writing, releasing);
    assert!(answer.unwrap().is_success());
    assert_eq!(
        (
            server.ledger().sends("slow"),
            server.ledger().effective("slow")
        ),
        (1, 1)
    );

    let (outcome, sends, effective) = with(Fault::Hang {
        until_released: false,
    })
    .await;
    assert_eq!(outcome.unwrap_err(), CallErrorKind::TimedOut);
    assert_eq!((sends, effective), (1, 0));
}

#[tokio::test]
async fn another_process_can_do_the_same_over_http() {
    let (server, http) = wall().await;
    let at = |path: &str| server.url().join(path).unwrap();
    let post = |path: &str, body: Value| http.post(&at(path)).json(&body).send();
    let arming = json!({ "route": "POST /wall", "fault": { "late": { "after_ms": 60_000 } } });
    assert!(post("_fake/faults", arming).await.unwrap().is_success());
    write(&server, &http, "far").await.unwrap_err();
    assert!(
        post("_fake/clock", json!({ "advance_ms": 61_000 }))
            .await
            .unwrap()
            .is_success()
    );
    server.settle().await;
    let ledger = http
        .get(&at("_fake/ledger"))
        .send()
        .await
        .unwrap()
        .json::<Vec<Entry>>()
        .unwrap();
    assert_eq!(ledger, server.ledger().entries());
    assert!(ledger.len() == 1 && ledger[0].effective);
    let about = http
        .get(&at("_fake"))
        .send()
        .await
        .unwrap()
        .json::<Value>()
        .unwrap();
    assert_eq!(
        (&about["fake"], &about["about"]["accounts"][0]),
        (&json!("wall"), &json!("ada"))
    );
    let wrong = json!({ "route": "*", "fault": "no_such_fault" });
    let refused = post("_fake/faults", wrong).await.unwrap();
    assert_eq!(refused.status, 422);
    let told = refused.json::<Value>().unwrap();
    assert!(
        told["error"].as_str().unwrap().contains("cut_before"),
        "{told}"
    );
}

#[tokio::test]
async fn the_journal_tells_what_was_asked_and_a_reset_forgets_it() {
    let (server, http) = wall().await;
    let at = |path: &str| server.url().join(path).unwrap();
    write(&server, &http, "one").await.unwrap();
    let asked = http.get(&at("_fake/requests")).send().await.unwrap();
    let asked = asked.json::<Value>().unwrap();
    assert_eq!(
        (
            &asked[0]["path"],
            &asked[0]["irreversible"],
            &asked[0]["bytes"]
        ),
        (&json!("/wall"), &json!(true), &json!(3))
    );
    assert_eq!(asked.as_array().unwrap().len(), 1);

    server.faults().arm("*", Fault::Html, 5);
    server.clock().advance(Duration::from_hours(1));
    // As curl -d sends it.
    let reset = http
        .post(&at("_fake/reset"))
        .form(&[])
        .send()
        .await
        .unwrap();
    assert!(reset.is_success());
    assert_eq!(server.faults().left(), 0);
    assert!(server.ledger().entries().is_empty() && server.journal().requests().is_empty());
    let clock = http
        .post(&at("_fake/clock"))
        .bytes("text/plain", r#"{"advance_ms":5}"#.into());
    assert!(clock.send().await.unwrap().is_success());
}

#[tokio::test]
async fn files_for_platforms_that_fetch_are_served_beside_the_fake() {
    let (server, http) = wall().await;
    server.host("med_1", "a picture".into());
    let at = |id: &str| server.url().join(&format!("_fake/files/{id}")).unwrap();
    let answer = http.get(&at("med_1")).send().await.unwrap();
    assert_eq!(&answer.body[..], b"a picture");
    assert_eq!(http.get(&at("med_2")).send().await.unwrap().status, 404);
    assert!(server.journal().requests().is_empty());
}

#[tokio::test]
async fn a_stopped_fake_leaves_its_port_free() {
    let (server, http) = wall().await;
    let (addr, url) = (server.addr(), server.url());
    server.stop().await;
    let error = http.get(&url).send().await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Unreachable);
    let again = FakeServer::start(Arc::new(Wall), Some(addr)).await.unwrap();
    assert!(write(&again, &http, "again").await.unwrap().is_success());
}
