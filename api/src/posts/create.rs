//! `POST /v1/posts`: judge, hand over, wait, answer.
//!
//! An immediate post is a job like any other; the caller merely waits for it. Whoever repeats the request under the same
//! Idempotency-Key joins that wait. A caller who hangs up changes nothing.

use super::{
    answer::{BatchView, batch_view},
    draft::Draft,
    judge, resolve,
    shape::{self, Content, Request, Source},
};
use crate::{
    State,
    auth::{self, Caller, Writer},
    body,
    edge::RequestId,
    idempotency::{self, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED},
    json,
    problem::{Code, Problem, Violation},
    wire,
};
use axum::{
    body::Body,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use bytes::Bytes;
use engine::{
    AcceptError, Acceptance, LibraryError, Remembered, Replay, Submission, Target, TargetMedia,
};
use publisher::id::{BatchId, ProfileId};
use serde_json::{Map, Value};
use std::collections::HashMap;
use store::{AccountRow, BatchRow, StoreError};

/// The path that stands for both mounts in fingerprints.
const PATH: &str = "/v1/posts";

/// Takes a request for 1 to 25 posts. 200 with results when it is immediate, 202 when it is scheduled.
pub(crate) async fn create(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    request_id: RequestId,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let key = idempotency::key(&headers)?;
    let bytes = body::read(&state, &headers, body).await?;
    let remembered = key.map(|key| idempotency::remember(key, "POST", PATH, &bytes));
    if let Some(remembered) = &remembered {
        match state.client().replayed(caller.org, remembered).await? {
            Some(Replay::Known { batch }) => {
                return finish(&state, &caller, batch, Some(remembered), true).await;
            }
            Some(Replay::KeyReused) => return Err(idempotency::reused()),
            None => {}
        }
    }
    let submission = Box::pin(judged(
        &state,
        &caller,
        &request_id,
        bytes,
        remembered.clone(),
    ))
    .await?;
    let (batch, replayed) = match Box::pin(state.client().accept(submission))
        .await
        .map_err(refused)?
    {
        Acceptance::New { batch } => (batch, false),
        Acceptance::Known { batch } => (batch, true),
    };
    finish(&state, &caller, batch, remembered.as_ref(), replayed).await
}

/// A submission without a violation. Files that came inside the request are in the library then, and not before.
async fn judged(
    state: &State,
    caller: &Caller,
    request_id: &RequestId,
    bytes: Bytes,
    remembered: Option<Remembered>,
) -> Result<Submission, Problem> {
    let json::Read {
        value: draft,
        unknown,
    } = json::read::<Draft>(&bytes)?;
    drop(bytes);
    let now = match draft.scheduled_at {
        Some(_) => Some(state.client().store().ping().await?.1),
        None => None,
    };
    let (mut request, mut found) = shape::judge(draft, &unknown, state.client().registry(), now);
    if let (Some(pin), Some(asked)) = (caller.pin, request.profile)
        && pin != asked
    {
        let message = "profileId is not the profile that this key is bound to.";
        let violation = Violation::new("profile.scope_mismatch", "profileId", message);
        found
            .push(violation.remedy("Leave profileId out, or use a key of the whole organisation."));
    }
    let accounts = resolve::accounts(state, caller, &request, &mut found).await?;
    judge::preflight(state, caller, &request, &accounts, &mut found).await?;
    if !found.is_empty() {
        return Err(Problem::invalid_all(found));
    }
    let stored = keep_inline(state, caller, &mut request, &accounts).await?;
    let scheduled_at = request.scheduled_at;
    let metadata = request.metadata.clone();
    let warnings = std::mem::take(&mut request.warnings);
    Ok(Submission {
        org: caller.org,
        api_key: Some(caller.key),
        request_id: request_id.0.to_string(),
        remembered,
        scheduled_at,
        targets: targets(request, accounts, &stored)?,
        metadata: Value::Object(metadata),
        warnings,
    })
}

/// Stores the inline files, once each, in the profile of the first target that uses them; returns their ids.
async fn keep_inline(
    state: &State,
    caller: &Caller,
    request: &mut Request,
    accounts: &[Option<AccountRow>],
) -> Result<HashMap<usize, String>, Problem> {
    let mut wanted: Vec<(usize, ProfileId)> = Vec::new();
    for (target, account) in request.targets.iter().zip(accounts) {
        let (Some(content), Some(account)) = (&target.content, account) else {
            continue;
        };
        for item in &content.media {
            if let Source::Inline(index) = item.source
                && !wanted.iter().any(|(other, _)| *other == index)
            {
                wanted.push((index, account.profile));
            }
        }
    }
    let files = std::mem::take(&mut request.inline);
    let mut stored = HashMap::new();
    for (index, profile) in wanted {
        let Some(bytes) = files.get(index) else {
            continue;
        };
        let row = keep(state, caller, profile, bytes)
            .await
            .map_err(crate::media::refused)?;
        stored.insert(index, row);
    }
    Ok(stored)
}

/// Stores one file and returns its id.
pub(super) async fn keep(
    state: &State,
    caller: &Caller,
    profile: ProfileId,
    bytes: &[u8],
) -> Result<String, LibraryError> {
    let mut upload = state.client().library().begin(caller.org).await?;
    upload.write(bytes).await?;
    Ok(upload.finish(state.client().store(), profile).await?.id)
}

fn targets(
    request: Request,
    accounts: Vec<Option<AccountRow>>,
    stored: &HashMap<usize, String>,
) -> Result<Vec<Target>, Problem> {
    let shared = request.metadata;
    let pairs = request.targets.into_iter().zip(accounts);
    let targets = pairs.map(|(target, account)| {
        let Content {
            text,
            media,
            first_comment,
            options,
        } = target.content?;
        let media = media.into_iter().map(|item| {
            let id = match item.source {
                Source::Library(id) => id,
                Source::Inline(index) => stored.get(&index)?.clone(),
            };
            Some(TargetMedia {
                id,
                kind: item.kind,
                alt_text: item.alt_text,
                captions: item.captions,
            })
        });
        Some(Target {
            account: account?,
            text,
            media: media.collect::<Option<_>>()?,
            first_comment,
            options: Value::Object(options),
            metadata: Value::Object(merged(&shared, target.metadata)),
            publish_within: target.publish_within,
            warnings: target.warnings,
        })
    });
    // Without a violation every target has its account and its content.
    targets.collect::<Option<_>>().ok_or_else(Problem::internal)
}

/// What the caller keeps with the whole request can be filtered by on every post; a target's own word wins.
fn merged(shared: &Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    let mut all = shared.clone();
    all.extend(own);
    all
}

fn refused(error: AcceptError) -> Problem {
    match error {
        AcceptError::Preflight(violations) => {
            Problem::invalid_all(violations.into_iter().map(judge::told).collect())
        }
        AcceptError::KeyReused => idempotency::reused(),
        AcceptError::KeyRevoked => auth::revoked("Nothing was accepted."),
        AcceptError::AccountGone => Problem::not_found("account").rule("target.account.unknown"),
        AcceptError::PlatformGone { platform } => {
            let message = format!("{platform} is not enabled on this server.");
            Problem::new(StatusCode::FORBIDDEN, Code::PlatformNotEnabled, message)
                .platform(platform)
        }
        AcceptError::Store(error) => error.into(),
    }
}

/// Waits for an accepted batch where its caller does, and answers with what it has come to.
async fn finish(
    state: &State,
    caller: &Caller,
    batch: BatchId,
    remembered: Option<&Remembered>,
    replayed: bool,
) -> Result<Response, Problem> {
    let (row, view) =
        settled_view(state, caller, batch)
            .await
            .map_err(|stopped| match stopped {
                Stopped::Revoked => {
                    auth::revoked(&format!("The batch {batch} had been accepted and goes on."))
                }
                Stopped::Store(error) => accepted_all_the_same(&error, batch),
            })?;
    let Some(view) = view else {
        return Err(idempotency::reused());
    };
    let status = if row.awaited {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut headers = Vec::new();
    if let Some(remembered) = remembered {
        headers.push((IDEMPOTENCY_KEY.clone(), remembered.key.as_str()));
    }
    if replayed {
        headers.push((IDEMPOTENCY_REPLAYED.clone(), "true"));
    }
    Ok(wire::answer(status, &view, &headers))
}

enum Stopped {
    Revoked,
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The batch as it is when its wait is over; no view if the caller may see none of its posts.
async fn settled_view(
    state: &State,
    caller: &Caller,
    batch: BatchId,
) -> Result<(BatchRow, Option<BatchView>), Stopped> {
    let store = state.client().store();
    let row =
        store
            .get_batch(caller.org, batch)
            .await?
            .ok_or_else(|| StoreError::Inconsistent {
                table: "batches",
                column: "id",
                row: batch.to_string(),
            })?;
    if row.awaited {
        wait(state, caller, batch).await?;
    }
    let posts = store.list_batch(caller.org, batch).await?;
    let view = batch_view(&row, posts, caller.pin);
    Ok((row, view))
}

/// Returns when the batch has settled or waiting is over. The key is looked at again and again, and once at the end.
async fn wait(state: &State, caller: &Caller, batch: BatchId) -> Result<(), Stopped> {
    let client = state.client();
    let settled = client.wait_settled(caller.org, batch);
    tokio::pin!(settled);
    loop {
        let is_over = tokio::select! {
            _ = &mut settled => true,
            () = tokio::time::sleep(state.config().key_check) => false,
        };
        match client.is_key_valid(caller.org, caller.key).await {
            Ok(true) => {}
            Ok(false) => return Err(Stopped::Revoked),
            // The wait has a bound of its own; a database that is away for a moment does not end it.
            Err(error) if error.is_passing() && !is_over => {}
            Err(error) => return Err(error.into()),
        }
        if is_over {
            return Ok(());
        }
    }
}

fn accepted_all_the_same(error: &StoreError, batch: BatchId) -> Problem {
    crate::problem::tell(error);
    let message =
        format!("The batch {batch} was accepted and goes on, but its results cannot be read now.");
    Problem::away(message).remedy(format!(
        "Do not send it again without the same Idempotency-Key; GET /v1/batches/{batch} shows what became of it."
    ))
}
