//! The layer around every route: request id, span, advertised limit, caught panics, and the envelope of every error.

use crate::{
    State,
    problem::{Code, Problem},
};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use publisher::measure;
use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc};
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

/// The header that carries a request's id, both ways.
pub(crate) static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

static X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");

const REQUEST_ID_CHARS_MAX: usize = 255;

/// The id under which one request is found again: the caller's, if it can be used, else ours.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let sent = headers
            .get(&X_REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        let usable = sent.filter(|id| {
            (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-=".contains(&byte))
        });
        Self(usable.map_or_else(|| Uuid::now_v7().to_string().into(), Into::into))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self::of(&parts.headers)))
    }
}

/// Serves one request and gives its answer its final shape.
pub(crate) async fn serve(
    Shared(state): Shared<State>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::of(request.headers());
    request.extensions_mut().insert(id.clone());
    let limit = advertised_limit(request.method(), request.uri().path());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("(none)", MatchedPath::as_str)
        .to_owned();
    let method = known_method(request.method());
    let span = tracing::info_span!("http.request", method, route, request.id = %id.0);
    let asked = Instant::now();
    let handled = AssertUnwindSafe(next.run(request))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let answered = handled.unwrap_or_else(|_panic| {
        span.in_scope(|| tracing::error!("a handler panicked"));
        Problem::internal().into_response()
    });
    let mut response = in_envelope(answered, &id, &state.config().docs_url);
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    measure::HTTP_REQUESTS.add([method, &route, response.status().as_str()], 1);
    measure::HTTP_REQUEST.observe([&route], asked.elapsed().as_secs_f64());
    let headers = response.headers_mut();
    headers.insert(X_RATELIMIT_LIMIT.clone(), HeaderValue::from_static(limit));
    if let Ok(id) = HeaderValue::from_str(&id.0) {
        headers.insert(X_REQUEST_ID.clone(), id);
    }
    response
}

/// A method in a bounded set of words: a client may invent any.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "(other)",
    }
}

/// The answer to a path that no route has.
pub(crate) async fn unknown_route() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        Code::NotFound,
        "There is no such route.",
    )
    .remedy("GET / lists the endpoints of this API.")
}

/// The answer to a method that a route does not have.
pub(crate) async fn wrong_method(method: Method) -> Problem {
    let message =
        format!("This route does not answer {method}; the Allow header names what it does.");
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        Code::ValidationFailed,
        message,
    )
    .rule("method")
}

/// What the contract advertises; it is no promise about the enforced limit.
fn advertised_limit(method: &Method, path: &str) -> &'static str {
    match (method, path) {
        (&Method::POST, "/v1/posts") => "1000",
        (&Method::POST, "/v1/media") => "500",
        _ => "5000",
    }
}

fn in_envelope(mut response: Response, id: &RequestId, docs_url: &str) -> Response {
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>().or_else(|| {
        let is_error = status.is_client_error() || status.is_server_error();
        let is_json = response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind == "application/json");
        (is_error && !is_json).then(|| Problem::of_status(status))
    });
    let Some(problem) = problem else {
        return response;
    };
    let mut enveloped = problem.into_envelope(&id.0, docs_url);
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        enveloped.headers_mut().insert(header::ALLOW, allow);
    }
    enveloped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_kept_only_if_it_can_be_used() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID.clone(), HeaderValue::from_str(value).unwrap());
            RequestId::of(&headers).0
        };
        assert_eq!(&*with("abc_DEF-1="), "abc_DEF-1=");
        let longest = "x".repeat(255);
        assert_eq!(&*with(&longest), longest);
        for unusable in ["", "a b", "a.b", &"x".repeat(256)] {
            assert!(
                Uuid::parse_str(&with(unusable)).is_ok(),
                "{unusable:?} was kept"
            );
        }
    }
}
