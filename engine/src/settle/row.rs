//! From a report to a row: `decide`, and the words in which its settlement is written.

use super::publish::write_publish;
use super::refresh::write_refresh;
use crate::attempt::{Body, Work};
use crate::backend::Finished;
use crate::backoff::seed_of;
use crate::decide::{Close, Dead, Hold, Report, Settlement as Decision, Tries, decide};
use crate::mark::seal_checkpoint;
use crate::telemetry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use publisher::{Failure, Progress, Registry, Scope};
use serde_json::Value;
use std::time::Duration;
use store::queue::{LoadedPost, Settlement};
use uuid::Uuid;
use vault::Vault;

/// Counted failures after which a job is given up.
pub(crate) const FAILURES_MAX: u16 = 8;
/// Looks after which an outcome counts as unknowable.
pub(crate) const LOOKS_MAX: u16 = 30;
/// No wait that a platform asks for is longer; every window of ours is shorter.
const WAIT_MAX: Duration = Duration::from_hours(8 * 24);
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
    /// The post, account or delivery.
    pub(crate) subject: Uuid,
    /// `publish`, `refresh` or `unknown`.
    pub(crate) job_kind: &'static str,
    /// The request that it was accepted with.
    pub(crate) request: Option<String>,
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
        let unresolved = sent || work.claimed.sent_claim.is_some();
        let (report, sealed) = seal_progress(work, report, unresolved, vault);
        let sent = sent || (unresolved && matches!(report, Report::Undecided(_)));
        let tries = tries_of(work, sent, stopping);
        let late_receipt = late_receipt(work, &report);
        let looked = work.claimed.sent_claim.is_some();
        let absent = finished.state.was_absent();
        let decision = decide(report, &tries);
        let mut row = base_row(work, &tries, &decision, looked, absent);
        let mut closes_host = None;
        match &work.body {
            Body::Refresh(account) => {
                let refreshed = finished.state.take_refreshed();
                write_refresh(&mut row, account, &decision, refreshed, vault);
                if !hosts_chosen_by_users(&account.platform, registry) {
                    row.host = None;
                }
            }
            Body::Publish(post) => {
                write_publish(&mut row, work, post, &decision, sealed);
                closes_host = host_of(post, &decision, registry);
            }
            Body::Unknown => {}
        }
        Self {
            row,
            late_receipt,
            closes_host,
            subject: work.claimed.subject,
            job_kind: match &work.body {
                Body::Publish(_) => "publish",
                Body::Refresh(_) => "refresh",
                Body::Unknown => "unknown",
            },
            request: telemetry::request_of(work).map(str::to_owned),
            queue: work.claimed.queue.clone(),
        }
    }
}

/// Seals what progress asks to be remembered, before anything is decided by it: a step whose memory cannot be kept must not
/// resolve a mark, or an older checkpoint would make the next claim send again.
fn seal_progress(
    work: &Work,
    report: Report,
    unresolved: bool,
    vault: &Vault,
) -> (Report, Option<String>) {
    let Report::Did(Progress::Pending { checkpoint, .. }) = &report else {
        return (report, None);
    };
    match seal_checkpoint(vault, work.claimed.subject, checkpoint) {
        Ok(sealed) => (report, Some(BASE64.encode(sealed))),
        Err(failure) if unresolved => (Report::Undecided(failure), None),
        Err(failure) => (Report::Failed(failure), None),
    }
}

pub(super) fn tries_of(work: &Work, sent: bool, stopping: bool) -> Tries {
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

/// Milliseconds for a settlement, at most [`WAIT_MAX`]: a platform may name any number.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.min(WAIT_MAX).as_millis()).unwrap_or(0)
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
            row.resolves_mark = true;
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
        Decision::DeadLetter { class, .. } => {
            row.resolves_mark = *class != Dead::Ambiguous;
            // The failure that was one too many counts like those before it.
            row.failures = i16::from(*class == Dead::Exhausted);
        }
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

pub(super) fn kind_of(decision: &Decision) -> (&'static str, Duration) {
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

fn hosts_chosen_by_users(platform: &str, registry: &Registry) -> bool {
    registry
        .get(platform)
        .is_some_and(|connector| connector.habits.hosts_chosen_by_users)
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
