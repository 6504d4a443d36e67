//! What a settlement announces, in the words of the webhook catalogue.

use publisher::Receipt;
use serde_json::{Value, json};
use store::queue::LoadedPost;

/// `post.published`.
pub(crate) fn published(post: &LoadedPost, receipt: &Receipt, warnings: &Value) -> Value {
    let mut data = about(post);
    data["uri"] = json!(receipt.uri);
    data["cid"] = json!(receipt.cid);
    if let Some(comment) = receipt.first_comment() {
        data["firstCommentUri"] = json!(comment.uri);
        data["firstCommentCid"] = json!(comment.cid);
    }
    let thread: Vec<Value> = receipt
        .thread()
        .map(|part| json!({"uri": part.uri, "cid": part.cid}))
        .collect();
    if !thread.is_empty() {
        data["thread"] = json!(thread);
    }
    if warnings.as_array().is_some_and(|list| !list.is_empty()) {
        data["warnings"] = warnings.clone();
    }
    data
}

/// `post.rejected` and `post.failed`.
pub(crate) fn unpublished(post: &LoadedPost, error: &Value) -> Value {
    let mut data = about(post);
    data["error"] = error.clone();
    data
}

/// `post.canceled`.
pub(crate) fn canceled(post: &LoadedPost) -> Value {
    let mut data = about(post);
    data["scheduledAt"] = json!(post.scheduled_at);
    data
}

/// `token.revoked`.
pub(crate) fn token_revoked(
    platform: &str,
    account: uuid::Uuid,
    platform_account_id: Option<&str>,
    why: &str,
) -> Value {
    json!({"platform": platform, "accountId": account, "platformAccountId": platform_account_id, "reason": why})
}

fn about(post: &LoadedPost) -> Value {
    json!({"id": post.id, "platform": post.platform, "accountId": post.account, "profileId": post.profile})
}
