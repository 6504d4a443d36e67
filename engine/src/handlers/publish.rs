//! Publishing: open what is sealed, look or publish (never both in one claim), report.

use super::Tools;
use crate::attempt::AttemptState;
use crate::decide::Report;
use crate::mark::ClaimMark;
use publisher::id::AccountId;
use publisher::{
    Account, Caption, Checkpoint, Class, Connector, Deadline, Evidence, Failure, FirstComment,
    Media, MediaFacts, MediaKind, Post, Progress, ReadBack, Receipt, Step, TokenSet, Usages,
};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use store::queue::{Claimed, LoadedPost, Refusal};
use vault::{OpenError, Owner, Purpose};

pub(super) async fn run(
    tools: &Tools,
    job: &Claimed,
    loaded: &LoadedPost,
    state: &Arc<AttemptState>,
) -> Report {
    let opened = match open(tools, job, loaded, state) {
        Ok(opened) => opened,
        // While a send is unresolved, trouble before the look is no verdict about the post.
        Err(report) => return undecided_if(job.sent_claim.is_some(), *report),
    };
    let mark = ClaimMark {
        store: tools.store.clone(),
        vault: tools.vault.clone(),
        fence: job.fence(),
        post: loaded.id.uuid(),
        call_deadline: opened.connector.habits.call_deadline,
        state: Arc::clone(state),
    };
    let media = tools.library.reader(job.org);
    let usages = Usages::default();
    let step = Step {
        post: &opened.post,
        account: &opened.account,
        token: &opened.tokens.access,
        media: &media,
        checkpoint: opened.checkpoint.as_ref(),
        receipt: opened.receipt.as_ref(),
        sent_at: job.sent_at,
        answer_by: job.answer_by,
        mark: &mark,
        usages: &usages,
        idempotency_key: &opened.idempotency_key,
        sequence: job.sequence,
        now: job.claimed_at,
        deadline: Deadline::after(tools.attempt_max),
    };
    let report = if job.sent_claim.is_some() {
        look(&opened.connector, step, job, state).await
    } else {
        publish(&opened.connector, step, state).await
    };
    for usage in usages.take() {
        let (queue, left) = (opened.connector.platform, usage.left);
        tracing::debug!(
            queue,
            quota = usage.quota,
            scope = usage.scope.word(),
            ?left,
            "the platform told its own count"
        );
    }
    report
}

async fn publish(connector: &Connector, step: Step<'_>, state: &AttemptState) -> Report {
    match connector.publisher.publish(step).await {
        Ok(progress) => Report::Did(progress),
        Err(failure) => match state.refusal() {
            Some(Refusal::Overdue) => Report::Overdue,
            Some(Refusal::Canceled) => Report::Canceled,
            Some(Refusal::Busy) => Report::Busy,
            // The next claim, if there is one, finds the receipt or the heir's work.
            Some(Refusal::Received | Refusal::LeaseLost) => Report::Unstarted,
            None => Report::Failed(failure),
        },
    }
}

/// Looks, and folds the evidence into a report.
async fn look(
    connector: &Connector,
    step: Step<'_>,
    job: &Claimed,
    state: &AttemptState,
) -> Report {
    match connector.publisher.verify(step).await {
        Ok(Evidence::Found(progress)) => {
            state.look_resolved(false);
            Report::Did(progress)
        }
        // A list may be late: what it does not show a second time, nobody knows.
        Ok(Evidence::Absent)
            if connector.habits.read_back == ReadBack::List && job.absences > 0 =>
        {
            Report::Unknowable(unknowable())
        }
        Ok(Evidence::Absent) => {
            state.look_resolved(true);
            Report::Failed(Failure::transient(
                "publish.absent",
                "the earlier send had no effect; it is sent again",
            ))
        }
        Ok(Evidence::NotYet { look_after }) => Report::Undecided(
            Failure::ambiguous(
                "publish.not_yet",
                "it is too early to say what became of the send",
            )
            .retry_in(look_after),
        ),
        // Whatever went wrong before this claim's own mark says nothing about the earlier send.
        Ok(Evidence::ResendIsSafe { .. }) => {
            let report = adopted(publish(connector, step, state).await);
            undecided_if(!state.is_marked_here(), report)
        }
        Ok(Evidence::Unknowable) => Report::Unknowable(unknowable()),
        Err(failure) => Report::Undecided(failure),
    }
}

