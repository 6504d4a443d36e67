//! What stands before a fake's handlers: faults, and effects that come late.
//!
//! A late effect is the whole request, kept and given to the handler again when it is due; therefore no handler knows of
//! it. Until then the ledger holds an entry for it that is not effective.

use super::{FakeKit, FakePlatform, Fault, clock::ARRIVED, journal};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, stream};
use std::{future, io, sync::Arc, time::Duration};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Largest request that a fake reads.
const REQUEST_BYTES_MAX: usize = 256 << 20;
/// What [`Fault::HugeAnswer`] answers with.
const HUGE_BYTES: usize = 64 << 20;
/// Pause between two bytes of [`Fault::TrickleAnswer`].
const TRICKLE: Duration = Duration::from_secs(1);

/// Closes the connection that a request came by.
#[derive(Clone)]
pub(super) struct Connection(pub(super) CancellationToken);

impl Connection {
    /// Closes it; never returns, because the connection's future is dropped.
    async fn cut(&self) -> ! {
        self.0.cancel();
        future::pending().await
    }
}

struct Delayed {
    due: DateTime<Utc>,
    request: Request,
    placeholder: Option<u64>,
}

/// The platform behind its faults.
pub(super) struct Injector {
    platform: Arc<dyn FakePlatform>,
    handlers: Router,
    kit: FakeKit,
    delayed: Mutex<Vec<Delayed>>,
}

impl Injector {
    pub(super) fn new(platform: Arc<dyn FakePlatform>, kit: FakeKit) -> Self {
        let handlers = Arc::clone(&platform).routes(kit.clone());
        Self {
            platform,
            handlers,
            kit,
            delayed: Mutex::default(),
        }
    }

    pub(super) fn handlers(&self) -> Router {
        self.handlers.clone()
    }

    /// Lets everything take effect that is due by now; returns when the next thing is due.
    pub(super) async fn settle(&self) -> Option<DateTime<Utc>> {
        // Held while the handlers run: a request that comes in the meantime must find the effects.
        let mut delayed = self.delayed.lock().await;
        let now = self.kit.clock.now();
        let (due, rest): (Vec<_>, Vec<_>) = delayed.drain(..).partition(|each| each.due <= now);
        *delayed = rest;
        for each in due {
            if let Some(number) = each.placeholder {
                self.kit.ledger.forget(number);
            }
            let answer = ARRIVED.scope(each.due, self.run(each.request)).await;
            tracing::debug!(status = answer.status().as_u16(), "took effect late");
        }
        self.platform.tick(&self.kit);
        delayed.iter().map(|each| each.due).min()
    }

    /// Handles one request, with whatever is armed for it.
    pub(super) async fn handle(&self, request: Request, next: Next) -> Response {
        self.settle().await;
        let Some(connection) = request.extensions().get::<Connection>().cloned() else {
            return next.run(request).await;
        };
        let method = request.method().as_str().to_owned();
        let fault = self.kit.faults.take(&method, request.uri().path());
        if let Some(fault) = &fault {
            tracing::debug!(method, path = request.uri().path(), ?fault, "goes wrong");
        }
        let request = match &fault {
            Some(Fault::CutMidBody) => {
                read_half(request).await;
                connection.cut().await
            }
            _ => self.noted(request).await,
        };
        let Some(request) = request else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        match fault {
            None => next.run(request).await,
            Some(fault) => self.go_wrong(fault, request, next, &connection).await,
        }
    }

