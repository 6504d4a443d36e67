//! Settlements that nobody reported: a lease that is over, and the least that can be written of one that Postgres refuses.

use super::announce::announce;
use super::publish::{fingerprint, wire_words};
use super::row::{DEATHS_MAX, FAILURES_MAX, LOOKS_MAX, kind_of, millis};
use crate::backoff::seed_of;
use crate::decide::{Dead, Report, Settlement as Decision, Tries, decide};
use publisher::id::DeadLetterId;
use serde_json::json;
use store::queue::{ExpiredClaim, Settlement};

/// The settlement of a claim whose lease is over: cut, by a process that is gone.
pub(crate) fn settlement_of_expired(expired: &ExpiredClaim) -> Settlement {
    let count = |n: i16| u16::try_from(n).unwrap_or(0);
    let tries = Tries {
        failures: count(expired.failures),
        failures_max: FAILURES_MAX,
        looks: count(expired.looks),
        looks_max: LOOKS_MAX,
        deaths: count(expired.deaths),
        deaths_max: DEATHS_MAX,
        sent: expired.sent_claim.is_some(),
        public: expired.public,
        expired: expired.expired,
        may_wait: expired.may_wait,
        stopping: expired.stopping,
        token_seen: None,
        seed: seed_of(expired.job),
    };
    let decision = decide(Report::Cut, &tries);
    let (kind, after) = kind_of(&decision);
    let mut row = Settlement::new(expired.fence(), kind);
    row.after_ms = millis(after);
    row.expired_lease_only = true;
    row.seen_sent_claim = expired.sent_claim;
    row.outcome = Some("died");
    row.class = Some("died");
    row.code = Some("attempt.died".to_owned());
    row.message = Some("its worker was lost before it could report".to_owned());
    match &decision {
        Decision::Verify { .. } => row.looks = 1,
        Decision::Release { died, .. } => row.deaths = i16::from(*died),
        Decision::DeadLetter { class, failure } => {
            row.resolves_mark = *class != Dead::Ambiguous;
            row.letter = Some(DeadLetterId::new());
            row.letter_class = Some(class.word());
            row.fingerprint = Some(fingerprint(&expired.queue, *class, failure));
            let (status, code, rule) = wire_words(*class, failure);
            row.failure = Some(
                json!({"class": failure.class.word(), "code": failure.code, "message": failure.message,
                "rule": rule, "remediation": failure.remediation}),
            );
            if expired.kind == "publish" {
                row.post_status = Some(status);
                let error = json!({"code": code, "message": failure.message, "rule": rule, "platform": expired.queue,
                    "remediation": failure.remediation});
                announce(
                    &mut row,
                    "post.failed",
                    json!({"id": expired.subject, "platform": expired.queue,
                    "accountId": expired.bucket, "error": error}),
                );
                row.post_error = Some(error);
            }
        }
        // What is public stays published, with the receipt that its row holds, and says why it is not whole.
        Decision::Complete { warning, .. } if expired.kind == "publish" => {
            row.post_status = Some("published");
            row.resolves_mark = true;
            let warnings = json!(warning.iter().collect::<Vec<_>>());
            announce(
                &mut row,
                "post.published",
                json!({"id": expired.subject, "platform": expired.queue, "accountId": expired.bucket,
                "warnings": warnings}),
            );
            row.post_warnings = Some(warnings);
        }
        _ => {}
    }
    row
}

/// The least that must be written: what happens to the job, and nothing that a value could be wrong in.
pub(super) fn minimal(row: &Settlement) -> Settlement {
    Settlement {
        message: None,
        http_status: None,
        platform_response: None,
        rule: None,
        code: row.code.as_ref().map(|_| "settlement.minimal".to_owned()),
        post_warnings: None,
        post_error: row.post_error.as_ref().map(|error| {
            json!({"code": error["code"], "platform": error["platform"],
            "message": "the details of this error could not be stored"})
        }),
        failure: row
            .failure
            .as_ref()
            .map(|failure| json!({"class": failure["class"]})),
        account_reason: None,
        blocked_by: None,
        event: None,
        event_type: None,
        event_data: None,
        ..row.clone()
    }
}
