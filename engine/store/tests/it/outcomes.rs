//! The nine settlements as the engine fills them, for tests that need one of a kind.

use publisher::id::DeadLetterId;
use serde_json::{Value, json};
use store::queue::{Claimed, Settlement};
use uuid::Uuid;

pub(crate) fn receipt() -> Value {
    json!({"uri": "toys://1", "cid": "c1"})
}

pub(crate) fn complete(job: &Claimed) -> Settlement {
    Settlement {
        resolves_mark: true,
        outcome: Some("published"),
        post_status: Some("published"),
        post_receipt: Some(receipt()),
        event: Some(Uuid::now_v7()),
        event_type: Some("post.published"),
        event_data: Some(json!({"id": job.subject})),
        ..Settlement::new(job.fence(), "complete")
    }
}

/// A step went well; the job looks in again later. `AQID` are the bytes 1, 2, 3.
pub(crate) fn proceed(job: &Claimed, after_ms: i64) -> Settlement {
    Settlement {
        after_ms,
        resolves_mark: true,
        checkpoint: Some("AQID".to_owned()),
        stage: Some("processing".to_owned()),
        outcome: Some("progressed"),
        ..Settlement::new(job.fence(), "continue")
    }
}

fn failed(job: &Claimed, kind: &'static str, class: &'static str) -> Settlement {
    Settlement {
        resolves_mark: true,
        outcome: Some("failed"),
        class: Some(class),
        code: Some(format!("toys.{class}")),
        message: Some("the platform said no".to_owned()),
        rule: Some("publish.toys".to_owned()),
        http_status: Some(503),
        platform_response: Some(json!({"error": class})),
        ..Settlement::new(job.fence(), kind)
    }
}

pub(crate) fn retry(job: &Claimed, after_ms: i64) -> Settlement {
    Settlement {
        after_ms,
        failures: 1,
        ..failed(job, "retry", "transient")
    }
}

/// The platform named an instant: the account's bucket is closed until then.
pub(crate) fn snooze(job: &Claimed, closed_ms: i64) -> Settlement {
    Settlement {
        blocks_ms: Some(closed_ms),
        blocked_by: Some("rate_limited".to_owned()),
        ..failed(job, "snooze", "rate_limited")
    }
}

/// The token was refused; a fresh one is waited for.
pub(crate) fn refused(job: &Claimed, generation: i32) -> Settlement {
    Settlement {
        refreshes_token: true,
        token_seen: Some(generation),
        ..failed(job, "snooze", "unauthorized")
    }
}

pub(crate) fn verify(job: &Claimed, after_ms: i64) -> Settlement {
    Settlement {
        after_ms,
        looks: 1,
        resolves_mark: false,
        outcome: Some("unknown"),
        ..failed(job, "verify", "ambiguous")
    }
}

pub(crate) fn hold(job: &Claimed) -> Settlement {
    Settlement {
        hold_reason: Some("account_needs_reauth"),
        account_status: Some("needs_reauth"),
        account_reason: Some("connect the account again".to_owned()),
        ..failed(job, "hold", "account_blocked")
    }
}

pub(crate) fn release(job: &Claimed) -> Settlement {
    Settlement::new(job.fence(), "release")
}

/// The lease was over and nobody reported; the reaper saw the mark as the claim had found it.
pub(crate) fn died(job: &Claimed, after_ms: i64) -> Settlement {
    Settlement {
        after_ms,
        deaths: 1,
        expired_lease_only: true,
        seen_sent_claim: job.sent_claim,
        outcome: Some("died"),
        ..Settlement::new(job.fence(), "release")
    }
}

/// The same of a claim that had set its mark.
pub(crate) fn died_marked(job: &Claimed, after_ms: i64) -> Settlement {
    Settlement {
        seen_sent_claim: Some(job.claim),
        ..died(job, after_ms)
    }
}

pub(crate) fn cancel(job: &Claimed) -> Settlement {
    Settlement {
        resolves_mark: true,
        outcome: Some("canceled"),
        post_status: Some("canceled"),
        ..Settlement::new(job.fence(), "cancel")
    }
}

pub(crate) fn dead_letter(job: &Claimed, class: &'static str) -> Settlement {
    let ambiguous = class == "ambiguous";
    Settlement {
        resolves_mark: !ambiguous,
        outcome: Some(if ambiguous { "unknown" } else { "failed" }),
        post_status: Some(if matches!(class, "rejected" | "account_blocked") {
            "rejected"
        } else {
            "failed"
        }),
        post_error: Some(json!({"code": "platform_rejected", "message": "the platform said no"})),
        letter: Some(DeadLetterId::new()),
        letter_class: Some(class),
        fingerprint: Some(format!("toys:{class}")),
        failure: Some(json!({"class": class})),
        event: Some(Uuid::now_v7()),
        event_type: Some("post.failed"),
        event_data: Some(json!({"id": job.subject})),
        ..failed(job, "dead_letter", class)
    }
}

/// A refresh got new tokens in exchange for those of `generation`.
pub(crate) fn refreshed(job: &Claimed, generation: i32) -> Settlement {
    Settlement {
        resolves_mark: true,
        outcome: Some("published"),
        account_status: Some("active"),
        sealed_tokens: Some("AQID".to_owned()),
        token_generation: Some(generation),
        ..Settlement::new(job.fence(), "complete")
    }
}

/// A refresh that the platform refused for good; there is nothing to send again, so it leaves no letter.
pub(crate) fn revoked(job: &Claimed, generation: i32) -> Settlement {
    Settlement {
        account_status: Some("needs_reauth"),
        account_reason: Some("the platform refused the refresh; connect again".to_owned()),
        token_generation: Some(generation),
        ..failed(job, "dead_letter", "account_blocked")
    }
}