    /// Reads the request whole and writes it into the journal; none if the client left before its end.
    async fn noted(&self, request: Request) -> Option<Request> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, REQUEST_BYTES_MAX).await.ok()?;
        let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
        let attempted = self
            .platform
            .attempted(&parts.method, path, &body, &self.kit);
        self.kit.journal.record(journal::Request::new(
            self.kit.clock.now(),
            &parts.method,
            (path, query),
            &body,
            attempted.is_some(),
        ));
        Some(Request::from_parts(parts, Body::from(body)))
    }

    /// Forgets what was to take effect late.
    pub(super) async fn forget_delayed(&self) {
        self.delayed.lock().await.clear();
    }

    async fn go_wrong(
        &self,
        fault: Fault,
        request: Request,
        next: Next,
        connection: &Connection,
    ) -> Response {
        match fault {
            // Half of it was read before.
            Fault::CutMidBody => connection.cut().await,
            Fault::CutAfter => {
                next.run(request).await;
                connection.cut().await
            }
            Fault::Empty => {
                let answer = next.run(request).await;
                answer.map(|_| Body::empty()).with_length(0)
            }
            Fault::TrickleAnswer => trickled(next.run(request).await).await,
            Fault::HugeAnswer => {
                let answer = next.run(request).await;
                let piece = Bytes::from(vec![b' '; 1 << 16]);
                let pieces = (0..HUGE_BYTES >> 16).map(move |_| Ok::<_, io::Error>(piece.clone()));
                answer
                    .map(|_| Body::from_stream(stream::iter(pieces)))
                    .with_length(HUGE_BYTES)
            }
            Fault::Hang { until_released } => self.hang(until_released, request).await,
            Fault::CutBefore => {
                self.note(request, "cut before it took effect").await;
                connection.cut().await
            }
            Fault::Late { after } => {
                self.delay(request, after).await;
                connection.cut().await
            }
            Fault::Status {
                status,
                body,
                headers,
            } => {
                self.note(request, &format!("answered {status}, without effect"))
                    .await;
                refusal(status, &body, headers)
            }
            Fault::Html => {
                self.note(request, "answered with a page, without effect")
                    .await;
                axum::response::Html("<!doctype html><title>Gateway</title>").into_response()
            }
            Fault::Redirect { to } => {
                self.note(request, "redirected, without effect").await;
                (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
            }
        }
    }

    async fn hang(&self, until_released: bool, request: Request) -> Response {
        let mut releases = self.kit.faults.releases();
        let (request, placeholder) = self.place(request, "hangs").await;
        if !until_released {
            return future::pending().await;
        }
        if releases.changed().await.is_err() {
            return future::pending().await;
        }
        if let Some(number) = placeholder {
            self.kit.ledger.forget(number);
        }
        self.run(request).await
    }

    /// Gives a kept request to the handlers.
    async fn run(&self, request: Request) -> Response {
        match self.handlers().oneshot(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        }
    }

    async fn delay(&self, request: Request, after: Duration) {
        let (request, placeholder) = self.place(request, "takes effect late").await;
        let due = self.kit.clock.now() + TimeDelta::from_std(after).unwrap_or(TimeDelta::MAX);
        self.delayed.lock().await.push(Delayed {
            due,
            request,
            placeholder,
        });
    }

    /// Reads the request whole and puts an entry for it into the ledger that is not effective.
    async fn note(&self, request: Request, note: &str) {
        self.place(request, note).await;
    }

    async fn place(&self, request: Request, note: &str) -> (Request, Option<u64>) {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, REQUEST_BYTES_MAX).await.unwrap_or_default();
        let entry = self
            .platform
            .attempted(&parts.method, parts.uri.path(), &body, &self.kit);
        let number = entry.map(|mut entry| {
            entry.effective = false;
            note.clone_into(&mut entry.note);
            self.kit.ledger.record(entry)
        });
        // Not the extensions: the router keeps its path parameters there and would count them twice.
        let mut again = Request::new(Body::from(body));
        *again.method_mut() = parts.method;
        *again.uri_mut() = parts.uri;
        *again.headers_mut() = parts.headers;
        (again, number)
    }
}

async fn read_half(request: Request) {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length: usize = length
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or_default();
    let (mut pieces, mut read) = (request.into_body().into_data_stream(), 0);
    while read < length / 2 {
        match pieces.next().await {
            Some(Ok(piece)) => read += piece.len(),
            _ => return,
        }
    }
}

async fn trickled(answer: Response) -> Response {
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, REQUEST_BYTES_MAX).await.unwrap_or_default();
    let length = body.len();
    let pieces = stream::iter(0..length).then(move |at| {
        let byte = body.slice(at..=at);
        async move {
            tokio::time::sleep(TRICKLE).await;
            Ok::<_, io::Error>(byte)
        }
    });
    Response::from_parts(parts, Body::from_stream(pieces)).with_length(length)
}

fn refusal(status: u16, body: &serde_json::Value, headers: Vec<(String, String)>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = (status, axum::Json(body)).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (
            header::HeaderName::try_from(name),
            header::HeaderValue::try_from(value),
        ) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

trait WithLength {
    fn with_length(self, length: usize) -> Self;
}

impl WithLength for Response {
    fn with_length(mut self, length: usize) -> Self {
        self.headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
        self
    }
}
