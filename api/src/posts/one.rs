//! One post, one batch: reading them, and canceling what has not begun.

use super::{
    answer::{BatchView, batch_view},
    view::{PostWithAttempts, with_attempts},
};
use crate::{
    State,
    auth::{Caller, Reader, Writer},
    path::PathId,
    problem::{Code, Problem},
};
use axum::{Json, extract::State as Shared, http::StatusCode};
use publisher::id::{BatchId, PostId};
use serde::Serialize;
use store::PostRow;

/// `GET /v1/posts/:id`: the post with its attempts.
pub(crate) async fn get(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    PathId(id): PathId<PostId>,
) -> Result<Json<PostWithAttempts>, Problem> {
    let post = find(&state, &caller, id).await?;
    let attempts = state
        .client()
        .store()
        .list_attempts(caller.org, post.id)
        .await?;
    Ok(Json(with_attempts(post, attempts)))
}

#[derive(Debug, Serialize)]
pub(crate) struct Canceled {
    id: PostId,
    status: &'static str,
}

/// `DELETE /v1/posts/:id`: cancels a post that has not begun.
pub(crate) async fn cancel(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    PathId(id): PathId<PostId>,
) -> Result<Json<Canceled>, Problem> {
    let post = find(&state, &caller, id).await?;
    if state.client().cancel_post(caller.org, post.id).await? {
        return Ok(Json(Canceled {
            id: post.id,
            status: "canceled",
        }));
    }
    let now = find(&state, &caller, id).await?;
    let message = format!(
        "Only a queued post can be canceled; this one is {}.",
        now.shown
    );
    Err(
        Problem::new(StatusCode::CONFLICT, Code::ValidationFailed, message)
            .rule("post.status")
            .remedy("What has begun takes its course; GET /v1/posts/:id shows how it ends."),
    )
}

/// `GET /v1/batches/:id`: the answer of its request, with today's statuses.
pub(crate) async fn batch(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    PathId(id): PathId<BatchId>,
) -> Result<Json<BatchView>, Problem> {
    let missing = || caller.not_found("batch");
    let store = state.client().store();
    let row = store
        .get_batch(caller.org, id.ok_or_else(missing)?)
        .await?
        .ok_or_else(missing)?;
    let posts = store.list_batch(caller.org, row.id).await?;
    batch_view(&row, posts, caller.pin)
        .map(Json)
        .ok_or_else(missing)
}

/// A post that the caller may see.
pub(super) async fn find(
    state: &State,
    caller: &Caller,
    id: Option<PostId>,
) -> Result<PostRow, Problem> {
    let missing = || caller.not_found("post");
    let found = state
        .client()
        .store()
        .get_post(caller.org, id.ok_or_else(missing)?, caller.pin)
        .await?;
    found.ok_or_else(missing)
}
