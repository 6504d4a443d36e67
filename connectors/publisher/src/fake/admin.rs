//! The routes below `/_fake`: the same handles as in the process, for tests in another one and for people with curl.
//!
//! Bodies are JSON whatever their content type says, so that `curl -d` is enough.

use super::{FakeKit, FakePlatform, Fault, inject::Injector};
use axum::{
    Json, Router,
    body::Bytes,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The longest way that the clock goes at once: a century.
const ADVANCE_MS_MAX: u64 = 100 * 366 * 86_400_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arming {
    route: String,
    fault: Fault,
    #[serde(default = "once")]
    times: u32,
    #[serde(default)]
    skip: u32,
}

fn once() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

/// What every fake can be asked below `/_fake`.
const HANDLES: [&str; 8] = [
    "GET /_fake",
    "GET /_fake/ledger",
    "GET /_fake/requests",
    "POST /_fake/faults {route, fault, times, skip}",
    "DELETE /_fake/faults",
    "POST /_fake/release",
    "POST /_fake/clock {advance_ms}",
    "POST /_fake/reset",
];

pub(super) fn routes(
    platform: &Arc<dyn FakePlatform>,
    kit: &FakeKit,
    injector: &Arc<Injector>,
) -> Router {
    let about = json!({
        "fake": platform.name(),
        "about": platform.about(),
        "handles": HANDLES,
    });
    let (ledger, journal) = (kit.ledger.clone(), kit.journal.clone());
    let files = kit.files.clone();
    let (release, disarm) = (kit.faults.clone(), kit.faults.clone());
    let faults = kit.faults.clone();
    let arm = move |body: Bytes| async move {
        let wish: Arming = read(&body)?;
        faults.arm_after(wish.skip, &wish.route, wish.fault, wish.times);
        Ok::<_, Refused>(Json(json!({ "armed": faults.left() })))
    };
    let (clock, late) = (kit.clock.clone(), Arc::clone(injector));
    let advance = move |body: Bytes| async move {
        let wish: Advance = read(&body)?;
        clock.advance(Duration::from_millis(wish.advance_ms.min(ADVANCE_MS_MAX)));
        late.settle().await;
        Ok::<_, Refused>(Json(json!({ "now": clock.now() })))
    };
    let (platform, kit, injector) = (Arc::clone(platform), kit.clone(), Arc::clone(injector));
    let reset = move || async move {
        injector.forget_delayed().await;
        kit.reset();
        platform.reset(&kit);
        Json(json!({ "now": kit.clock.now() }))
    };
    Router::new()
        .route("/_fake", get(move || async move { Json(about) }))
        .route(
            "/_fake/ledger",
            get(move || async move { Json(ledger.entries()) }),
        )
        .route(
            "/_fake/requests",
            get(move || async move { Json(journal.requests()) }),
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
        .route(
            "/_fake/files/{id}",
            get(move |Path(id): Path<String>| async move {
                files.get(&id).ok_or(StatusCode::NOT_FOUND)
            }),
        )
        .route("/_fake/clock", post(advance))
        .route("/_fake/reset", post(reset))
}

/// A wish that cannot be read, with what would be one.
struct Refused(String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let told =
            json!({ "error": self.0, "remedy": "see docs/platforms/fakes.md", "handles": HANDLES });
        (StatusCode::UNPROCESSABLE_ENTITY, Json(told)).into_response()
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|e| Refused(e.to_string()))
}
