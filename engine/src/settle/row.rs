//! From a report to a row: `decide`, and the words in which its settlement is written.

use crate::attempt::{Body, Work};
use crate::backend::Finished;
use crate::backoff::seed_of;
use crate::decide::{Close, Dead, Hold, Report, Settlement as Decision, Tries, decide};
use crate::events;
use crate::mark::seal_checkpoint;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use publisher::id::DeadLetterId;
use publisher::{Class, Failure, Progress, Receipt, Registry, Scope, TokenSet, Warning};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{ExpiredClaim, LoadedPost, Settlement};
use uuid::Uuid;
use vault::{Owner, Purpose, Vault};

/// Counted failures after which a job is given up.
pub(crate) const FAILURES_MAX: u16 = 8;
/// Looks after which an outcome counts as unknowable.
pub(crate) const LOOKS_MAX: u16 = 30;
/// Deaths in a row after which a job is a poison pill.
pub(crate) const DEATHS_MAX: u16 = 3;

/// A settlement ready to be written, and what follows when it was.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) row: Settlement,
    /// To be kept if the claim turns out to be lost: the post and its receipt.
    pub(crate) late_receipt: Option<(Uuid, Value)>,
    /// A host to be closed, and for how long.
    pub(crate) closes_host: Option<(String, Duration)>,
    queue: String,
}

impl Verdict {
    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    /// Judges a finished attempt.
    pub(crate) fn of(
        finished: &Finished,
        report: Report,
        sent: bool,
        stopping: bool,
        vault: &Vault,
        registry: &Registry,
    ) -> Self {
        let work = &*finished.work;
        let tries = tries_of(work, sent, stopping);
        let late_receipt = late_receipt(work, &report);
        let looked = work.claimed.sent_claim.is_some();
        let absent = finished.state.was_absent();
        let decision = decide(report, &tries);
        let mut row = base_row(work, &tries, &decision, looked, absent);
        let mut closes_host = None;
        match &work.body {
            Body::Refresh(account) => {
                let tokens = finished.state.take_tokens();
                write_refresh(&mut row, account, &decision, tokens, vault);
            }
            Body::Publish(post) => {
                write_publish(&mut row, work, post, &decision, vault);
                closes_host = host_of(post, &decision, registry);
            }
            Body::Unknown => {}
        }
        Self {
            row,
            late_receipt,
            closes_host,
            queue: work.claimed.queue.clone(),
        }
    }
}

fn tries_of(work: &Work, sent: bool, stopping: bool) -> Tries {
    let job = &work.claimed;
    let count = |n: i16| u16::try_from(n).unwrap_or(0);
    Tries {
        failures: count(job.failures),
        failures_max: FAILURES_MAX,
        looks: count(job.looks),
        looks_max: LOOKS_MAX,
        deaths: count(job.deaths),
        deaths_max: DEATHS_MAX,
        sent,
        public: job.receipt.is_some(),
        expired: job.give_up_at <= job.claimed_at,
        may_wait: job.may_wait,
        stopping,
        token_seen: match &work.body {
            Body::Publish(post) => post.token_generation,
            Body::Refresh(account) => Some(account.token_generation),
            Body::Unknown => None,
        },
        seed: seed_of(job.job),
    }
}

fn late_receipt(work: &Work, report: &Report) -> Option<(Uuid, Value)> {
    match (&work.body, report) {
        (Body::Publish(post), Report::Did(Progress::Published(receipt))) => {
            Some((post.id.uuid(), serde_json::to_value(receipt).ok()?))
        }
        _ => None,
    }
}

fn millis(duration: Duration) -> i64 {
    store_millis(duration)
}

fn store_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4)
}

