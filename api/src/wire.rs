//! Small shapes that several answers share.

use axum::{
    http::{HeaderName, StatusCode},
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use publisher::Warning;
use serde::Serialize;

/// A page of a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Page<T> {
    pub(crate) data: Vec<T>,
    /// Where the next page begins; null at the end.
    pub(crate) next_cursor: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<Warning>,
}

/// An instant as the contract writes it: milliseconds and `Z`, always.
pub(crate) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The same for `serialize_with`.
pub(crate) fn as_instant<S: serde::Serializer>(
    at: &DateTime<Utc>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.serialize_str(&instant(*at))
}

/// The same for what may be unset.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub(crate) fn as_optional_instant<S: serde::Serializer>(
    at: &Option<DateTime<Utc>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => as_instant(at, to),
        None => to.serialize_none(),
    }
}

/// A JSON answer with further headers.
pub(crate) fn answer(
    status: StatusCode,
    body: &impl Serialize,
    headers: &[(HeaderName, &str)],
) -> Response {
    let mut response = (status, axum::Json(body)).into_response();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name.clone(), value);
        }
    }
    response
}

/// A field that nobody knows: named, and otherwise ignored.
pub(crate) fn unknown_field(path: &str) -> Warning {
    Warning {
        code: "request.unknown_field".to_owned(),
        message: format!("The field `{path}` is not known here and was ignored."),
    }
}
