//! Routes for tests and the demo: accounts come, lose their password, go down.

use super::{FakeAccount, FakePds};
use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{delete, post},
};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    status: Option<String>,
}

pub(super) fn routes(pds: Arc<FakePds>) -> Router {
    let (adding, revoking, setting, collecting) =
        (Arc::clone(&pds), Arc::clone(&pds), Arc::clone(&pds), pds);
    let add = move |Json(account): Json<FakeAccount>| async move {
        adding.lock().sessions.add(account);
        StatusCode::CREATED
    };
    let revoke = move |Path(did): Path<String>| async move {
        revoking.revoke_app_password(&did);
        StatusCode::NO_CONTENT
    };
    let set = move |Path(did): Path<String>, Json(wish): Json<Status>| async move {
        setting.set_status(&did, wish.status.as_deref());
        StatusCode::NO_CONTENT
    };
    let collect = move |Path(did): Path<String>| async move {
        collecting.collect_blobs(&did);
        StatusCode::NO_CONTENT
    };
    Router::new()
        .route("/_fake/accounts", post(add))
        .route("/_fake/accounts/{did}/password", delete(revoke))
        .route("/_fake/accounts/{did}/status", post(set))
        .route("/_fake/accounts/{did}/blobs", delete(collect))
}
