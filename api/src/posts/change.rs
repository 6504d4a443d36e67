//! `PATCH /v1/posts/:id`, `POST /v1/posts/:id/retry`: a post before it has begun, and after it ended unpublished.
//!
//! New content is judged here first, together with the request's shape, so that one answer names everything and a refused
//! request leaves no file in the library; the engine judges again what it writes.

use super::{
    create::keep,
    draft::{ChangeDraft, RetryDraft},
    judge::{self, Effective},
    one::find,
    shape::{self, Change, Item, Source},
    view::{PostView, post_view},
};
use crate::{
    State,
    auth::{Caller, Writer},
    body, json,
    path::PathId,
    problem::{Code, Problem, Violation},
    wire::{as_optional_instant, unknown_field},
};
use axum::{Json, body::Body, extract::State as Shared, http::HeaderMap, http::StatusCode};
use chrono::{DateTime, Utc};
use engine::{Edit, EditError, RetryError, TargetMedia};
use publisher::{Warning, id::PostId};
use serde::Serialize;
use store::PostRow;

/// Changes time, text or media of a post that has not begun.
pub(crate) async fn patch(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    PathId(id): PathId<PostId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PostView>, Problem> {
    let post = find(&state, &caller, id).await?;
    let bytes = body::read(&state, &headers, body).await?;
    let json::Read {
        value: draft,
        unknown,
    } = json::read::<ChangeDraft>(&bytes)?;
    drop(bytes);
    let now = state
        .client()
        .check_editable(&post)
        .await
        .map_err(|error| not_changed(error, &caller))?;
    let (change, mut found) = shape::judge_change(draft, state.client().registry(), now);
    judge_content(&state, &caller, &post, &change, &mut found).await?;
    if !found.is_empty() {
        return Err(Problem::invalid_all(found));
    }
    let edit = Edit {
        scheduled_at: change.scheduled_at,
        media: keep_media(&state, &caller, &post, &change).await?,
        text: change.text,
        warnings: unknown.iter().map(|path| unknown_field(path)).collect(),
    };
    let edited = Box::pin(state.client().edit_post(caller.org, post.id, &edit))
        .await
        .map_err(|error| not_changed(error, &caller))?;
    Ok(Json(post_view(edited)))
}

/// The platform's rules about the post as it would be.
async fn judge_content(
    state: &State,
    caller: &Caller,
    post: &PostRow,
    change: &Change,
    found: &mut Vec<Violation>,
) -> Result<(), Problem> {
    if change.text.is_none() && change.media.is_none() {
        return Ok(());
    }
    let stored: Vec<Item> = TargetMedia::of_post(post)?
        .into_iter()
        .map(|media| Item {
            kind: media.kind,
            alt_text: media.alt_text,
            captions: media.captions,
            source: Source::Library(media.id),
        })
        .collect();
    let effective = Effective {
        text: change.text.as_deref().unwrap_or(&post.text),
        media: change.media.as_deref().unwrap_or(&stored),
        // What the post has already was allowed when it was accepted.
        pin: caller.pin.filter(|_| change.media.is_some()),
        inline: &change.inline,
    };
    Ok(judge::preflight_change(state, caller, post, effective, found).await?)
}

/// The new media by their ids; files that came inside the request are in the library then.
async fn keep_media(
    state: &State,
    caller: &Caller,
    post: &PostRow,
    change: &Change,
) -> Result<Option<Vec<TargetMedia>>, Problem> {
    let Some(items) = &change.media else {
        return Ok(None);
    };
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let id = match &item.source {
            Source::Library(id) => id.clone(),
            Source::Inline(at) => {
                let bytes = change.inline.get(*at).ok_or_else(Problem::internal)?;
                keep(state, caller, post.profile, bytes)
                    .await
                    .map_err(crate::media::refused)?
            }
        };
        kept.push(TargetMedia {
            id,
            kind: item.kind,
            alt_text: item.alt_text.clone(),
            captions: item.captions.clone(),
        });
    }
    Ok(Some(kept))
}

/// A post that waits again.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Retried {
    id: PostId,
    status: &'static str,
    #[serde(serialize_with = "as_optional_instant")]
    scheduled_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Queues a failed, rejected or canceled post again.
