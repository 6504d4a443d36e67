//! The irreversible request: once, in time, and honest about whether it can have arrived.

use crate::raw::{Peer, Raw, eventually, http};
use futures_util::{StreamExt as _, stream};
use publisher::{
    CallError, Class, Deadline, Http, HttpConfig, Permit,
    http::{Call, CallErrorKind},
};
use std::{
    cell::RefCell, future::pending, io::Read as _, net::TcpListener, sync::mpsc, time::Duration,
};
use url::Url;

const SOON: Duration = Duration::from_millis(300);
const BODY: &str = "{\"text\":\"one two three four\"}";

fn permit() -> Permit {
    Permit::granted(Deadline::after(Duration::from_secs(10)))
}

fn once(http: &Http, url: &Url) -> Call {
    http.post_once(url, permit())
        .bytes("application/json", BODY.into())
}

#[track_caller]
fn is(error: &CallError, kind: CallErrorKind, class: Class) {
    assert_eq!(error.kind, kind, "{error}");
    assert_eq!(
        error.failure("toy.create.unanswered").class,
        class,
        "{error}"
    );
    assert_eq!(error.may_have_been_sent, class == Class::Ambiguous);
}

#[tokio::test]
async fn every_call_has_a_connection_of_its_own_and_speaks_http_1() {
    let server = Raw::friendly().await;
    let http = server.http();
    http.get(&server.url()).send().await.unwrap();
    for _ in 0..3 {
        once(&http, &server.url()).send().await.unwrap();
    }
    assert_eq!(server.seen.connections(), 4);
    assert_eq!(
        server
            .seen
            .text()
            .matches(&format!("\r\n\r\n{BODY}"))
            .count(),
        3
    );
    assert!(server.seen.text().contains("POST /path HTTP/1.1"));
    assert!(!server.seen.text().contains("chunked"));
}