/// The part of a row that every kind of work shares: what happens to the job, and the line in the ledger.
fn base_row(
    work: &Work,
    tries: &Tries,
    decision: &Decision,
    looked: bool,
    absent: bool,
) -> Settlement {
    let (kind, after) = kind_of(decision);
    let mut row = Settlement::new(work.fence(), kind);
    row.after_ms = millis(after);
    row.absences = i16::from(absent);
    row.token_seen = tries.token_seen;
    match decision {
        Decision::Complete { .. } | Decision::Continue { .. } | Decision::Cancel => {
            row.resolves_mark = true
        }
        Decision::Retry { restart, .. } => {
            row.resolves_mark = true;
            row.failures = 1;
            row.drops_checkpoint = *restart;
        }
        Decision::Snooze {
            keeps_mark, close, ..
        } => {
            row.resolves_mark = !keeps_mark;
            close_what(&mut row, *close);
        }
        Decision::Hold {
            keeps_mark,
            reason: Hold::AccountNeedsReauth,
            ..
        } => {
            row.resolves_mark = !keeps_mark;
            row.hold_reason = Some("account_needs_reauth");
        }
        Decision::Verify { .. } => row.looks = 1,
        Decision::Release { died, .. } => row.deaths = i16::from(*died),
        Decision::DeadLetter { class, .. } => row.resolves_mark = *class != Dead::Ambiguous,
    }
    row.outcome = outcome_of(decision, tries, looked, absent);
    if let Some(failure) = failure_of(decision) {
        row.class = Some(failure.class.word());
        row.code = Some(failure.code.clone());
        row.message = Some(failure.message.clone());
        row.rule.clone_from(&failure.rule);
        row.http_status = failure.http_status;
        row.platform_response.clone_from(&failure.platform_response);
    }
    row
}

fn kind_of(decision: &Decision) -> (&'static str, Duration) {
    match decision {
        Decision::Complete { .. } => ("complete", Duration::ZERO),
        Decision::Continue { after, .. } => ("continue", *after),
        Decision::Retry { after, .. } => ("retry", *after),
        Decision::Snooze {
            close: Close::Nothing(after),
            ..
        } => ("snooze", *after),
        Decision::Snooze { .. } => ("snooze", Duration::ZERO),
        Decision::Verify { after, .. } => ("verify", *after),
        Decision::Hold { .. } => ("hold", Duration::ZERO),
        Decision::Release { after, .. } => ("release", *after),
        Decision::Cancel => ("cancel", Duration::ZERO),
        Decision::DeadLetter { .. } => ("dead_letter", Duration::ZERO),
    }
}

fn close_what(row: &mut Settlement, close: Close) {
    match close {
        Close::Nothing(_) => {}
        // A host is closed for all its accounts by a statement of its own, behind this one.
        Close::For(Scope::Account | Scope::Host | Scope::Org, wait) => {
            row.blocks_ms = Some(millis(wait));
            row.blocked_by = Some("rate_limited".to_owned());
        }
        Close::For(Scope::App, wait) => {
            row.closes_queue_ms = Some(millis(wait));
            row.blocked_by = Some("rate_limited".to_owned());
        }
        Close::AppUntilResumed => {
            row.pauses_queue = true;
            row.blocked_by = Some("operator_blocked".to_owned());
        }
        Close::UntilTokenNewerThan(_) => row.refreshes_token = true,
    }
}

/// The ledger's word, or none: a poll, a look or a release that changed nothing writes no row.
fn outcome_of(
    decision: &Decision,
    tries: &Tries,
    looked: bool,
    absent: bool,
) -> Option<&'static str> {
    match decision {
        Decision::Complete { .. } => Some("published"),
        Decision::Continue { receipt, .. } => {
            (receipt.is_some() || tries.sent).then_some("progressed")
        }
        Decision::Cancel => Some("canceled"),
        Decision::DeadLetter {
            class: Dead::Ambiguous,
            ..
        } => Some("unknown"),
        Decision::DeadLetter {
            class: Dead::Poison,
            ..
        }
        | Decision::Release { died: true, .. } => Some("died"),
        Decision::Retry { .. } | Decision::DeadLetter { .. } if absent => Some("absent"),
        Decision::Verify { .. } => (!looked).then_some("unknown"),
        Decision::Snooze {
            keeps_mark, close, ..
        } => (!keeps_mark && !matches!(close, Close::Nothing(_))).then_some("failed"),
        Decision::Retry { .. } | Decision::Hold { .. } | Decision::DeadLetter { .. } => {
            Some("failed")
        }
        Decision::Release { died: false, .. } => None,
    }
}

