//! The error table: what each answer of a PDS means.
//!
//! One `match`, in the order of the sheet's catalogue (§7). Where the table does not know an answer it assumes the least:
//! a put may have happened, anything else did not. Answers that are evidence (`RecordNotFound` of a look) or a decision of
//! the caller (an expired refresh token) are judged before they come here.
//!
//! A PDS is a stranger's server: its words are kept, but never anything in them that looks like a token, and of the calls
//! that carry a password nothing but the error's name.

use crate::wire::{Xrpc, XrpcError};
use chrono::{DateTime, Utc};
use publisher::{Answer, Failure, Scope};
use serde_json::json;
use std::time::Duration;

/// Longest wait that an answer may ask for.
const RETRY_IN_MAX: Duration = Duration::from_hours(24);

/// Wait after a 429 that names no time.
const RETRY_IN_DEFAULT: Duration = Duration::from_mins(1);

/// Longest part of a PDS's message that is repeated in ours, in characters.
const MESSAGE_CHARS_MAX: usize = 300;

const RECONNECT: &str =
    "Connect the account again with a new app password (Bluesky: Settings, App Passwords).";

/// What `answer`, which is not what `call` hoped for, means at `now`.
pub(crate) fn failure(call: Xrpc, answer: &Answer, now: DateTime<Utc>) -> Failure {
    let error = XrpcError::read(answer);
    let name = error.as_ref().map(|error| error.error.as_str());
    let said = error
        .as_ref()
        .map_or(String::new(), |error| words(call, error));
    let failure = match (answer.status, name) {
        (429, _) => limited(call, answer, now),
        (401, Some("AuthFactorTokenRequired")) => Failure::account_blocked(
            call.code("second_factor"),
            "Bluesky asks for the e-mail code of this account: the main password was entered",
        )
        .remediation(
            "Enter an app password instead (Bluesky: Settings, App Passwords); it needs no code.",
        ),
        (_, Some("AccountTakedown" | "AccountSuspended" | "RepoTakendown" | "RepoSuspended")) => {
            blocked(
                call,
                "account_taken_down",
                "the account was taken down or suspended",
                "Ask the host's support.",
            )
        }
        (_, Some("AccountDeactivated" | "RepoDeactivated")) => blocked(
            call,
            "account_deactivated",
            "the account is deactivated",
            "Activate it in Bluesky, then connect it again.",
        ),
        (400 | 403 | 404, Some("AccountNotFound" | "RepoNotFound")) => blocked(
            call,
            "account_not_found",
            "the account is not on this PDS (any more)",
            "Connect the account again; its new PDS is found then.",
        ),
        (403, Some("ScopeMissingError")) => {
            blocked(call, "scope_missing", "a permission is missing", RECONNECT)
        }
        (
            400 | 401,
            Some("ExpiredToken" | "InvalidToken" | "AuthMissing" | "AuthenticationRequired"),
        )
        | (401, _) => unauthorized(call),
        (400, Some("InvalidSwap")) if call.is_irreversible() => Failure::ambiguous(
            call.code("key_taken"),
            "a different record is stored under the post's key",
        ),
        (400, Some("BlobNotFound")) => Failure::transient(
            call.code("blob_not_found"),
            "the PDS no longer has an uploaded file; it is uploaded again",
        ),
        (400, Some("InvalidMimeType")) => refused(call, "mime", &said)
            .rule("bluesky.media.mime_allowed")
            .remediation("Use JPEG, PNG, WebP or GIF."),
        (400, Some("InvalidSize" | "BlobTooLarge" | "InvalidBlob")) | (413, _) => {
            refused(call, "size", &said)
                .rule("bluesky.media.image_size_max")
                .remediation("Make the image smaller; an older PDS accepts only 1,000,000 bytes.")
        }
        (404 | 405 | 408 | 421 | 425 | 500.. | ..400, _) | (_, None) => unavailable(call, answer),
        (_, Some(_)) => refused(call, "refused", &said),
    };
    let failure = failure.status(answer.status);
    match (call, name) {
        (Xrpc::CreateSession | Xrpc::RefreshSession | Xrpc::DeleteSession, name) => {
            failure.response(json!({ "error": name }).to_string().as_bytes())
        }
        _ => failure.response(scrubbed(&String::from_utf8_lossy(&answer.body)).as_bytes()),
    }
}

