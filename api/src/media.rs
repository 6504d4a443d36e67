//! Media: files go into the library piece by piece, and are listed from it.

use crate::{
    State,
    auth::{Caller, Reader, Writer},
    body,
    edge::RequestId,
    problem::{Code, Problem, Violation},
    query::{self, Params},
    wire::{Page, as_instant, unknown_field},
};
use axum::{
    Json,
    extract::{FromRequest as _, Multipart, Request, State as Shared, multipart::Field},
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use engine::{LibraryError, Upload};
use publisher::{Warning, id::ProfileId};
use serde::Serialize;
use std::{fmt::Write as _, time::Duration};
use store::MediaRow;

const LIMIT_DEFAULT: i64 = 50;

const LIMIT_MAX: i64 = 100;

/// The part that holds the file.
const PART: &str = "file";

/// A file of the library.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MediaView {
    id: String,
    url: String,
    content_type: String,
    size_bytes: i64,
    sha256: String,
    #[serde(serialize_with = "as_instant")]
    created_at: DateTime<Utc>,
    profile_id: ProfileId,
    width: Option<i32>,
    height: Option<i32>,
    duration_ms: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// `POST /v1/media`: one file in the part `file` of a multipart form.
pub(crate) async fn upload(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    request_id: RequestId,
    mut params: Params,
    request: Request,
) -> Result<(StatusCode, Json<MediaView>), Problem> {
    let profile = target_profile(&state, &caller, params.profile()?).await?;
    let mut warnings = params.rest();
    let Ok(mut form) = Multipart::from_request(request, &()).await else {
        return Err(wrong(
            "media.content_type",
            "The body must be multipart/form-data with a boundary.",
            StatusCode::BAD_REQUEST,
        ));
    };
    let wait = state.config().body_wait;
    let mut upload: Option<Upload> = None;
    while let Some(field) = timed(wait, form.next_field()).await? {
        match (field.name(), &upload) {
            (Some(PART), Some(_)) => {
                return Err(wrong(
                    "media.single_file",
                    "There are several parts named `file`.",
                    StatusCode::BAD_REQUEST,
                ));
            }
            (Some(PART), None) => upload = Some(receive(&state, &caller, field).await?),
            (name, _) => {
                warnings.push(unknown_field(&crate::json::segment(
                    name.unwrap_or_default(),
                )));
                skip(wait, field).await?;
            }
        }
    }
    let Some(upload) = upload else {
        return Err(wrong(
            "media.missing_file",
            "There is no part named `file`.",
            StatusCode::BAD_REQUEST,
        ));
    };
    if !state.client().is_key_valid(caller.org, caller.key).await? {
        return Err(crate::auth::revoked("Nothing was stored."));
    }
    let row = upload
        .finish(state.client().store(), profile)
        .await
        .map_err(refused)?;
    tracing::info!(media = row.id, bytes = row.size_bytes, request.id = %request_id.0, "stored a file");
    Ok((StatusCode::CREATED, Json(view(row, warnings, &state))))
}

async fn receive(state: &State, caller: &Caller, mut field: Field<'_>) -> Result<Upload, Problem> {
    let wait = state.config().body_wait;
    let mut upload = state
        .client()
        .library()
        .begin(caller.org)
        .await
        .map_err(refused)?;
    while let Some(piece) = timed(wait, field.chunk()).await? {
        upload.write(&piece).await.map_err(refused)?;
    }
    Ok(upload)
}

async fn skip(wait: Duration, mut field: Field<'_>) -> Result<(), Problem> {
    while timed(wait, field.chunk()).await?.is_some() {}
    Ok(())
}

/// The next piece of a form. Errors: 408 if it does not come in time, 400 if it cannot be understood.
async fn timed<T>(
    wait: Duration,
    piece: impl Future<Output = Result<T, axum::extract::multipart::MultipartError>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(wait, piece).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(_)) => Err(wrong(
            "media.parse_failed",
            "The multipart body is broken or was cut off.",
            StatusCode::BAD_REQUEST,
        )),
        Err(_elapsed) => Err(body::too_slow()),
    }
}