/// A repetition that was answered with "a duplicate of that one" found the first send's post.
fn adopted(report: Report) -> Report {
    match report {
        Report::Failed(Failure {
            class: Class::Duplicate,
            original: Some(first),
            ..
        }) => Report::Did(Progress::Published(*first)),
        other => other,
    }
}

/// Keeps the mark of an earlier claim: nothing but a definite answer about its send may resolve it.
fn undecided_if(unresolved: bool, report: Report) -> Report {
    match report {
        Report::Failed(failure) if unresolved => Report::Undecided(failure),
        Report::Busy | Report::Unstarted if unresolved => Report::Undecided(Failure::transient(
            "publish.not_looked",
            "the earlier send could not be looked at now",
        )),
        other => other,
    }
}

fn unknowable() -> Failure {
    Failure::ambiguous(
        "publish.outcome_unknown",
        "it may have been published, and the platform offers no way to find out",
    )
    .rule("publish.outcome_unknown")
    .remediation("look at the account, then discard the dead letter or send it again")
}

/// What an attempt works with: everything unsealed, for its length only.
struct Opened {
    connector: Arc<Connector>,
    post: Post,
    account: Account,
    tokens: TokenSet,
    checkpoint: Option<Checkpoint>,
    receipt: Option<Receipt>,
    idempotency_key: String,
}

fn open(
    tools: &Tools,
    job: &Claimed,
    loaded: &LoadedPost,
    state: &AttemptState,
) -> Result<Opened, Box<Report>> {
    if let Some(receipt) = late_receipt(loaded) {
        state.look_resolved(false);
        return Err(Box::new(Report::Did(Progress::Published(receipt))));
    }
    let Some(connector) = tools.registry.get(&loaded.platform) else {
        return Err(Box::new(Report::Unreadable));
    };
    let sent = job.sent_claim.is_some();
    if job.cancel_requested_at.is_some() && !sent {
        return Err(Box::new(Report::Canceled));
    }
    let blocked = loaded.account_status.as_deref() == Some("needs_reauth");
    if job.give_up_at <= job.claimed_at && !sent {
        let ended_by_account = blocked && !job.may_wait;
        return Err(Box::new(if ended_by_account {
            Report::Failed(needs_reauth(loaded.status_reason.as_deref()))
        } else {
            Report::Overdue
        }));
    }
    let account = account_of(loaded).ok_or_else(|| Box::new(Report::Failed(disconnected())))?;
    let tokens = match &loaded.sealed_tokens {
        Some(sealed) => open_tokens(tools, job, loaded, sealed)?,
        None => return Err(Box::new(Report::Failed(disconnected()))),
    };
    let checkpoint = match &job.checkpoint {
        Some(sealed) => Some(open_checkpoint(tools, loaded, sealed, connector, sent)?),
        None => None,
    };
    Ok(Opened {
        connector: Arc::clone(connector),
        post: post_of(loaded)?,
        account,
        tokens,
        checkpoint,
        receipt: job
            .receipt
            .clone()
            .and_then(|receipt| serde_json::from_value(receipt).ok()),
        idempotency_key: loaded.id.to_string(),
    })
}

fn late_receipt(loaded: &LoadedPost) -> Option<Receipt> {
    loaded
        .late_receipt
        .clone()
        .and_then(|receipt| serde_json::from_value(receipt).ok())
}

fn account_of(loaded: &LoadedPost) -> Option<Account> {
    Some(Account {
        id: AccountId(loaded.account.uuid()),
        platform_account_id: loaded.platform_account_id.clone()?,
        handle: loaded.handle.clone(),
        profile: loaded.profile_data.clone().unwrap_or_default(),
    })
}

fn open_tokens(
    tools: &Tools,
    job: &Claimed,
    loaded: &LoadedPost,
    sealed: &[u8],
) -> Result<TokenSet, Box<Report>> {
    match tools.vault.open(
        sealed,
        Owner::account(loaded.account.uuid()),
        Purpose::AccountToken,
    ) {
        Ok(plain) => TokenSet::from_sealable(&plain)
            .ok_or_else(|| Box::new(Report::Failed(unreadable_tokens()))),
        // A worker with another key ring can read it.
        Err(OpenError::UnknownKey(id)) => {
            tracing::error!(job = %job.job, key = %id, "a token is sealed under a master key that this process lacks");
            Err(Box::new(Report::Unreadable))
        }
        Err(OpenError::Malformed | OpenError::Forged) => {
            Err(Box::new(Report::Failed(unreadable_tokens())))
        }
    }
}

