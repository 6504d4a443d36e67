//! The guarded client.

use crate::raw::{Peer, Raw, http};
use publisher::{Class, Deadline, Pace, Scope, http::CallErrorKind};
use secrecy::SecretString;
use std::{future::pending, process::Command, time::Duration};
use tokio::time::Instant;
use url::Url;

const SOON: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_get_to_an_allowed_name_is_answered() {
    let server = Raw::friendly().await;
    let url = Url::parse(&format!("http://localhost:{}/", server.addr.port())).unwrap();
    let answer = server.http().get(&url).send().await.unwrap();
    assert!(answer.is_success());
    assert_eq!(&answer.body[..], b"{}");
}

#[tokio::test]
async fn proxy_variables_are_ignored() {
    let proxy = Raw::friendly().await;
    let address = format!("http://{}", proxy.addr);
    let output = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "http::a_get_to_an_allowed_name_is_answered"])
            .envs(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"].map(|n| (n, &address)))
            .env_remove("NO_PROXY")
            .output()
            .unwrap()
    });
    let output = output.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
    assert_eq!(proxy.seen.connections(), 0);
}

#[tokio::test]
async fn loopback_is_refused_by_address_and_by_name_and_nothing_arrives() {
    let server = Raw::friendly().await;
    let port = server.addr.port();
    let elsewhere = http(&[(server.addr.ip(), port ^ 1).into()]);
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let url = Url::parse(&format!("{scheme}://{host}:{port}/")).unwrap();
            let error = elsewhere.get(&url).send().await.unwrap_err();
            assert_eq!(error.kind, CallErrorKind::Refused, "{url}: {error}");
            assert!(!error.may_have_been_sent);
            let failure = error.failure("toy.call.refused");
            assert_eq!(failure.class, Class::Transient);
            assert!(
                failure
                    .remediation
                    .unwrap()
                    .contains("POSTRIDER_EGRESS_ALLOW")
            );
        }
    }
    assert_eq!(server.seen.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let goal = Raw::friendly().await;
    let location = format!(
        "HTTP/1.1 307 X\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        goal.url()
    );
    let server = Raw::start(move |mut peer: Peer| {
        let location = location.clone();
        async move {
            peer.request().await;
            peer.say(&location).await;
        }
    })
    .await;
    let answer = http(&[server.addr, goal.addr])
        .get(&server.url())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 307);
    assert_eq!(answer.header("location"), Some(goal.url().as_str()));
    assert_eq!(goal.seen.connections(), 0);
}

