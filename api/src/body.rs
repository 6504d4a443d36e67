//! Reading JSON bodies: how long, how large, declared as what.

use crate::{
    State,
    problem::{Code, Problem, Violation},
};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode, header},
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

/// Reads a whole JSON body.
///
/// Errors: 415 declared as something else; 413 larger than allowed, whether announced or not; 408 too slow; 400 cut off.
pub(crate) async fn read(state: &State, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    require_json(headers)?;
    let config = state.config();
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > config.body_bytes_max as u64) {
        return Err(too_large(config.body_bytes_max));
    }
    match tokio::time::timeout(config.body_wait, collect(body, config.body_bytes_max)).await {
        Ok(read) => read,
        Err(_elapsed) => Err(too_slow()),
    }
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut collected = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let Ok(piece) = piece else {
            return Err(Problem::invalid(Violation::new(
                "body.json",
                "body",
                "The body ended before it was complete.",
            )));
        };
        if collected.len() + piece.len() > bytes_max {
            return Err(too_large(bytes_max));
        }
        collected.extend_from_slice(&piece);
    }
    Ok(collected.freeze())
}

/// A missing content type is taken for JSON, as clients without one mean it.
fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(declared) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = declared
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::invalid(
        Violation::new(
            "body.content_type",
            "body",
            "The body must be JSON and say so.",
        )
        .remedy("Send the header `Content-Type: application/json`."),
    )
    .status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

fn too_large(bytes_max: usize) -> Problem {
    Problem::invalid(
        Violation::new(
            "body.size_max",
            "body",
            format!("The body is larger than {bytes_max} bytes."),
        )
        .remedy("Upload files with POST /v1/media and name them by mediaId."),
    )
    .status(StatusCode::PAYLOAD_TOO_LARGE)
}

/// 408 for a body that does not arrive.
pub(crate) fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        Code::ValidationFailed,
        "The body did not arrive in time.",
    )
    .rule("body.timeout")
    .remedy("Send it again; nothing was accepted.")
}
