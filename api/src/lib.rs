//! The REST door of Postrider: it authorises, judges the shape of what it gets, writes jobs, and reads back.
//!
//! The one idea: nothing here publishes. `POST /v1/posts` hands a judged request to [`engine::Client`], which stores jobs in
//! one transaction; the answer is read from the database when those jobs have settled.
//!
//! Every answer passes through one layer (`edge`), which gives it its request id and turns every error, also those of the
//! framework and of a panic, into the one envelope (`problem`).
//!
//! This crate knows no platform (the registry names them), no SQL, no queue, no key material, and reads no clock: the time
//! that decides is the database's.

#![forbid(unsafe_code)]

mod accounts;
mod auth;
mod body;
mod edge;
mod health;
mod idempotency;
mod index;
mod json;
mod media;
mod path;
mod posts;
mod problem;
mod query;
mod state;
mod wire;

pub use state::{ApiConfig, Readiness, State};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};

/// The routes of the API over `state`, every answer in its final shape.
pub fn router(state: State) -> Router {
    let post_list = || get(posts::list::list).post(posts::create::create);
    let one_post = || {
        get(posts::one::get)
            .patch(posts::change::patch)
            .delete(posts::one::cancel)
    };
    Router::new()
        .route("/", get(index::show))
        .route("/health", get(health::alive))
        .route("/ready", get(health::ready))
        .route("/v1/posts", post_list())
        .route("/v1/posts/{id}", one_post())
        .route("/v1/posts/{id}/retry", post(posts::change::retry))
        .route("/posts", post_list())
        .route("/posts/{id}", one_post())
        .route("/posts/{id}/retry", post(posts::change::retry))
        .route("/v1/batches/{id}", get(posts::one::batch))
        .route("/v1/media", get(media::list).post(media::upload))
        .route("/v1/accounts", get(accounts::list))
        .route(
            "/v1/accounts/{id}",
            get(accounts::get).delete(accounts::disconnect::disconnect),
        )
        .route(
            "/v1/accounts/connect/{platform}",
            post(accounts::connect::begin),
        )
        .route(
            "/v1/accounts/connect/{platform}/complete",
            post(accounts::connect::complete),
        )
        .route(
            "/v1/accounts/oauth/{platform}/callback",
            get(accounts::consent::callback),
        )
        .fallback(edge::unknown_route)
        .method_not_allowed_fallback(edge::wrong_method)
        // Bodies are read, counted and timed by `body` and `media`, not by extractors.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(state.clone(), edge::serve))
        .with_state(state)
}