pub(crate) async fn retry(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    PathId(id): PathId<PostId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Retried>, Problem> {
    let post = find(&state, &caller, id).await?;
    let bytes = body::read(&state, &headers, body).await?;
    let (draft, unknown) = if bytes.is_empty() {
        (RetryDraft::default(), Vec::new())
    } else {
        let read = json::read::<RetryDraft>(&bytes)?;
        (read.value, read.unknown)
    };
    let (_, now) = state.client().store().ping().await?;
    let registry = state.client().registry();
    let (at, found) = shape::judge_time(draft.scheduled_at.as_deref(), registry, now);
    if !found.is_empty() {
        return Err(Problem::invalid_all(found));
    }
    let by = format!("API key {}", caller.key);
    let requeued = state
        .client()
        .retry_post(caller.org, post.id, &by, at)
        .await
        .map_err(|error| not_retried(error, &caller))?;
    Ok(Json(Retried {
        id: requeued.post,
        status: "queued",
        scheduled_at: requeued.scheduled_at,
        warnings: unknown.iter().map(|path| unknown_field(path)).collect(),
    }))
}

fn conflict(rule: &str, message: impl Into<String>, remedy: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, Code::ValidationFailed, message)
        .rule(rule)
        .remedy(remedy)
}

fn too_soon() -> Problem {
    let message = "scheduledAt is not at least one second in the future.";
    Problem::invalid(
        Violation::new("scheduledAt.future", "scheduledAt", message)
            .remedy("Choose a later instant."),
    )
}

fn platform_gone(platform: String) -> Problem {
    let message = format!("{platform} is not enabled on this server.");
    Problem::new(StatusCode::FORBIDDEN, Code::PlatformNotEnabled, message).platform(platform)
}

fn not_changed(error: EditError, caller: &Caller) -> Problem {
    match error {
        EditError::NotFound => caller.not_found("post"),
        EditError::Begun { status } => conflict(
            "post.status",
            format!("Only a queued post can be changed; this one is {status}."),
            "What has begun takes its course; GET /v1/posts/:id shows how it ends.",
        ),
        EditError::Window { scheduled_at } => conflict(
            "post.scheduledAt.window",
            match scheduled_at {
                Some(_) => {
                    "The post's scheduledAt is past: it goes as soon as it can, and cannot be changed."
                }
                None => {
                    "The post has no scheduledAt: it goes as soon as it can, and cannot be changed."
                }
            },
            "Cancel it with DELETE /v1/posts/:id while it is queued, and send another one.",
        ),
        EditError::TooSoon => too_soon(),
        EditError::Preflight(violations) => {
            Problem::invalid_all(violations.into_iter().map(judge::told_change).collect())
        }
        EditError::PlatformGone { platform } => platform_gone(platform),
        EditError::Contended => conflict(
            "post.patch.raced",
            "The post is being changed by others at this moment; nothing of this request was done.",
            "Read the post, and send the request again if it still applies.",
        ),
        EditError::Store(error) => error.into(),
    }
}

fn not_retried(error: RetryError, caller: &Caller) -> Problem {
    match error {
        RetryError::NotFound => caller.not_found("post"),
        RetryError::Status { status } => conflict(
            "post.retry.status",
            format!(
                "Only a failed, rejected or canceled post can be retried; this one is {status}."
            ),
            "GET /v1/posts/:id shows how it goes on.",
        ),
        RetryError::Discarded => conflict(
            "post.retry.status",
            "An operator of this server has closed this post for good.",
            "Send its content as a new post, after a look at the platform.",
        ),
        RetryError::AccountMissing => conflict(
            "post.retry.account_missing",
            "The post's account is no longer connected.",
            "Connect the account, and send the content as a new post.",
        ),
        RetryError::Raced => conflict(
            "post.retry.raced",
            "The post changed while it was being retried, or its account has another post to look for first.",
            "Read the post, and retry it in a minute if it still applies.",
        ),
        RetryError::CannotLook { platform } => conflict(
            "post.retry.unverified",
            format!(
                "The post may be public already, and {platform} cannot be asked whether it is."
            ),
            "Look for it there. If it is not there, an operator of this server can send it (postrider dead-letters redrive).",
        ),
        RetryError::LooksFirst => conflict(
            "post.retry.unverified",
            "The post may be public already; it is looked for at once, and cannot be scheduled.",
            "Leave scheduledAt out: it is sent only if it is not there.",
        ),
        RetryError::TooSoon => too_soon(),
        RetryError::PlatformGone { platform } => platform_gone(platform),
        RetryError::Store(error) => error.into(),
    }
}
