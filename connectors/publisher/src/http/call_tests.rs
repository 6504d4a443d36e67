//! The fault point behind an answer; here and not with the other socket tests, because a process arms one point only.

use super::*;
use crate::http::{EgressAllow, HttpConfig};
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering},
};

static PASSED: AtomicUsize = AtomicUsize::new(0);

#[tokio::test]
async fn the_fault_point_after_the_answer_is_passed_by_answered_irreversible_requests_only() {
    fault::arm("send.after_answer", |_| {
        PASSED.fetch_add(1, Ordering::SeqCst);
    })
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // Answers the first and the third connection, closes the second one.
    let server = std::thread::spawn(move || {
        for turn in 0..3 {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut all, mut piece) = (Vec::new(), [0; 1024]);
            while !all.ends_with(b"{}") {
                let read = stream.read(&mut piece).unwrap();
                all.extend_from_slice(&piece[..read]);
            }
            if turn != 1 {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                    .unwrap();
            }
        }
    });
    let egress_allow = vec![EgressAllow(addr)];
    let http = Http::new(HttpConfig {
        egress_allow,
        ..HttpConfig::default()
    })
    .unwrap();
    let url = Url::parse(&format!("http://{addr}/")).unwrap();
    let body = serde_json::json!({});
    let permit = || Permit::granted(Deadline::after(Duration::from_secs(5)));

    http.post(&url).json(&body).send().await.unwrap();
    assert_eq!(PASSED.load(Ordering::SeqCst), 0);
    http.post_once(&url, permit())
        .json(&body)
        .send()
        .await
        .unwrap_err();
    assert_eq!(PASSED.load(Ordering::SeqCst), 0);
    http.post_once(&url, permit())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(PASSED.load(Ordering::SeqCst), 1);
    server.join().unwrap();
}
