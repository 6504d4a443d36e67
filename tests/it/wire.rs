//! One connection to an API, byte by byte: for what a client library would never do.

use crate::process::LOOK_EVERY;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::{io::ErrorKind, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

/// How long an answer, or the end of a listener, is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

/// A connection that the test writes to as it likes.
pub(crate) struct Wire(TcpStream);

impl Wire {
    pub(crate) async fn open(address: &str) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// All that the server still says until it closes the connection, which it must.
    pub(crate) async fn rest(mut self) -> String {
        let mut said = Vec::new();
        let read = timeout(PATIENCE, self.0.read_to_end(&mut said)).await;
        // A reset is an end, too; what came before it counts.
        assert!(read.is_ok(), "the connection stays open after {PATIENCE:?}");
        String::from_utf8(said).unwrap()
    }
}

/// The head of a request with a body of that length.
pub(crate) fn head(line: &str, key: &SecretString, content_type: &str, length: usize) -> String {
    let key = key.expose_secret();
    format!(
        "{line} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {key}\r\ncontent-type: {content_type}\r\n\
         content-length: {length}\r\n\r\n"
    )
}

/// Status, headers and body of an answer that was the last one of its connection, and said so.
pub(crate) fn last_answer(said: &str) -> (u16, Value) {
    let (head, body) = said
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {said:?}"));
    let head = head.to_ascii_lowercase();
    assert!(head.contains("\r\nconnection: close"), "{head}");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    (status.unwrap(), serde_json::from_str(body).unwrap())
}

/// Waits until nobody listens there any more.
pub(crate) async fn refuses(address: &str) {
    let refused = async {
        loop {
            match TcpStream::connect(address).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                _ => sleep(LOOK_EVERY).await,
            }
        }
    };
    let refused = timeout(PATIENCE, refused).await;
    assert!(refused.is_ok(), "{address} still takes connections");
}
