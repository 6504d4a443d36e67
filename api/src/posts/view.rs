//! What a post and its attempts look like to their owner.

use super::answer::{PartView, WaitingView, receipt, thread, waiting_view};
use crate::{
    problem::Code,
    wire::{as_instant, as_optional_instant},
};
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, BatchId, PostId, ProfileId};
use serde::Serialize;
use serde_json::Value;
use store::{AttemptRow, PostRow};

/// A post; what is not set is null.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PostView {
    id: PostId,
    batch_id: BatchId,
    profile_id: ProfileId,
    /// Ours, also after the account was disconnected.
    account_id: AccountId,
    account: AccountBrief,
    platform: String,
    status: String,
    text: String,
    media_refs: Value,
    first_comment: Option<Value>,
    options: Value,
    metadata: Value,
    #[serde(serialize_with = "as_optional_instant")]
    scheduled_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_optional_instant")]
    published_at: Option<DateTime<Utc>>,
    platform_uri: Option<String>,
    platform_cid: Option<String>,
    platform_url: Option<String>,
    first_comment_uri: Option<String>,
    first_comment_cid: Option<String>,
    /// The further posts of a thread that are public.
    thread: Vec<PartView>,
    warnings: Value,
    error: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingView>,
    sandbox: bool,
    #[serde(serialize_with = "as_instant")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "as_instant")]
    updated_at: DateTime<Utc>,
}

/// An account as its posts show it; the platform's words are null after it was disconnected.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountBrief {
    id: AccountId,
    platform: String,
    platform_account_id: Option<String>,
    display_name: Option<String>,
}

/// A post with its ledger.
#[derive(Debug, Serialize)]
pub(crate) struct PostWithAttempts {
    #[serde(flatten)]
    post: PostView,
    attempts: Vec<AttemptView>,
}

/// One row of the ledger.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AttemptView {
    id: String,
    attempt_number: usize,
    #[serde(serialize_with = "as_instant")]
    started_at: DateTime<Utc>,
    #[serde(serialize_with = "as_instant")]
    finished_at: DateTime<Utc>,
    succeeded: bool,
    error_code: Option<Code>,
    error_message: Option<String>,
    platform_response: Option<Value>,
    outcome: String,
    class: Option<String>,
}

/// The post as its owner sees it.
pub(super) fn post_view(post: PostRow) -> PostView {
    let waiting = waiting_view(&post);
    let receipt = receipt(&post);
    let account = AccountBrief {
        id: post.account,
        platform: post.platform.clone(),
        platform_account_id: post.platform_account_id,
        display_name: post.display_name,
    };
    PostView {
        id: post.id,
        batch_id: post.batch,
        profile_id: post.profile,
        account_id: post.account,
        account,
        platform: post.platform,
        status: post.shown,
        text: post.text,
        media_refs: as_submitted(post.media),
        first_comment: post.first_comment,
        options: post.options,
        metadata: post.metadata,
        scheduled_at: post.scheduled_at,
        published_at: post.published_at,
        first_comment_uri: receipt.first_comment().map(|part| part.uri.clone()),
        first_comment_cid: receipt.first_comment().and_then(|part| part.cid.clone()),
        thread: thread(&receipt),
        platform_uri: receipt.uri,
        platform_cid: receipt.cid,
        platform_url: receipt.url,
        warnings: post.warnings,
        error: post.error,
        waiting,
        sandbox: post.sandbox,
        created_at: post.created_at,
        updated_at: post.updated_at,
    }
}

/// The post with its ledger, oldest attempt first.
pub(super) fn with_attempts(post: PostRow, attempts: Vec<AttemptRow>) -> PostWithAttempts {
    let attempts = attempts
        .into_iter()
        .enumerate()
        .map(|(at, row)| attempt_view(at + 1, row))
        .collect();
    PostWithAttempts {
        post: post_view(post),
        attempts,
    }
}

/// Media without the members that the caller did not send.
fn as_submitted(mut media: Value) -> Value {
    for item in media
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        item.retain(|_, value| !value.is_null());
    }
    media
}

fn attempt_view(number: usize, row: AttemptRow) -> AttemptView {
    let succeeded = matches!(row.outcome.as_str(), "published" | "progressed");
    AttemptView {
        id: format!("{}-{}", row.job, row.claim),
        attempt_number: number,
        started_at: row.started_at,
        finished_at: row.ended_at,
        succeeded,
        error_code: if succeeded { None } else { error_code(&row) },
        error_message: row.message,
        platform_response: row.platform_response,
        outcome: row.outcome,
        class: row.class,
    }
}

/// The contract's word for what went wrong in one attempt.
fn error_code(row: &AttemptRow) -> Option<Code> {
    match (row.outcome.as_str(), row.class.as_deref()) {
        ("canceled", _) => None,
        ("died", _) => Some(Code::InternalError),
        // Marked and unanswered: whatever the class says, it may be public.
        ("unknown", _) => Some(Code::PlatformUnavailable),
        (_, Some("account_blocked")) => Some(Code::PlatformAuthFailed),
        // A rule that was found broken without an answer of the platform is one of ours.
        (_, Some("rejected" | "duplicate")) if row.rule.is_some() && row.http_status.is_none() => {
            Some(Code::PreflightFailed)
        }
        (_, Some("rejected" | "duplicate")) => Some(Code::PlatformRejected),
        _ => Some(Code::PlatformUnavailable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: &str, class: Option<&str>) -> AttemptRow {
        AttemptRow {
            job: uuid::Uuid::nil(),
            claim: 1,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: DateTime::UNIX_EPOCH,
            outcome: outcome.to_owned(),
            settlement: String::new(),
            class: class.map(str::to_owned),
            code: None,
            message: None,
            rule: None,
            http_status: Some(400),
            platform_response: None,
        }
    }

    #[test]
    fn an_attempt_speaks_the_words_of_the_contract() {
        for (outcome, class, expected) in [
            ("published", None, None),
            ("progressed", None, None),
            ("canceled", None, None),
            ("failed", Some("transient"), Some("platform_unavailable")),
            ("failed", Some("rate_limited"), Some("platform_unavailable")),
            (
                "failed",
                Some("account_blocked"),
                Some("platform_auth_failed"),
            ),
            ("failed", Some("rejected"), Some("platform_rejected")),
            ("unknown", Some("duplicate"), Some("platform_unavailable")),
            ("absent", None, Some("platform_unavailable")),
            ("died", None, Some("internal_error")),
        ] {
            let view = attempt_view(1, row(outcome, class));
            assert_eq!(
                view.error_code.map(Code::word),
                expected,
                "{outcome} {class:?}"
            );
            assert_eq!(
                view.succeeded,
                matches!(outcome, "published" | "progressed")
            );
        }
    }
}
