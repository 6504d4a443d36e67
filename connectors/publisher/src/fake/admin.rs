//! The routes below `/_fake`: the same handles as in the process, for tests in another one.

use super::{FakeKit, FakePlatform, Fault};
use axum::{
    Json, Router,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arming {
    route: String,
    fault: Fault,
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_s: f64,
}

pub(super) fn routes(platform: &Arc<dyn FakePlatform>, kit: &FakeKit) -> Router {
    let about = json!({
        "fake": platform.name(),
        "about": platform.about(),
        "handles": [
            "GET /_fake/ledger",
            "POST /_fake/faults {route, fault, times}",
            "DELETE /_fake/faults",
            "POST /_fake/release",
            "POST /_fake/clock {advance_s}",
        ],
    });
    let (ledger, faults, clock) = (kit.ledger.clone(), kit.faults.clone(), kit.clock.clone());
    let (disarm, release) = (kit.faults.clone(), kit.faults.clone());
    let arm = move |Json(wish): Json<Arming>| async move {
        faults.arm(&wish.route, wish.fault, wish.times);
        Json(json!({ "armed": faults.left() }))
    };
    let advance = move |Json(wish): Json<Advance>| async move {
        clock.advance(Duration::try_from_secs_f64(wish.advance_s).unwrap_or_default());
        Json(json!({ "now": clock.now() }))
    };
    Router::new()
        .route("/_fake", get(move || async move { Json(about) }))
        .route(
            "/_fake/ledger",
            get(move || async move { Json(ledger.entries()) }),
        )
        .route(
            "/_fake/faults",
            post(arm).delete(move || async move {
                disarm.clear();
                Json(Value::Null)
            }),
        )
        .route(
            "/_fake/release",
            post(move || async move {
                release.release();
                Json(Value::Null)
            }),
        )
        .route("/_fake/clock", post(advance))
}
