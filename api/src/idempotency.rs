//! The caller's Idempotency-Key: its shape, and the fingerprint of the request it stands for.

use crate::problem::{Code, Problem, Violation};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use engine::Remembered;
use sha2::{Digest as _, Sha256};

/// The header.
pub(crate) static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The header of an answer that repeats an earlier one.
pub(crate) static IDEMPOTENCY_REPLAYED: HeaderName =
    HeaderName::from_static("idempotency-replayed");

const KEY_CHARS_MAX: usize = 255;

/// The key that the caller sent, if any.
///
/// Errors: 400 if it is empty, longer than 255 characters, holds anything but visible ASCII and inner spaces, or came twice.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut sent = headers.get_all(&IDEMPOTENCY_KEY).iter();
    let Some(value) = sent.next() else {
        return Ok(None);
    };
    if sent.next().is_some() {
        return Err(invalid(
            "idempotency_key.single",
            "There are several Idempotency-Key headers.",
        ));
    }
    let bytes = value.as_bytes();
    if !(1..=KEY_CHARS_MAX).contains(&bytes.len()) {
        let message = format!(
            "The Idempotency-Key has {} characters; 1 to {KEY_CHARS_MAX} are allowed.",
            bytes.len()
        );
        return Err(invalid("idempotency_key.length", message));
    }
    match value.to_str() {
        Ok(text) if !text.contains('\t') => Ok(Some(text.to_owned())),
        _ => Err(invalid(
            "idempotency_key.characters",
            "The Idempotency-Key holds something other than visible ASCII.",
        )),
    }
}

/// The key with the fingerprint of its request; `path` without alias.
pub(crate) fn remember(key: String, method: &str, path: &str, body: &[u8]) -> Remembered {
    let mut hash = Sha256::new();
    // Neither a method nor a path contains a line feed.
    for part in [method.as_bytes(), b"\n", path.as_bytes(), b"\n", body] {
        hash.update(part);
    }
    Remembered {
        key,
        fingerprint: hash.finalize().into(),
    }
}

/// 409 for a key that stands for another request.
pub(crate) fn reused() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        Code::IdempotencyConflict,
        "This Idempotency-Key was used for another request before.",
    )
    .rule("idempotency_key.body_mismatch")
    .remedy("Use a new key for a new request; repeat the old key only with the identical body.")
}

fn invalid(rule: &str, message: impl Into<String>) -> Problem {
    let violation = Violation::new(rule, "Idempotency-Key", message);
    Problem::invalid(
        violation.remedy("Send one key of 1 to 255 visible ASCII characters, such as a UUID."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with(value: &[u8]) -> Result<Option<String>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(
            IDEMPOTENCY_KEY.clone(),
            HeaderValue::from_bytes(value).unwrap(),
        );
        key(&headers)
    }

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        assert_eq!(with(b"k").unwrap().unwrap(), "k");
        assert!(with(&[b'k'; 255]).is_ok());
        for bad in [&b""[..], &[b'k'; 256], b"\xffk", b"a\tb"] {
            assert!(with(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_fingerprint_depends_on_method_path_and_body() {
        let prints = [
            ("POST", "/a", "x"),
            ("PUT", "/a", "x"),
            ("POST", "/b", "x"),
            ("POST", "/a", "y"),
        ]
        .map(|(method, path, body)| {
            remember("k".to_owned(), method, path, body.as_bytes()).fingerprint
        });
        for (at, print) in prints.iter().enumerate() {
            assert_eq!(prints.iter().position(|other| other == print), Some(at));
        }
    }
}
