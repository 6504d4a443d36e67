//! Every request that a fake received, the harmless ones too: how tests count, order and compare them.

use super::faults::fits;
use axum::{body::Bytes, http::Method};
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Older requests are forgotten.
const REQUESTS_MAX: usize = 2_000;

/// Of a longer body the journal keeps this much, and the digest of all.
const BODY_BYTES_KEPT: usize = 64 << 10;

/// One request. On the wire it has neither query nor body: both may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Request {
    /// By the fake's clock.
    pub at: DateTime<Utc>,
    /// `POST`
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Length of the body.
    pub bytes: usize,
    /// Whether it asks for something irreversible.
    pub irreversible: bool,
    /// The query, perhaps empty.
    #[serde(skip)]
    pub query: String,
    /// The body, or the beginning of a long one.
    #[serde(skip)]
    pub body: Bytes,
    digest: u64,
}

impl Request {
    /// A request that was read whole.
    pub(super) fn new(
        at: DateTime<Utc>,
        method: &Method,
        (path, query): (&str, &str),
        body: &Bytes,
        irreversible: bool,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        Self {
            at,
            method: method.as_str().to_owned(),
            path: path.to_owned(),
            bytes: body.len(),
            irreversible,
            query: query.to_owned(),
            body: body.slice(..body.len().min(BODY_BYTES_KEPT)),
            digest: hasher.finish(),
        }
    }

    /// Whether it asks for the very same as `other`: method, path, query and every byte of the body.
    pub fn repeats(&self, other: &Self) -> bool {
        (
            &self.method,
            &self.path,
            &self.query,
            self.bytes,
            self.digest,
        ) == (
            &other.method,
            &other.path,
            &other.query,
            other.bytes,
            other.digest,
        )
    }

    /// Whether it is one to `route`, written as for [`super::Faults::arm`].
    pub fn is_to(&self, route: &str) -> bool {
        fits(route, &self.method, &self.path)
    }
}

/// All of them, in order of arrival. All clones are one journal.
#[derive(Clone, Debug, Default)]
pub struct Journal(Arc<Mutex<VecDeque<Request>>>);

impl Journal {
    /// Every request that is still known, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().iter().cloned().collect()
    }

    /// Those that asked for something irreversible.
    pub fn irreversible(&self) -> Vec<Request> {
        self.lock()
            .iter()
            .filter(|request| request.irreversible)
            .cloned()
            .collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    pub(super) fn record(&self, request: Request) {
        let mut all = self.lock();
        if all.len() == REQUESTS_MAX {
            all.pop_front();
        }
        all.push_back(request);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repetition_is_the_same_to_the_last_byte() {
        let request = |path: &str, body: Vec<u8>| {
            let at = DateTime::UNIX_EPOCH;
            Request::new(at, &Method::POST, (path, ""), &body.into(), true)
        };
        let long = |last: u8| {
            let mut body = vec![b'x'; BODY_BYTES_KEPT + 1];
            body.push(last);
            body
        };
        assert!(request("/a", long(1)).repeats(&request("/a", long(1))));
        assert!(!request("/a", long(1)).repeats(&request("/a", long(2))));
        assert!(!request("/a", long(1)).repeats(&request("/b", long(1))));
    }

    #[test]
    fn old_requests_are_forgotten_and_no_body_is_on_the_wire() {
        let journal = Journal::default();
        for n in 0..=REQUESTS_MAX {
            let (path, body) = (format!("/{n}"), Bytes::from_static(b"s3cret"));
            let at = DateTime::UNIX_EPOCH;
            journal.record(Request::new(
                at,
                &Method::PUT,
                (&path, "t=s3cret"),
                &body,
                false,
            ));
        }
        let all = journal.requests();
        assert_eq!((all.len(), all[0].path.as_str()), (REQUESTS_MAX, "/1"));
        assert!(!serde_json::to_string(&all).unwrap().contains("s3cret"));
        assert!(journal.irreversible().is_empty());
    }
}