#[tokio::test]
async fn harmless_calls_share_a_connection() {
    let server = Raw::friendly().await;
    let http = server.http();
    for _ in 0..3 {
        http.get(&server.url()).send().await.unwrap();
    }
    assert_eq!(server.seen.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    for head in [
        "content-length: 5000000\r\n\r\n",
        "connection: close\r\n\r\n",
    ] {
        let server = Raw::start(move |mut peer: Peer| async move {
            peer.request().await;
            peer.say(&format!("HTTP/1.1 200 OK\r\n{head}")).await;
            for _ in 0..5000 {
                peer.say(&"x".repeat(1000)).await;
            }
        })
        .await;
        let call = server.http().get(&server.url()).answer_bytes_max(10_000);
        let error = call.send().await.unwrap_err();
        assert_eq!(error.kind, CallErrorKind::AnswerTooLarge);
        assert!(error.may_have_been_sent);
        assert_eq!(error.failure("toy.call.large").class, Class::Transient);
    }
}

#[tokio::test]
async fn a_trickled_answer_does_not_outlast_the_deadline() {
    let server = Raw::start(|mut peer: Peer| async move {
        peer.request().await;
        peer.say("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            .await;
        loop {
            peer.say("x").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let begun = Instant::now();
    let call = server
        .http()
        .get(&server.url())
        .deadline(Deadline::after(SOON));
    let error = call.send().await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::TimedOut);
    assert!(
        begun.elapsed() >= SOON && begun.elapsed() < SOON * 10,
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_call_past_its_deadline_is_not_made() {
    let server = Raw::friendly().await;
    let call = server
        .http()
        .get(&server.url())
        .deadline(Deadline::after(Duration::ZERO));
    let error = call.send().await.unwrap_err();
    assert_eq!(
        (error.kind, error.may_have_been_sent),
        (CallErrorKind::TimedOut, false)
    );
    assert_eq!(server.seen.connections(), 0);
}

#[tokio::test]
async fn a_pace_without_room_before_the_deadline_is_a_rate_limit_of_that_host_alone() {
    let (one, two) = (Raw::friendly().await, Raw::friendly().await);
    let pace = Pace {
        requests: 1,
        per: Duration::from_mins(1),
    };
    let http = http(&[one.addr, two.addr]).paced(pace);
    let get = |server: &Raw| {
        http.get(&server.url())
            .deadline(Deadline::after(SOON))
            .send()
    };
    get(&one).await.unwrap();
    let error = get(&one).await.unwrap_err();
    let CallErrorKind::Paced { retry_in } = error.kind else {
        panic!("{error}")
    };
    assert!(retry_in > Duration::from_secs(50));
    let failure = error.failure("toy.call.paced");
    assert_eq!(
        (failure.class, failure.scope),
        (Class::RateLimited, Scope::Host)
    );
    assert_eq!(failure.retry_in, Some(retry_in));
    get(&two).await.unwrap();
    assert_eq!(one.seen.text().matches("GET ").count(), 1);
}

#[tokio::test]
async fn a_pace_with_room_before_the_deadline_is_waited_for() {
    let server = Raw::friendly().await;
    let http = server.http().paced(Pace {
        requests: 1,
        per: Duration::from_millis(100),
    });
    let begun = Instant::now();
    for _ in 0..3 {
        http.get(&server.url()).send().await.unwrap();
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(195),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_call_carries_what_it_was_given() {
    let server = Raw::friendly().await;
    let token = SecretString::from("s3cret-token");
    let call = server
        .http()
        .put(&server.url())
        .bearer(&token)
        .header("x-kind", "toy");
    call.query(&[("q", "a b&c")])
        .json(&serde_json::json!({ "n": 1 }))
        .send()
        .await
        .unwrap();
    let text = server.seen.text();
    assert!(
        text.starts_with("PUT /path?q=a+b%26c HTTP/1.1\r\n"),
        "{text}"
    );
    for part in [
        "authorization: Bearer s3cret-token\r\n",
        "x-kind: toy\r\n",
        "content-type: application/json\r\n",
        "user-agent: postrider/",
        "\r\n\r\n{\"n\":1}",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

#[tokio::test]
async fn neither_a_call_nor_its_error_shows_a_secret() {
    let server = Raw::start(|_| pending()).await;
    let token = SecretString::from("s3cret-token");
    let call = server
        .http()
        .post(&server.url())
        .bearer(&token)
        .header("x-key", "s3cret-key");
    let call = call
        .query(&[("k", "s3cret-query")])
        .form(&[("p", "s3cret-body")]);
    let call = call.deadline(Deadline::after(SOON));
    let shown = format!("{call:?}");
    let error = call.send().await.unwrap_err();
    let all = format!(
        "{shown} {error} {error:?} {:?}",
        error.failure("toy.call.failed")
    );
    assert!(!all.contains("s3cret") && !all.contains("/path"), "{all}");
    assert!(all.contains("127.0.0.1"));
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_said_before_anything_is_sent() {
    let server = Raw::friendly().await;
    let call = server
        .http()
        .get(&server.url())
        .header("x-kind", "two\nlines");
    let error = call.send().await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Refused);
    assert!(error.to_string().contains("x-kind"), "{error}");
    assert_eq!(server.seen.connections(), 0);
}