fn open_checkpoint(
    tools: &Tools,
    loaded: &LoadedPost,
    sealed: &[u8],
    connector: &Connector,
    sent: bool,
) -> Result<Checkpoint, Box<Report>> {
    let lost = |problem: &str| {
        let failure = Failure::stale("checkpoint.read", problem);
        Box::new(if sent {
            Report::Unknowable(failure)
        } else {
            Report::Failed(failure)
        })
    };
    match tools
        .vault
        .open(sealed, Owner::post(loaded.id.uuid()), Purpose::Checkpoint)
    {
        Ok(plain) => match serde_json::from_slice::<Checkpoint>(&plain) {
            Ok(checkpoint) if checkpoint.version > connector.habits.checkpoint_version => {
                Err(Box::new(Report::Unreadable))
            }
            Ok(checkpoint) => Ok(checkpoint),
            Err(_) => Err(lost("the stored checkpoint is not readable")),
        },
        Err(OpenError::UnknownKey(_)) => Err(Box::new(Report::Unreadable)),
        Err(OpenError::Malformed | OpenError::Forged) => {
            Err(lost("the stored checkpoint does not open"))
        }
    }
}

/// A file as it is stored with its post; what the library no longer has lacks its type and size.
#[derive(Deserialize)]
struct StoredFile {
    id: String,
    kind: Option<MediaKind>,
    alt_text: Option<String>,
    mime: Option<String>,
    size_bytes: Option<u64>,
    width: Option<u32>,
    height: Option<u32>,
    duration_ms: Option<u64>,
    sha256: Option<String>,
    #[serde(default)]
    captions: Vec<Caption>,
}

fn post_of(loaded: &LoadedPost) -> Result<Post, Box<Report>> {
    // A post never goes out without a part of itself: what cannot be read is a failure, not an absence.
    let first_comment: Option<FirstComment> = match loaded.first_comment.clone() {
        Some(stored) => Some(readable(stored, "first comment")?),
        None => None,
    };
    Ok(Post {
        id: loaded.id,
        text: loaded.text.clone(),
        media: files(loaded.media.clone())?,
        first_comment,
        options: loaded.options.clone(),
        option_media: files(loaded.option_media.clone())?,
    })
}

fn files(stored: serde_json::Value) -> Result<Vec<Media>, Box<Report>> {
    let stored: Vec<StoredFile> = readable(stored, "media")?;
    let known = stored.into_iter().map(|file| {
        let (Some(mime), Some(size_bytes)) = (file.mime, file.size_bytes) else {
            let gone = Failure::rejected(
                "media.unknown",
                format!("media {} is no longer in the library", file.id),
            );
            return Err(Box::new(Report::Failed(gone.rule("media.unknown"))));
        };
        Ok(Media {
            id: file.id,
            kind: file.kind.unwrap_or_else(|| MediaKind::of_mime(&mime)),
            mime,
            size_bytes,
            width: file.width,
            height: file.height,
            alt_text: file.alt_text,
            facts: MediaFacts {
                sha256: file.sha256,
                duration: file.duration_ms.map(Duration::from_millis),
                ..MediaFacts::default()
            },
            captions: file.captions,
        })
    });
    known.collect()
}

fn readable<T: serde::de::DeserializeOwned>(
    stored: serde_json::Value,
    part: &str,
) -> Result<T, Box<Report>> {
    serde_json::from_value(stored).map_err(|e| {
        let problem = format!("the stored {part} of the post cannot be read: {e}");
        Box::new(Report::Failed(Failure::transient(
            "post.unreadable",
            problem,
        )))
    })
}

fn needs_reauth(why: Option<&str>) -> Failure {
    Failure::account_blocked(
        "account.needs_reauth",
        why.unwrap_or("the platform no longer accepts this account's connection"),
    )
    .remediation("connect the account again, then send the post again")
}

fn disconnected() -> Failure {
    Failure::account_blocked(
        "account.disconnected",
        "the account is not connected any more",
    )
    .remediation("connect the account again, then send the post again")
}

fn unreadable_tokens() -> Failure {
    Failure::account_blocked(
        "account.tokens_unreadable",
        "the account's stored tokens do not open",
    )
    .remediation("connect the account again")
}
