//! Between the start of a process and its first piece of work: the database answers, the schema fits, the master key is the
//! right one.
//!
//! The API listens from the beginning, so that `GET /ready` can say what is missing; until all is well, requests are
//! answered as if the database were away, and none of them can seal anything under a wrong key.

use crate::{exit::Stop, wiring};
use async_trait::async_trait;
use axum::{Router, extract::Request, response::Response};
use engine::CanaryError;
use std::time::Duration;
use store::{SchemaState, Store, StoreError};
use tokio::sync::watch;
use tower::ServiceExt as _;
use vault::Vault;

/// How often it is looked again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is answered from the beginning.
const ALWAYS: [&str; 3] = ["/", "/health", "/ready"];

/// What the start waits for; none when it is over. Sent once per change.
pub(crate) type Missing = Option<String>;

/// Who may bring the schema up to this build's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// This process does.
    Migrates,
    /// An operator does, with `postrider migrate`.
    Expects,
}

/// Why work cannot begin.
enum NotYet {
    /// It may by itself, or by somebody's doing, later.
    Waiting(String),
    /// It never will.
    Never(anyhow::Error),
}

impl From<StoreError> for NotYet {
    fn from(error: StoreError) -> Self {
        if error.is_passing() {
            return Self::Waiting(
                "the database does not answer; this goes on by itself when it does".to_owned(),
            );
        }
        Self::Never(error.into())
    }
}

impl From<Stop> for NotYet {
    fn from(stop: Stop) -> Self {
        Self::Never(stop.into())
    }
}

/// Returns when work can begin, and tells `missing` what it waits for until then.
///
/// Errors: the master key is a wrong one, the database refuses us, or it is too old.
pub(crate) async fn prepare(
    store: &Store,
    vault: &Vault,
    schema: Schema,
    missing: &watch::Sender<Missing>,
) -> anyhow::Result<()> {
    loop {
        match look(store, vault, schema).await {
            Ok(()) => {
                missing.send_replace(None);
                return Ok(());
            }
            Err(NotYet::Never(error)) => return Err(error),
            Err(NotYet::Waiting(for_what)) => {
                let news = missing.send_if_modified(|known| {
                    let news = known.as_deref() != Some(&for_what);
                    *known = Some(for_what.clone());
                    news
                });
                if news {
                    tracing::warn!("waiting: {for_what}");
                }
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look(store: &Store, vault: &Vault, schema: Schema) -> Result<(), NotYet> {
    let (version, _) = store.ping().await?;
    if version < wiring::POSTGRES_MIN {
        return Err(wiring::too_old(version).into());
    }
    match (store.schema_state().await?, schema) {
        (SchemaState::Current, _) => {}
        (SchemaState::Behind(missing), Schema::Migrates) => {
            store.migrate().await?;
            tracing::info!(migrations = missing, "the schema is now this build's");
        }
        (SchemaState::Behind(_), Schema::Expects) => {
            return Err(NotYet::Waiting(
                "the schema is older than this build; run: postrider migrate".to_owned(),
            ));
        }
        (SchemaState::Ahead, _) => return Err(wiring::ahead().into()),
    }
    engine::check_canaries(store, vault).await.map_err(|error| match error {
        CanaryError::Store(error) => error.into(),
        wrong => {
            let remedy = "start with the master key that this database was written with; `postrider doctor` compares them";
            Stop::failed(wrong.to_string(), remedy).into()
        }
    })
}

/// Says in `GET /ready` what the start waits for.
pub(crate) struct StartUp(pub(crate) watch::Receiver<Missing>);

#[async_trait]
impl api::Readiness for StartUp {
    fn name(&self) -> &'static str {
        "start"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.borrow().clone().map_or(Ok(()), Err)
    }
}

/// Hands requests to `routes`, but to `closed` while something is missing.
pub(crate) fn gate(routes: Router, closed: Router, missing: watch::Receiver<Missing>) -> Router {
    Router::new().fallback(async move |request: Request| -> Response {
        let open = missing.borrow().is_none() || ALWAYS.contains(&request.uri().path());
        let chosen = if open { routes } else { closed };
        chosen
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {})
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Body, http::StatusCode, routing::get};

    fn routes(word: &'static str) -> Router {
        Router::new()
            .route("/ready", get(move || async move { word }))
            .route("/v1/posts", get(move || async move { word }))
    }

    async fn answer(gated: &Router, path: &str) -> String {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        let answer = gated.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn requests_pass_only_when_nothing_is_missing() {
        let (missing, seen) = watch::channel(Some("the database".to_owned()));
        let gated = gate(routes("open"), routes("closed"), seen);
        assert_eq!(answer(&gated, "/v1/posts").await, "closed");
        assert_eq!(answer(&gated, "/ready").await, "open");
        missing.send_replace(None);
        assert_eq!(answer(&gated, "/v1/posts").await, "open");
    }

    #[tokio::test]
    async fn readiness_says_what_the_start_waits_for() {
        use api::Readiness as _;
        let (missing, seen) = watch::channel(Some("the database".to_owned()));
        let start = StartUp(seen);
        assert_eq!(start.check().await, Err("the database".to_owned()));
        missing.send_replace(None);
        assert_eq!(start.check().await, Ok(()));
    }
}
