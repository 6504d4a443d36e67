//! What each answer of the video service means.
//!
//! None of its calls makes anything public, so whatever is not certain is tried again. What the account or the day does not
//! allow is told apart: a day's allowance comes back by itself and is waited for; an e-mail address that nobody confirmed
//! does not, and it concerns videos only, so the post is refused and the account goes on.

use crate::{
    failures::{scrubbed, wait, words},
    record::blob_cid,
    wire::{Xrpc, XrpcError},
};
use chrono::{DateTime, Utc};
use publisher::{Answer, Failure};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Days begin and end when the service says so, which it does not; eight counted tries at this distance cover one.
const NEXT_DAY_TRY: Duration = Duration::from_hours(3);

/// Wait after a 429 that names no time.
const PAUSE: Duration = Duration::from_mins(1);

/// A job of the service.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JobStatus {
    pub(super) job_id: String,
    #[serde(default)]
    pub(super) state: String,
    pub(super) progress: Option<i64>,
    blob: Option<Value>,
    error: Option<String>,
    message: Option<String>,
    failure_code: Option<String>,
}

/// How far a job is.
#[derive(Debug, PartialEq)]
pub(super) enum Job {
    /// With its blob.
    Done(Value),
    /// For a reason of the service's own: it may work next time. The failure is for the case that it does not.
    Failed(Failure),
    Working,
}

/// What a look at a job found.
pub(super) enum Look {
    Status(JobStatus),
    /// The service wants to be asked later.
    Later(Duration),
    /// The service does not know the job any more; the failure is for the case that this goes on.
    Forgotten(Failure),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    can_upload: bool,
    remaining_daily_videos: Option<i64>,
    remaining_daily_bytes: Option<i64>,
    message: Option<String>,
    error: Option<String>,
}

/// Whether the account may upload so many bytes now. Errors: it may not, or not today; the answer is none.
pub(super) fn may_upload(
    answer: &Answer,
    size_bytes: u64,
    now: DateTime<Utc>,
) -> Result<(), Failure> {
    const CALL: Xrpc = Xrpc::GetUploadLimits;
    if !answer.is_success() {
        return Err(refusal(CALL, answer, now));
    }
    let limits: Limits = answer.json().map_err(|_| unreadable(CALL, answer))?;
    let size = i64::try_from(size_bytes).unwrap_or(i64::MAX);
    let used_up = limits.remaining_daily_videos.is_some_and(|left| left < 1)
        || limits.remaining_daily_bytes.is_some_and(|left| left < size);
    if limits.can_upload && !used_up {
        return Ok(());
    }
    let said = limits.message.unwrap_or_default();
    Err(match limits.error.as_deref() {
        Some("unconfirmed_email") => unconfirmed(),
        _ if used_up => quota(CALL, &said),
        _ => Failure::rejected(
            CALL.code("not_allowed"),
            sentence("the account may not upload videos", &said),
        )
        .rule("bluesky.video.quota_exhausted")
        .remediation("Send it again when Bluesky lets the account upload videos."),
    })
}

/// The job of an upload. Errors: the service did not take it.
pub(super) fn uploaded(answer: &Answer, now: DateTime<Utc>) -> Result<JobStatus, Failure> {
    const CALL: Xrpc = Xrpc::UploadVideo;
    // The same bytes again: 409, with the job that the service has.
    if answer.is_success() || answer.status == 409 {
        if let Some(status) = read(answer) {
            return Ok(status);
        }
        if answer.is_success() {
            return Err(unreadable(CALL, answer).rule("bluesky.video.upload_failed"));
        }
    }
    Err(refusal(CALL, answer, now))
}