fn failure_of(decision: &Decision) -> Option<&Failure> {
    match decision {
        Decision::Retry { failure, .. }
        | Decision::Snooze { failure, .. }
        | Decision::Verify { failure, .. }
        | Decision::Hold { failure, .. }
        | Decision::DeadLetter { failure, .. } => Some(failure),
        Decision::Complete { .. }
        | Decision::Continue { .. }
        | Decision::Release { .. }
        | Decision::Cancel => None,
    }
}

fn write_publish(
    row: &mut Settlement,
    work: &Work,
    post: &LoadedPost,
    decision: &Decision,
    vault: &Vault,
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
            row.checkpoint = seal_checkpoint(vault, post.id.uuid(), checkpoint)
                .ok()
                .map(|sealed| BASE64.encode(sealed));
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
fn wire_words(class: Dead, failure: &Failure) -> (&'static str, &'static str, Option<String>) {
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
fn fingerprint(platform: &str, class: Dead, failure: &Failure) -> String {
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

fn write_refresh(
    row: &mut Settlement,
    account: &store::queue::LoadedAccount,
    decision: &Decision,
    tokens: Option<TokenSet>,
    vault: &Vault,
) {
    row.refreshes_token = false;
    let refused = match decision {
        Decision::Complete { .. } => {
            row.outcome = None;
            if let Some(tokens) = tokens {
                let sealable = tokens.to_sealable();
                let owner = Owner::account(account.id.uuid());
                match vault.seal(
                    sealable.expose_secret().as_bytes(),
                    owner,
                    Purpose::AccountToken,
                ) {
                    Ok(sealed) => {
                        row.sealed_tokens = Some(BASE64.encode(sealed.as_bytes()));
                        row.token_generation = Some(account.token_generation);
                        row.token_expires_at = tokens.expires_at;
                    }
                    Err(error) => {
                        tracing::error!(account = %account.id, error = %error, "fresh tokens could not be sealed")
                    }
                }
            }
            None
        }
        Decision::Hold { failure, .. } => Some(failure),
        Decision::DeadLetter { failure, .. } if failure.class == Class::AccountBlocked => {
            Some(failure)
        }
        _ => None,
    };
    if let Some(failure) = refused {
        // Nothing to send again: the account's owner must reconnect, and its posts wait for that.
        row.kind = "dead_letter";
        row.hold_reason = None;
        row.account_status = Some("needs_reauth");
        row.account_reason = Some(failure.message.clone());
        let id = Some(account.platform_account_id.as_str());
        let data =
            events::token_revoked(&account.platform, account.id.uuid(), id, &failure.message);
        announce(row, "token.revoked", data);
    }
}

fn announce(row: &mut Settlement, event: &'static str, data: Value) {
    row.event = Some(Uuid::now_v7());
    row.event_type = Some(event);
    row.event_data = Some(data);
}

fn host_of(
    post: &LoadedPost,
    decision: &Decision,
    registry: &Registry,
) -> Option<(String, Duration)> {
    let Decision::Snooze {
        close: Close::For(Scope::Host, wait),
        ..
    } = decision
    else {
        return None;
    };
    let connector = registry.get(&post.platform)?;
    let host = host_of_profile(post.profile_data.as_ref()?)?;
    connector
        .habits
        .hosts_chosen_by_users
        .then_some((host, *wait))
}

/// The host that an account's profile data name, where users choose it: the `host` member, or that of the `pds` address.
pub(crate) fn host_of_profile(profile: &Value) -> Option<String> {
    if let Some(host) = profile.get("host").and_then(Value::as_str) {
        return Some(host.to_owned());
    }
    let address = profile.get("pds").and_then(Value::as_str)?;
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    Some(
        after_scheme
            .split('/')
            .next()
            .unwrap_or(after_scheme)
            .to_ascii_lowercase(),
    )
}

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
        Decision::Complete { .. } if expired.kind == "publish" => {
            row.post_status = Some("published");
            row.resolves_mark = true;
        }
        _ => {}
    }
    row
}

/// The least that must be written: what happens to the job, and nothing that a value could be wrong in.
pub(super) fn minimal(row: &Settlement) -> Settlement {
    Settlement {
        message: None,
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
