//! What a platform answered, read whole and bounded in size.

use ::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use secrecy::{ExposeSecret as _, SecretString};
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

    /// Takes repetitions of the request's own secrets out of an error answer: what a platform says about a failure is stored
    /// and shown.
    pub(super) fn without(mut self, secrets: &[SecretString]) -> Self {
        if !self.is_success() {
            for secret in secrets {
                let secret = secret.expose_secret();
                if !secret.is_empty() {
                    self.body = withheld(&self.body, secret.as_bytes());
                }
            }
        }
        self
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

/// The text with every occurrence of `secret` replaced.
fn withheld(text: &Bytes, secret: &[u8]) -> Bytes {
    let mut kept = BytesMut::new();
    let mut rest = &text[..];
    while let Some(at) = rest.windows(secret.len()).position(|found| found == secret) {
        kept.extend_from_slice(&rest[..at]);
        kept.extend_from_slice(b"(withheld)");
        rest = &rest[at + secret.len()..];
    }
    if kept.is_empty() && rest.len() == text.len() {
        return text.clone();
    }
    kept.extend_from_slice(rest);
    kept.freeze()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        }
    }

    #[test]
    fn an_error_answer_does_not_repeat_the_credential() {
        let secrets = ["s3cret", "c0de"].map(|secret| SecretString::from(secret.to_owned()));
        let without = |answer: Answer| answer.without(&secrets).body;
        let told = without(answer(401, "s3cret is wrong: s3cret"));
        assert_eq!(told, "(withheld) is wrong: (withheld)");
        assert_eq!(without(answer(400, "c0de s3cret")), "(withheld) (withheld)");
        assert_eq!(without(answer(500, "s3cre")), "s3cre");
        assert_eq!(
            without(answer(200, r#"{"is":"s3cret"}"#)),
            r#"{"is":"s3cret"}"#
        );
        assert_eq!(answer(401, "x").without(&[]).body, "x");
    }
}