/// What a look at a job answered. Errors: the answer is none.
pub(super) fn looked(answer: &Answer, now: DateTime<Utc>) -> Result<Look, Failure> {
    const CALL: Xrpc = Xrpc::GetJobStatus;
    const RULE: &str = "bluesky.video.job_status_unavailable";
    match answer.status {
        429 => Ok(Look::Later(wait(answer, now).unwrap_or(PAUSE))),
        400 | 404 if XrpcError::read(answer).is_some() => Ok(Look::Forgotten(
            Failure::rejected(
                CALL.code("unknown_job"),
                "the video service forgot the job, again and again",
            )
            .rule(RULE)
            .status(answer.status),
        )),
        _ if answer.is_success() => match read(answer) {
            Some(status) => Ok(Look::Status(status)),
            None => Err(unreadable(CALL, answer).rule(RULE)),
        },
        _ => Err(refusal(CALL, answer, now).rule(RULE)),
    }
}

/// How far a job is. Errors: it failed and would fail again.
pub(super) fn judge(status: &JobStatus) -> Result<Job, Failure> {
    match status.state.as_str() {
        "JOB_STATE_COMPLETED" => match &status.blob {
            Some(blob) if blob_cid(blob).is_some() => Ok(Job::Done(blob.clone())),
            _ => Err(Failure::rejected(
                Xrpc::GetJobStatus.code("no_blob"),
                "the video service says that it is done and names no blob",
            )
            .rule("bluesky.video.completed_without_blob")
            .remediation("Send the post again.")),
        },
        "JOB_STATE_FAILED" => failed(status),
        _ => Ok(Job::Working),
    }
}

/// A job that has been worked on for too long.
pub(super) fn too_slow(status: &JobStatus) -> Failure {
    let progress = status.progress.unwrap_or_default();
    Failure::transient(
        Xrpc::GetJobStatus.code("too_slow"),
        format!(
            "the video is still being processed ({}, {progress} %)",
            known_word(&status.state)
        ),
    )
    .rule("bluesky.video.transcode_timeout")
    .remediation("Send the post again later.")
}

/// The object is at the top level in practice and wrapped in the lexicon.
fn read(answer: &Answer) -> Option<JobStatus> {
    let body: Value = answer.json().ok()?;
    let status = match &body["jobStatus"] {
        Value::Object(_) => &body["jobStatus"],
        _ => &body,
    };
    JobStatus::deserialize(status)
        .ok()
        .filter(|status| !status.job_id.is_empty())
}

fn failed(status: &JobStatus) -> Result<Job, Failure> {
    let said = [&status.message, &status.error]
        .into_iter()
        .flatten()
        .find(|said| !said.is_empty())
        .map_or(String::new(), |said| words_of(said));
    let message = sentence("the video service could not process the video", &said);
    let code = status.failure_code.as_deref().unwrap_or("generic_failure");
    let fact = Xrpc::GetJobStatus.code(known_word(code));
    let failure = Failure::rejected(fact, message).rule("bluesky.video.job_failed");
    match code {
        "validation_failure" => {
            Err(failure
                .remediation("Export it as MP4 with H.264 and AAC, at most 10 minutes long."))
        }
        "pds_upload_unsupported_blob_size" => Err(failure
            .remediation("The account's PDS does not take videos of this size; make it smaller.")),
        _ => Ok(Job::Failed(
            failure.remediation("Send the post again later."),
        )),
    }
}

/// An answer that is no success.
fn refusal(call: Xrpc, answer: &Answer, now: DateTime<Utc>) -> Failure {
    let error = XrpcError::read(answer);
    let name = error.as_ref().map(|error| error.error.as_str());
    let said = error
        .as_ref()
        .map_or(String::new(), |error| words(call, error));
    let failure = match (answer.status, name) {
        (429, _) => Failure::rate_limited(
            call.code("rate_limited"),
            "the video service accepts nothing from this account for a while",
        )
        .retry_in(wait(answer, now).unwrap_or(PAUSE)),
        (_, Some("unconfirmed_email")) => unconfirmed(),
        (400..500, Some("DailyLimitExceeded")) => quota(call, &said),
        (413, _) | (400, Some("VideoTooLarge")) => Failure::rejected(
            call.code("size"),
            sentence("the video service refuses the video for its size", &said),
        )
        .rule("bluesky.media.video_size_max")
        .remediation("Make the video smaller."),
        // Tokens of services live for a minute, so the next try brings another.
        (401 | 403, _) => Failure::transient(
            call.code("token_refused"),
            sentence("the video service refused the token of the PDS", &said),
        ),
        (408 | 409 | 421 | 425 | 500.. | ..400, _) | (_, None) => Failure::transient(
            call.code("unavailable"),
            format!("{} was answered with status {}", call.nsid(), answer.status),
        ),
        (_, Some(_)) => Failure::rejected(
            call.code("refused"),
            sentence("the video service refused the video", &said),
        ),
    };
    let failure = failure
        .status(answer.status)
        .response(scrubbed(&String::from_utf8_lossy(&answer.body)).as_bytes());
    match (call, failure.rule.is_some()) {
        (Xrpc::UploadVideo, false) => failure.rule("bluesky.video.upload_failed"),
        _ => failure,
    }
}