#[tokio::test]
async fn a_connection_cut_before_the_answer_is_ambiguous_and_not_tried_again() {
    let server = Raw::start(|mut peer: Peer| async move {
        peer.request().await;
    })
    .await;
    let error = once(&server.http(), &server.url())
        .send()
        .await
        .unwrap_err();
    is(&error, CallErrorKind::Broken, Class::Ambiguous);
    assert_eq!(server.seen.connections(), 1);
    assert_eq!(server.seen.text().matches("POST").count(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_died_does_not_matter() {
    let server = Raw::start(|mut peer: Peer| async move {
        peer.request().await;
        peer.answer("{}").await;
    })
    .await;
    let http = server.http();
    http.get(&server.url()).send().await.unwrap();
    let answer = once(&http, &server.url()).send().await.unwrap();
    assert!(answer.is_success());
    assert_eq!(server.seen.text().matches("POST").count(), 1);
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_the_answer_is_ambiguous() {
    for half in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        "HTTP/1.1 20",
    ] {
        let server = Raw::start(move |mut peer: Peer| async move {
            peer.request().await;
            peer.say(half).await;
        })
        .await;
        let error = once(&server.http(), &server.url())
            .send()
            .await
            .unwrap_err();
        is(&error, CallErrorKind::Broken, Class::Ambiguous);
        assert_eq!(server.seen.connections(), 1);
    }
}

#[tokio::test]
async fn no_answer_before_the_deadline_is_ambiguous() {
    let server = Raw::start(|mut peer: Peer| async move {
        peer.request().await;
        pending::<()>().await;
    })
    .await;
    let call = once(&server.http(), &server.url()).deadline(Deadline::after(SOON));
    is(
        &call.send().await.unwrap_err(),
        CallErrorKind::TimedOut,
        Class::Ambiguous,
    );
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_ambiguous() {
    let server = Raw::start(|mut peer: Peer| async move {
        peer.request().await;
        peer.answer(&"x".repeat(2000)).await;
    })
    .await;
    let call = once(&server.http(), &server.url()).answer_bytes_max(1000);
    is(
        &call.send().await.unwrap_err(),
        CallErrorKind::AnswerTooLarge,
        Class::Ambiguous,
    );
}

#[tokio::test]
async fn a_refused_connection_is_unsent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let url = Url::parse(&format!("http://{addr}/")).unwrap();
    let error = once(&http(&[addr]), &url).send().await.unwrap_err();
    is(&error, CallErrorKind::Unreachable, Class::Transient);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_unsent() {
    let url = Url::parse("https://nobody.invalid/").unwrap();
    let error = once(&http(&[]), &url).send().await.unwrap_err();
    is(&error, CallErrorKind::Unreachable, Class::Transient);
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_unsent_whichever_clock_ends_it() {
    let server = Raw::start(|mut peer: Peer| async move {
        peer.request().await;
    })
    .await;
    let url = Url::parse(&format!("https://{}/", server.addr)).unwrap();
    let call = once(&server.http(), &url).deadline(Deadline::after(SOON));
    is(
        &call.send().await.unwrap_err(),
        CallErrorKind::TimedOut,
        Class::Transient,
    );
    let egress_allow = vec![publisher::EgressAllow(server.addr)];
    let config = HttpConfig {
        egress_allow,
        connect_timeout: SOON,
        ..HttpConfig::default()
    };
    let error = once(&Http::new(config).unwrap(), &url)
        .send()
        .await
        .unwrap_err();
    is(&error, CallErrorKind::Unreachable, Class::Transient);
}

#[tokio::test]
async fn past_its_permit_nothing_arrives() {
    let server = Raw::friendly().await;
    let late = Permit::granted(Deadline::after(Duration::ZERO));
    let call = server
        .http()
        .post_once(&server.url(), late)
        .bytes("text/plain", BODY.into());
    is(
        &call.send().await.unwrap_err(),
        CallErrorKind::PastNotAfter,
        Class::Transient,
    );
    assert_eq!(server.seen.connections(), 0);
}

#[tokio::test]
async fn a_permit_that_runs_out_while_connecting_lets_nothing_of_the_body_out() {
    let server = Raw::friendly().await;
    let not_after = Deadline::after(SOON);
    let slow = stream::once(async move {
        tokio::time::sleep(not_after.left()).await;
        Ok(BODY.into())
    });
    let call = server
        .http()
        .post_once(&server.url(), Permit::granted(not_after));
    let call = call.stream("text/plain", BODY.len() as u64, slow.boxed());
    is(
        &call.send().await.unwrap_err(),
        CallErrorKind::PastNotAfter,
        Class::Transient,
    );
    assert!(!server.seen.text().contains("one"));
}

#[tokio::test]
async fn a_body_that_is_late_is_cut_off() {
    let server = Raw::friendly().await;
    let not_after = Deadline::after(SOON);
    let (first, second) = BODY.split_at(10);
    let pieces = stream::iter([first, second]).then(move |piece| async move {
        if piece.len() != 10 {
            tokio::time::sleep(not_after.left()).await;
        }
        Ok(piece.into())
    });
    let call = server
        .http()
        .post_once(&server.url(), Permit::granted(not_after));
    let call = call.stream("text/plain", BODY.len() as u64, pieces.boxed());
    is(
        &call.send().await.unwrap_err(),
        CallErrorKind::PastNotAfter,
        Class::Ambiguous,
    );
    eventually("the cut", || server.seen.closed() == 1).await;
    let text = server.seen.text();
    assert!(text.ends_with(&format!("\r\n\r\n{first}")), "{text}");
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_never_whole() {
    for (length, body) in [(100, "short"), (3, "long")] {
        let server = Raw::friendly().await;
        let piece = stream::iter([Ok(body.into())]).boxed();
        let call = server.http().post_once(&server.url(), permit());
        let error = call
            .stream("text/plain", length, piece)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.kind, CallErrorKind::Broken, "{error}");
        assert!(error.to_string().contains("not as long"), "{error}");
    }
}

#[tokio::test]
async fn a_request_without_a_body_is_refused_because_it_could_not_be_withheld() {
    let server = Raw::friendly().await;
    let error = server
        .http()
        .post_once(&server.url(), permit())
        .send()
        .await
        .unwrap_err();
    is(&error, CallErrorKind::Refused, Class::Transient);
    assert_eq!(server.seen.connections(), 0);
}

thread_local! {
    /// What the trap of this test's thread waits for: the bytes that arrived before the second half existed.
    static FIRST_HALF: RefCell<Option<mpsc::Receiver<Vec<u8>>>> = const { RefCell::new(None) };
    static PASSED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Stops the whole runtime of the test, as a killed process would be stopped, until the server has the first half.
fn trap(point: &str) {
    let arrived = FIRST_HALF
        .take()
        .map(|half| half.recv_timeout(Duration::from_secs(5)));
    if let Some(arrived) = arrived {
        let text = String::from_utf8_lossy(&arrived.unwrap_or_default()).into_owned();
        PASSED.with_borrow_mut(|passed| passed.push(format!("{point} {text}")));
    }
}

#[cfg(debug_assertions)]
#[tokio::test(flavor = "current_thread")]
async fn at_the_fault_point_the_first_half_of_the_body_is_on_the_wire() {
    publisher::fault::arm("send.mid_body", trap).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    FIRST_HALF.set(Some(told));
    let half = BODY.split_at(BODY.len() / 2).0.to_owned();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut piece).unwrap_or(0);
            all.extend_from_slice(&piece[..read]);
            if read == 0 {
                return;
            }
            if all.ends_with(half.as_bytes()) {
                tell.send(all.clone()).unwrap();
            }
            if all.ends_with(BODY.as_bytes()) {
                return;
            }
        }
    });
    let url = Url::parse(&format!("http://{addr}/")).unwrap();
    let error = once(&http(&[addr]), &url).send().await.unwrap_err();
    is(&error, CallErrorKind::Broken, Class::Ambiguous);
    server.join().unwrap();
    let passed = PASSED.take();
    assert_eq!(passed.len(), 1);
    let half = BODY.split_at(BODY.len() / 2).0;
    assert!(
        passed[0].starts_with("send.mid_body POST / HTTP/1.1"),
        "{}",
        passed[0]
    );
    assert!(
        passed[0].ends_with(half) && !passed[0].contains("four"),
        "{}",
        passed[0]
    );
}