/// An answer that claims success and cannot be read: a put may have happened.
pub(crate) fn unreadable(call: Xrpc, answer: &Answer) -> Failure {
    let (code, message) = (
        call.code("answer_unreadable"),
        format!("the answer of {} cannot be read", call.nsid()),
    );
    let failure = if call.is_irreversible() {
        Failure::ambiguous(code, message)
    } else {
        Failure::transient(code, message)
    };
    failure.status(answer.status)
}

fn limited(call: Xrpc, answer: &Answer, now: DateTime<Utc>) -> Failure {
    // The headers describe one bucket. Only the bucket of all requests is the host's; every other is the account's.
    let of_host = answer
        .header("ratelimit-policy")
        .is_some_and(|policy| policy.trim() == "3000;w=300");
    let wait = wait(answer, now).unwrap_or(RETRY_IN_DEFAULT);
    Failure::rate_limited(
        call.code("rate_limited"),
        format!(
            "the PDS accepts no {} for {} s",
            call.nsid(),
            wait.as_secs()
        ),
    )
    .retry_in(wait)
    .scope(if of_host { Scope::Host } else { Scope::Account })
}

/// How long the answer asks to wait: `RateLimit-Reset` (Unix seconds), else `Retry-After` (seconds).
pub(crate) fn wait(answer: &Answer, now: DateTime<Utc>) -> Option<Duration> {
    let seconds = |header| {
        answer
            .header(header)
            .and_then(|value| value.trim().parse::<i64>().ok())
    };
    let reset = seconds("ratelimit-reset")
        .map(|at| at.saturating_sub(now.timestamp()))
        .filter(|left| *left > 0);
    let left = reset.or_else(|| seconds("retry-after").filter(|left| *left > 0))?;
    Some(Duration::from_secs(left.unsigned_abs()).min(RETRY_IN_MAX))
}

fn unauthorized(call: Xrpc) -> Failure {
    match call {
        Xrpc::CreateSession => Failure::account_blocked(
            call.code("credentials_refused"),
            "Bluesky refused the identifier or the app password",
        )
        .remediation(
            "Check the handle, and make a new app password (Bluesky: Settings, App Passwords); the main password is not one. \
             A host refuses an account that was taken down in the same words.",
        ),
        Xrpc::RefreshSession => {
            Failure::account_blocked(call.code("revoked"), "the session was revoked or has expired").remediation(RECONNECT)
        }
        _ => Failure::unauthorized(call.code("token_refused"), "the PDS refused the access token"),
    }
}

fn blocked(call: Xrpc, fact: &str, message: &str, remedy: &str) -> Failure {
    Failure::account_blocked(call.code(fact), message).remediation(remedy)
}

fn refused(call: Xrpc, fact: &str, said: &str) -> Failure {
    let end = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    Failure::rejected(
        call.code(fact),
        format!("the PDS refused {}{end}", call.nsid()),
    )
}

/// Nobody can tell from such an answer whether the request was carried out; only a put would matter.
fn unavailable(call: Xrpc, answer: &Answer) -> Failure {
    let message = format!("{} was answered with status {}", call.nsid(), answer.status);
    let failure = if call.is_irreversible() {
        Failure::ambiguous(call.code("unknown_outcome"), message)
    } else {
        Failure::transient(call.code("unavailable"), message)
    };
    match answer
        .header("retry-after")
        .and_then(|value| value.trim().parse().ok())
    {
        Some(seconds) => failure.retry_in(Duration::from_secs(seconds).min(RETRY_IN_MAX)),
        None => failure,
    }
}

/// The PDS's own words for people; of a call that carries a password only the error's name.
pub(crate) fn words(call: Xrpc, error: &XrpcError) -> String {
    let all = match call {
        Xrpc::CreateSession | Xrpc::RefreshSession | Xrpc::DeleteSession => error.error.clone(),
        _ if error.message.is_empty() => scrubbed(&error.error),
        _ => scrubbed(&error.message),
    };
    all.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_CHARS_MAX)
        .collect()
}

/// `text` with everything that begins like a JSON Web Token blotted out.
pub(crate) fn scrubbed(text: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("eyJ") {
        clean.push_str(&rest[..at]);
        clean.push_str("[token]");
        rest = rest[at..].trim_start_matches(is_token);
    }
    clean + rest
}

#[cfg(test)]
mod tests;