/// The profile that a file is for: the key's, the one asked for, or the Default one.
async fn target_profile(
    state: &State,
    caller: &Caller,
    asked: Option<ProfileId>,
) -> Result<ProfileId, Problem> {
    let store = state.client().store();
    match caller.narrow(asked)? {
        Some(profile) if caller.pin.is_some() => Ok(profile),
        Some(profile) => {
            let found = store.find_profile(caller.org, profile).await?;
            found
                .map(|row| row.id)
                .ok_or_else(|| Problem::not_found("profile").rule("profile.unknown"))
        }
        None => store
            .default_profile(caller.org)
            .await?
            .ok_or_else(|| Problem::not_found("profile").rule("profile.unknown")),
    }
}

/// `GET /v1/media`: a page of the library, newest first.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    mut params: Params,
) -> Result<Json<Page<MediaView>>, Problem> {
    let mut warnings = Vec::new();
    let profile = caller.narrow(params.profile()?)?;
    let limit = params.limit()?.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let cursor = params.cursor::<String>(&mut warnings)?;
    warnings.extend(params.rest());
    let wanted = i32::try_from(limit).unwrap_or(i32::MAX - 1);
    let mut rows = state
        .client()
        .store()
        .list_media(caller.org, profile, cursor.as_ref(), wanted + 1)
        .await?;
    let has_more = rows.len() > usize::try_from(wanted).unwrap_or(usize::MAX);
    if has_more {
        rows.pop();
    }
    let next_cursor = rows
        .last()
        .filter(|_| has_more)
        .map(|row| query::write_cursor(row.created_at, &row.id));
    let data = rows
        .into_iter()
        .map(|row| view(row, Vec::new(), &state))
        .collect();
    Ok(Json(Page {
        data,
        next_cursor,
        warnings,
    }))
}

fn view(row: MediaRow, warnings: Vec<Warning>, state: &State) -> MediaView {
    MediaView {
        url: format!("{}/media/{}", state.config().public_url, row.id),
        id: row.id,
        content_type: row.content_type,
        size_bytes: row.size_bytes,
        sha256: hex(&row.sha256),
        created_at: row.created_at,
        profile_id: row.profile,
        width: row.width,
        height: row.height,
        duration_ms: row.duration_ms,
        warnings,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A refusal of the library, as the caller reads it.
pub(crate) fn refused(error: LibraryError) -> Problem {
    match error {
        LibraryError::TooLarge { max } => {
            let message = format!("The file is larger than {max} bytes.");
            wrong("media.size_max", &message, StatusCode::PAYLOAD_TOO_LARGE)
        }
        LibraryError::Empty => wrong(
            "media.empty_body",
            "The file is empty.",
            StatusCode::BAD_REQUEST,
        ),
        LibraryError::Unrecognised => wrong(
            "media.content_type",
            "The bytes are of no known type of image or video.",
            StatusCode::BAD_REQUEST,
        ),
        LibraryError::Broken { what } => {
            let message = format!("The film is broken: {what}.");
            let violation = Violation::new("media.broken", PART, message);
            Problem::invalid(violation.remedy("Export the film again, and upload all of it."))
                .status(StatusCode::BAD_REQUEST)
        }
        LibraryError::Store(error) => error.into(),
        LibraryError::Io(error) => {
            crate::problem::tell(&error);
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                Code::InternalError,
                "The library cannot store the file now.",
            )
            .rule("service.unavailable")
            .remedy("Send it again later; the operator finds the cause in the log.")
            .retry_after(30)
        }
    }
}

fn wrong(rule: &str, message: &str, status: StatusCode) -> Problem {
    let remedy = "Send one JPEG, PNG, GIF, WebP or MP4 file in the part `file` of a multipart/form-data body.";
    Problem::invalid(Violation::new(rule, PART, message).remedy(remedy)).status(status)
}
