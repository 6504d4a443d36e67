//! `GET /`: what this service is and where its parts are. Needs no key.

use crate::State;
use axum::{Json, extract::State as Shared};
use serde_json::{Value, json};

/// The service index.
pub(crate) async fn show(Shared(state): Shared<State>) -> Json<Value> {
    let base = &state.config().public_url;
    let docs = &state.config().docs_url;
    Json(json!({
        "name": "Postrider",
        "description": "Publishes posts to social platforms through one REST API, once each.",
        "version": "v1",
        "status": "ok",
        "documentation": {
            "docs": docs,
            "errors": format!("{docs}/errors"),
        },
        "endpoints": {
            "posts": format!("{base}/v1/posts"),
            "media": format!("{base}/v1/media"),
            "accounts": format!("{base}/v1/accounts"),
            "health": format!("{base}/health"),
            "ready": format!("{base}/ready"),
        },
        "authentication": {
            "scheme": "bearer",
            "header": "Authorization: Bearer lmp_live_…",
        },
    }))
}
