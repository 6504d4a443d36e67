//! What a batch looks like to its caller: the answer of `POST /v1/posts`, and of `GET /v1/batches/:id` later.

use crate::wire::{as_instant, as_optional_instant};
use chrono::{DateTime, Utc};
use publisher::{
    Part, Receipt,
    id::{AccountId, BatchId, PostId, ProfileId},
};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use store::{BatchRow, PostRow};

/// One accepted request with its targets.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BatchView {
    id: BatchId,
    status: &'static str,
    #[serde(serialize_with = "as_instant")]
    created_at: DateTime<Utc>,
    #[serde(
        serialize_with = "as_optional_instant",
        skip_serializing_if = "Option::is_none"
    )]
    scheduled_at: Option<DateTime<Utc>>,
    results: Vec<ResultView>,
    #[serde(skip_serializing_if = "is_empty")]
    metadata: Value,
    #[serde(skip_serializing_if = "is_empty")]
    warnings: Value,
}

/// One target; what is not set is absent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultView {
    /// Ours, also after the account was disconnected.
    account_id: AccountId,
    platform: String,
    post_id: PostId,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_comment_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_comment_cid: Option<String>,
    /// The further posts of a thread that are public.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thread: Vec<PartView>,
    #[serde(skip_serializing_if = "is_empty")]
    warnings: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<WaitingView>,
}

/// A further post of a thread.
#[derive(Debug, Serialize)]
pub(crate) struct PartView {
    uri: String,
    cid: Option<String>,
}

/// Why a post has not begun.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WaitingView {
    reason: String,
    #[serde(serialize_with = "as_optional_instant")]
    since: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_optional_instant")]
    until: Option<DateTime<Utc>>,
    ahead: Option<u64>,
    #[serde(serialize_with = "as_optional_instant")]
    estimated_at: Option<DateTime<Utc>>,
    remedy: Option<&'static str>,
}

/// The batch as far as the caller may see it; none if that is nothing.
pub(super) fn batch_view(
    batch: &BatchRow,
    posts: Vec<PostRow>,
    pin: Option<ProfileId>,
) -> Option<BatchView> {
    let visible: Vec<PostRow> = posts
        .into_iter()
        .filter(|post| pin.is_none_or(|pin| pin == post.profile))
        .collect();
    if visible.is_empty() {
        return None;
    }
    let shown: Vec<&str> = visible.iter().map(|post| post.shown.as_str()).collect();
    Some(BatchView {
        id: batch.id,
        status: batch_status(&shown, batch.scheduled_at.is_some()),
        created_at: batch.created_at,
        scheduled_at: batch.scheduled_at,
        results: visible.into_iter().map(result_view).collect(),
        metadata: batch.metadata.clone(),
        warnings: batch.warnings.clone(),
    })
}

fn result_view(post: PostRow) -> ResultView {
    let waiting = waiting_view(&post);
    let receipt = receipt(&post);
    let error = post.error.map(|mut error| {
        // The result says itself which platform it is about.
        if let Some(members) = error.as_object_mut() {
            members.remove("platform");
        }
        error
    });
    ResultView {
        account_id: post.account,
        platform: post.platform,
        post_id: post.id,
        status: post.shown,
        first_comment_uri: receipt.first_comment().map(|part| part.uri.clone()),
        first_comment_cid: receipt.first_comment().and_then(|part| part.cid.clone()),
        thread: thread(&receipt),
        uri: receipt.uri,
        cid: receipt.cid,
        warnings: post.warnings,
        error,
        waiting,
    }
}

/// What proves the publication; empty where there is none.
pub(super) fn receipt(post: &PostRow) -> Receipt {
    post.receipt
        .as_ref()
        .and_then(|receipt| Receipt::deserialize(receipt).ok())
        .unwrap_or_default()
}

/// The further posts of a published thread.
pub(super) fn thread(receipt: &Receipt) -> Vec<PartView> {
    let parts = receipt.thread().cloned();
    parts
        .map(|Part { uri, cid, .. }| PartView { uri, cid })
        .collect()
}

/// Why the post waits; none if it does not.
pub(super) fn waiting_view(post: &PostRow) -> Option<WaitingView> {
    let reason = post.waiting_reason.clone()?;
    let remedy = match reason.as_str() {
        "account_needs_reauth" => Some("Connect the account again."),
        "account_paused" | "platform_paused" => Some("Whoever paused it can resume it."),
        "no_worker" => Some("Start a worker: `postrider worker`."),
        _ => None,
    };
    Some(WaitingView {
        reason,
        since: post.waiting_since,
        until: post.waiting_until,
        ahead: None,
        estimated_at: None,
        remedy,
    })
}

/// The first word that fits, canceled targets aside.
fn batch_status(shown: &[&str], is_scheduled: bool) -> &'static str {
    let left: Vec<&str> = shown
        .iter()
        .copied()
        .filter(|status| *status != "canceled")
        .collect();
    let all = |fits: fn(&str) -> bool| left.iter().all(|status| fits(status));
    let is_unpublished = |status: &str| status == "rejected" || status == "failed";
    if left.is_empty() {
        "canceled"
    } else if all(|status| status == "published") {
        "published"
    } else if all(is_unpublished) {
        "failed"
    } else if left.iter().any(|status| is_unpublished(status)) {
        "partial_failed"
    } else if is_scheduled && all(|status| status == "queued") {
        "queued"
    } else {
        "publishing"
    }
}

/// Whether there is nothing in it to show.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::batch_status;

    #[test]
    fn a_batch_is_what_its_targets_are_canceled_ones_aside() {
        for (shown, is_scheduled, expected) in [
            (&["canceled", "canceled"][..], true, "canceled"),
            (&["published", "canceled"], false, "published"),
            (&["rejected", "failed", "canceled"], false, "failed"),
            (&["published", "failed"], false, "partial_failed"),
            (&["queued", "rejected"], false, "partial_failed"),
            (&["queued", "queued"], true, "queued"),
            (&["queued", "published"], true, "publishing"),
            (&["queued"], false, "publishing"),
            (&["publishing", "published"], false, "publishing"),
        ] {
            assert_eq!(batch_status(shown, is_scheduled), expected, "{shown:?}");
        }
    }
}