fn unreadable(call: Xrpc, answer: &Answer) -> Failure {
    Failure::transient(
        call.code("answer_unreadable"),
        format!("the answer of {} cannot be read", call.nsid()),
    )
    .status(answer.status)
}

fn unconfirmed() -> Failure {
    Failure::rejected(
        "bluesky.video.email_unconfirmed",
        "Bluesky takes videos only of accounts whose e-mail address is confirmed",
    )
    .rule("bluesky.video.email_unconfirmed")
    .remediation("Confirm the e-mail address in Bluesky's settings, then send the post again.")
}

fn quota(call: Xrpc, said: &str) -> Failure {
    Failure::transient(
        call.code("quota_exhausted"),
        sentence("the account's videos for today are used up", said),
    )
    .rule("bluesky.video.quota_exhausted")
    .remediation("It is tried again until its deadline; the allowance comes back within a day.")
    .retry_in(NEXT_DAY_TRY)
}

fn sentence(fact: &str, said: &str) -> String {
    if said.is_empty() {
        fact.to_owned()
    } else {
        format!("{fact}: {}", words_of(said))
    }
}

fn words_of(said: &str) -> String {
    let error = XrpcError {
        error: String::new(),
        message: said.to_owned(),
    };
    words(Xrpc::GetJobStatus, &error)
}

/// A word of the service that may stand in a code of ours.
fn known_word(word: &str) -> &str {
    let plain = (1..=64).contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { word } else { "unknown" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use publisher::Class::Rejected;
    use serde_json::json;

    fn status(value: Value) -> JobStatus {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn each_failure_of_a_job_has_its_class() {
        for (code, final_at_once) in [
            ("validation_failure", true),
            ("pds_upload_unsupported_blob_size", true),
            ("encoding_failure", false),
            ("pds_upload_failure", false),
            ("generic_failure", false),
            ("something_new", false),
        ] {
            let job = json!({ "jobId": "j", "state": "JOB_STATE_FAILED", "failureCode": code });
            let (failure, is_final) = match judge(&status(job)) {
                Err(failure) => (failure, true),
                Ok(Job::Failed(failure)) => (failure, false),
                other => panic!("{other:?}"),
            };
            assert_eq!(
                (failure.class, is_final),
                (Rejected, final_at_once),
                "{code}"
            );
            assert_eq!(failure.code, format!("bluesky.get_job_status.{code}"));
            assert_eq!(failure.rule.as_deref(), Some("bluesky.video.job_failed"));
        }
    }

    #[test]
    fn a_job_is_done_only_with_a_blob_and_under_way_in_any_other_state() {
        let blob = json!({ "$type": "blob", "ref": { "$link": "bafk" } });
        let done = json!({ "jobId": "j", "state": "JOB_STATE_COMPLETED", "blob": blob });
        assert_eq!(judge(&status(done)).unwrap(), Job::Done(blob));
        for state in ["JOB_STATE_CREATED", "JOB_STATE_SOMETHING_NEW", ""] {
            let job = json!({ "jobId": "j", "state": state });
            assert_eq!(judge(&status(job)).unwrap(), Job::Working);
        }
        let bare = judge(&status(
            json!({ "jobId": "j", "state": "JOB_STATE_COMPLETED" }),
        ));
        let rule = bare.unwrap_err().rule.unwrap();
        assert_eq!(rule, "bluesky.video.completed_without_blob");
    }
}
