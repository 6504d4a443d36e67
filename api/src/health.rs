//! `GET /health`: the process answers. `GET /ready`: it can do its work.

use crate::State;
use axum::{Json, extract::State as Shared, http::StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use store::SchemaState;

/// Whether the process is alive; looks at nothing else.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

#[derive(Debug, Serialize)]
pub(crate) struct Ready {
    status: &'static str,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Whether requests can be served now: 200, or 503 with what is missing.
pub(crate) async fn ready(Shared(state): Shared<State>) -> (StatusCode, Json<Ready>) {
    let wait = state.config().ready_wait;
    let mut checks = vec![bounded("database", wait, database(&state)).await];
    if checks.iter().all(|check| check.ok) {
        checks.push(bounded("schema", wait, schema(&state)).await);
        for further in state.readiness() {
            checks.push(bounded(further.name(), wait, further.check()).await);
        }
    }
    let all = checks.iter().all(|check| check.ok);
    let (status, word) = if all {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    (
        status,
        Json(Ready {
            status: word,
            checks,
        }),
    )
}

async fn bounded(
    name: &'static str,
    wait: Duration,
    check: impl Future<Output = Result<(), String>>,
) -> Check {
    let outcome = tokio::time::timeout(wait, check).await;
    let message = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(message)) => Some(message),
        Err(_elapsed) => Some(format!("no answer within {} ms", wait.as_millis())),
    };
    Check {
        name,
        ok: message.is_none(),
        message,
    }
}

async fn database(state: &State) -> Result<(), String> {
    match state.client().store().ping().await {
        Ok(_) => Ok(()),
        Err(_) => {
            Err("the database does not answer; work resumes by itself when it is back".to_owned())
        }
    }
}

async fn schema(state: &State) -> Result<(), String> {
    match state.client().store().schema_state().await {
        Ok(SchemaState::Current) => Ok(()),
        Ok(SchemaState::Behind(missing)) => Err(format!(
            "{missing} migrations are still to be applied; run `postrider migrate`"
        )),
        Ok(SchemaState::Ahead) => {
            Err("the schema is newer than this build; run the newer build".to_owned())
        }
        Err(_) => Err("the schema cannot be read".to_owned()),
    }
}
