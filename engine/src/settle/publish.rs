//! What a decision means for a post: its status, its receipt or its error, its dead letter, and the event that tells of it.

use super::announce::announce;
use crate::attempt::Work;
use crate::decide::{Dead, Settlement as Decision};
use crate::events;
use publisher::id::DeadLetterId;
use publisher::{Class, Failure, Receipt, Warning};
use serde_json::{Value, json};
use store::queue::{LoadedPost, Settlement};

pub(super) fn write_publish(
    row: &mut Settlement,
    work: &Work,
    post: &LoadedPost,
    decision: &Decision,
    sealed: Option<String>,
) {
    match decision {
        Decision::Complete { receipt, warning } => {
            write_published(row, work, post, receipt.as_ref(), warning.as_ref());
        }
        Decision::Continue {
            checkpoint,
            receipt,
            ..
        } => {
            row.stage = Some(checkpoint.stage.clone());
            row.checkpoint = sealed;
            row.receipt = receipt
                .as_ref()
                .and_then(|receipt| serde_json::to_value(receipt).ok());
        }
        Decision::Cancel => {
            row.post_status = Some("canceled");
            announce(row, "post.canceled", events::canceled(post));
        }
        Decision::DeadLetter { class, failure } => write_dead(row, post, *class, failure),
        Decision::Hold { failure, .. } => {
            row.account_status = Some("needs_reauth");
            row.account_reason = Some(failure.message.clone());
            let id = post.platform_account_id.as_deref();
            announce(
                row,
                "token.revoked",
                events::token_revoked(&post.platform, post.account.uuid(), id, &failure.message),
            );
        }
        Decision::Retry { .. }
        | Decision::Snooze { .. }
        | Decision::Verify { .. }
        | Decision::Release { .. } => {}
    }
}

fn write_published(
    row: &mut Settlement,
    work: &Work,
    post: &LoadedPost,
    receipt: Option<&Receipt>,
    warning: Option<&Warning>,
) {
    let stored = work
        .claimed
        .receipt
        .clone()
        .and_then(|stored| serde_json::from_value::<Receipt>(stored).ok());
    let receipt = receipt.cloned().or(stored).unwrap_or_default();
    let mut warnings = receipt.warnings.clone();
    warnings.extend(warning.cloned());
    let added = json!(warnings);
    row.post_status = Some("published");
    row.post_receipt = serde_json::to_value(&receipt).ok();
    announce(
        row,
        "post.published",
        events::published(post, &receipt, &added),
    );
    row.post_warnings = Some(added);
}

fn write_dead(row: &mut Settlement, post: &LoadedPost, class: Dead, failure: &Failure) {
    let (status, code, rule) = wire_words(class, failure);
    let mut error = json!({"code": code, "message": failure.message, "platform": post.platform});
    for (name, value) in [
        ("rule", rule.clone().map(Value::from)),
        ("remediation", failure.remediation.clone().map(Value::from)),
    ] {
        if let Some(value) = value {
            error[name] = value;
        }
    }
    if let Some(response) = &failure.platform_response {
        error["platformResponse"] = response.clone();
    }
    row.post_status = Some(status);
    row.rule = rule.or_else(|| row.rule.clone());
    row.letter = Some(DeadLetterId::new());
    row.letter_class = Some(class.word());
    row.fingerprint = Some(fingerprint(&post.platform, class, failure));
    row.failure = Some(json!({
        "class": failure.class.word(), "code": failure.code, "message": failure.message, "rule": row.rule,
        "remediation": failure.remediation, "httpStatus": failure.http_status,
        "platformResponse": failure.platform_response,
    }));
    let event = if status == "rejected" {
        "post.rejected"
    } else {
        "post.failed"
    };
    announce(row, event, events::unpublished(post, &error));
    row.post_error = Some(error);
    if failure.class == Class::AccountBlocked {
        row.account_status = Some("needs_reauth");
        row.account_reason = Some(failure.message.clone());
    }
}

/// Status, `error.code` and `error.rule` of a final failure (vocabulary §5).
pub(super) fn wire_words(
    class: Dead,
    failure: &Failure,
) -> (&'static str, &'static str, Option<String>) {
    let named = |rule: &str| Some(failure.rule.clone().unwrap_or_else(|| rule.to_owned()));
    match class {
        Dead::Rejected => ("rejected", "platform_rejected", failure.rule.clone()),
        Dead::AccountBlocked => ("rejected", "platform_auth_failed", failure.rule.clone()),
        Dead::Exhausted => ("failed", "platform_unavailable", named("publish.exhausted")),
        Dead::Expired => ("failed", "platform_unavailable", named("publish.expired")),
        Dead::Ambiguous => (
            "failed",
            "platform_unavailable",
            Some("publish.outcome_unknown".to_owned()),
        ),
        Dead::Poison => ("failed", "internal_error", named("publish.poison")),
    }
}

/// The same fault on a thousand posts has the same fingerprint: nothing in it belongs to one post.
pub(super) fn fingerprint(platform: &str, class: Dead, failure: &Failure) -> String {
    let status = failure
        .http_status
        .map(|status| format!(":{status}"))
        .unwrap_or_default();
    let rule = failure
        .rule
        .as_deref()
        .map(|rule| format!(":{rule}"))
        .unwrap_or_default();
    format!("{platform}:{}:{}{status}{rule}", class.word(), failure.code)
}
