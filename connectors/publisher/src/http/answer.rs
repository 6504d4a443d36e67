//! What a platform answered, read whole and bounded in size.

use ::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A whole answer. Any status is an answer; what it means is for the connector to say.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// As received.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// It is none, or not of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// A header's value, if it is there and readable.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `Retry-After` in its form of whole seconds; the form of a date is not read.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("retry-after")?
            .trim()
            .parse()
            .ok()
            .map(Duration::from_secs)
    }
}

/// Why an answer could not be read whole.
pub(super) enum Unreadable {
    /// The connection broke.
    Broken(reqwest::Error),
    /// It is longer than allowed.
    TooLarge,
}

/// Reads an answer whole. Errors: the connection broke, or more than `bytes_max` came or were announced.
pub(super) async fn read(
    mut response: reqwest::Response,
    bytes_max: usize,
) -> Result<Answer, Unreadable> {
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(Unreadable::TooLarge);
    }
    let mut body = BytesMut::with_capacity(announced);
    while let Some(piece) = response.chunk().await.map_err(Unreadable::Broken)? {
        if body.len() + piece.len() > bytes_max {
            return Err(Unreadable::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    let status = response.status().as_u16();
    Ok(Answer {
        status,
        headers: std::mem::take(response.headers_mut()),
        body: body.freeze(),
    })
}
