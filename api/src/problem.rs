//! The error envelope: the single place that produces it.
//!
//! The one idea: a [`Problem`] travels as an extension of a bodiless response, and [`crate::edge`] writes its body, because
//! only there the request id is known. So whatever goes wrong anywhere ends in the same shape (I14).
//!
//! A problem never contains the text of a lower error: those are logged, once, where they are turned into a problem.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;
use store::StoreError;

/// Seconds after which a request that met an absent database is worth repeating.
const RETRY_AFTER_SECONDS: u64 = 5;

/// The closed set of `error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    ValidationFailed,
    PreflightFailed,
    PlatformAuthFailed,
    PlatformRejected,
    PlatformUnavailable,
    PlatformNotEnabled,
    InternalError,
    Unauthenticated,
    Unauthorized,
    NotFound,
    IdempotencyConflict,
}

impl Code {
    /// The word on the wire.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::ValidationFailed => "validation_failed",
            Self::PreflightFailed => "preflight_failed",
            Self::PlatformAuthFailed => "platform_auth_failed",
            Self::PlatformRejected => "platform_rejected",
            Self::PlatformUnavailable => "platform_unavailable",
            Self::PlatformNotEnabled => "platform_not_enabled",
            Self::InternalError => "internal_error",
            Self::Unauthenticated => "unauthenticated",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::IdempotencyConflict => "idempotency_conflict",
        }
    }
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Violation {
    pub(crate) rule: String,
    /// Where in the request: `targets.0.text`.
    pub(crate) path: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remediation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// Index of the target it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<usize>,
    /// What the whole answer is if this is the first violation.
    #[serde(skip)]
    pub(crate) code: Code,
    /// What becomes `platformResponse` if this is the first violation.
    #[serde(skip)]
    pub(crate) details: Option<Value>,
}

impl Violation {
    /// A violation of the request's shape.
    pub(crate) fn new(
        rule: impl Into<String>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            rule: rule.into(),
            path: path.into(),
            message: message.into(),
            remediation: None,
            platform: None,
            target: None,
            code: Code::ValidationFailed,
            details: None,
        }
    }

    /// A violation whose rule is the field's path.
    pub(crate) fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        let path = path.into();
        Self::new(path.clone(), path, message)
    }

    pub(crate) fn remedy(mut self, remediation: impl Into<String>) -> Self {
        self.remediation = Some(remediation.into());
        self
    }

    pub(crate) fn platform(mut self, platform: impl Into<String>) -> Self {
        self.platform = Some(platform.into());
        self
    }

    pub(crate) fn target(mut self, target: usize) -> Self {
        self.target = Some(target);
        self
    }

    pub(crate) fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    pub(crate) fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}

/// An error on its way to the caller.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Box<Told>);

#[derive(Clone, Debug)]
struct Told {
    status: StatusCode,
    code: Code,
    message: String,
    rule: Option<String>,
    platform: Option<String>,
    platform_response: Option<Value>,
    remediation: Option<String>,
    violations: Vec<Violation>,
    retry_after_seconds: Option<u64>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Told {
            status,
            code,
            message: message.into(),
            rule: None,
            platform: None,
            platform_response: None,
            remediation: None,
            violations: Vec::new(),
            retry_after_seconds: None,
        }))
    }

    /// A request with one thing wrong: 400.
    pub(crate) fn invalid(violation: Violation) -> Self {
        Self::invalid_all(vec![violation])
    }

    /// A request with these things wrong, of which the first decides about status, code, rule and message.
    pub(crate) fn invalid_all(violations: Vec<Violation>) -> Self {
        let Some(first) = violations.first().cloned() else {
            return Self::internal();
        };
        let status = if first.code == Code::NotFound {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::BAD_REQUEST
        };
        let mut problem = Self::new(status, first.code, first.message);
        problem.0.rule = Some(first.rule);
        problem.0.platform = first.platform;
        problem.0.platform_response = first.details;
        problem.0.remediation = first.remediation;
        problem.0.violations = violations;
        problem
    }

    /// Our own fault, without a detail.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::InternalError,
            "Something went wrong on our side; the log has it under this request id.",
        )
    }

    /// What does not exist, belongs to somebody else, or has no such id: one answer for all of them.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            format!("There is no such {what}."),
        )
        .remedy("Check the id, and that the key belongs to the organisation that owns it.")
    }

    /// A status that the framework chose without telling more.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::Unauthorized,
            status if status.is_client_error() => Code::ValidationFailed,
            _ => return Self::internal(),
        };
        Self::new(
            status,
            code,
            status
                .canonical_reason()
                .unwrap_or("The request cannot be answered."),
        )
    }

    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    pub(crate) fn rule(mut self, rule: impl Into<String>) -> Self {
        self.0.rule = Some(rule.into());
        self
    }

    pub(crate) fn remedy(mut self, remediation: impl Into<String>) -> Self {
        self.0.remediation = Some(remediation.into());
        self
    }

    pub(crate) fn platform(mut self, platform: impl Into<String>) -> Self {
        self.0.platform = Some(platform.into());
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    /// The database is away. `message` says what became of the request.
    pub(crate) fn away(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::InternalError, message)
            .rule("service.unavailable")
            .remedy(
                "Send the request again in a few seconds. With an Idempotency-Key header a repeated request never posts \
                 twice: send the same key again.",
            )
            .retry_after(RETRY_AFTER_SECONDS)
    }

    /// The envelope for one request.
    pub(crate) fn into_envelope(self, request_id: &str, docs_url: &str) -> Response {
        let told = *self.0;
        let rule_url = told.rule.as_ref().map(|rule| {
            let slug: String = rule.to_lowercase().replace('.', "-");
            format!("{docs_url}/preflight/{slug}")
        });
        let envelope = Envelope {
            error: Body {
                code: told.code,
                message: told.message,
                rule: told.rule,
                platform: told.platform,
                platform_response: told.platform_response,
                remediation: told.remediation,
                doc_url: format!("{docs_url}/errors/{}", told.code.word()),
                rule_url,
                request_id: request_id.to_owned(),
                violations: told.violations,
            },
        };
        let mut response = (told.status, axum::Json(envelope)).into_response();
        if let Some(seconds) = told.retry_after_seconds {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if told.code == Code::Unauthenticated {
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tell(&error);
        if !error.is_passing() {
            return Self::internal();
        }
        if error.outcome_is_unknown() {
            Self::away(
                "The database went away while it was asked: what this request wanted may have been accepted, or not.",
            )
        } else {
            Self::away("The database is away; nothing of this request was accepted.")
        }
    }
}

/// Logs an error with its causes, once; the span has the request id.
pub(crate) fn tell(error: &dyn std::error::Error) {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain = format!("{chain}: {error}");
        cause = error.source();
    }
    tracing::error!(error = %chain, "a request failed");
}

#[derive(Serialize)]
struct Envelope {
    error: Body,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    code: Code,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform_response: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remediation: Option<String>,
    doc_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule_url: Option<String>,
    request_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_code_is_what_serde_writes() {
        for code in [
            Code::ValidationFailed,
            Code::PlatformAuthFailed,
            Code::IdempotencyConflict,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }
}
