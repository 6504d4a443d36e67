//! Videos: from our library through Bluesky's video service to a blob of the account's PDS, and into a record.
//!
//! Three steps, each of its own claim, so that nobody waits inside one: ask whether the account may upload, and upload;
//! look what became of the job, as often as it takes; freeze and put, as any post. The job's id lies in the checkpoint, so a
//! worker that dies loses at most one upload, and even that one is adopted: the service knows the same bytes again and
//! answers with the job that it has. Nothing here can be seen by anybody, so nothing here needs a mark.
//!
//! The service writes the blob to the PDS with a token that the PDS made for it. A blob that nothing refers to is thrown
//! away after some hours; if a put then finds it gone, the video goes this way again, under the key and with the instant
//! that the post was frozen with, so that the earlier put can never become a second post.
//!
//! Source: the platform sheet "Bluesky" §4.7 (flow A), and the lexicons `app.bsky.video.*`.

pub(crate) mod rules;
mod verdict;

use crate::{
    failures,
    options::language,
    publish::{Bluesky, Task, unreachable},
    record::{self, Frozen},
    wire::{ServiceToken, Xrpc},
};
use chrono::{DateTime, TimeDelta, Utc};
use publisher::{Answer, Checkpoint, Failure, Http, Media, Progress};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// Largest video (lexicon `app.bsky.embed.video`, since 2026-08-11).
pub(crate) const VIDEO_BYTES_MAX: u64 = 300_000_000;

/// Captions of a video.
pub(crate) const CAPTIONS_MAX: usize = 20;

/// Largest file of captions.
pub(crate) const CAPTION_BYTES_MAX: usize = 20_000;

/// How long the token is good with which the service writes to the PDS; an hour is the most.
const WRITE_TOKEN_LIFE: TimeDelta = TimeDelta::minutes(30);

/// First and longest pause between two looks at a job.
const LOOK_AFTER: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// A job that takes longer is looked at as a failure that counts.
const PROCESSING_MAX: TimeDelta = TimeDelta::minutes(15);

/// Pause before a video is uploaded again whose job failed for a reason of the service's own.
const PROCESS_AGAIN: Duration = Duration::from_secs(30);

/// How often one post's video is uploaded because its job failed or its blob was thrown away.
const UPLOADS_MAX: u16 = 3;

/// The checkpoint's word while the service works.
const STAGE: &str = "processing";

/// The service that takes videos.
#[derive(Debug)]
pub(crate) struct VideoService {
    pub(crate) http: Http,
    pub(crate) address: Url,
}

/// What is remembered while the service works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Processing {
    /// The service's job; none while the video is still to be uploaded.
    job: Option<String>,
    /// When it was uploaded.
    since: DateTime<Utc>,
    /// Looks at the job.
    looks: u32,
    /// Uploads, this one included.
    uploads: u16,
    /// Where the part was frozen before its blob was thrown away.
    again: Option<Again>,
    /// The part before it, or itself as it was frozen.
    before: Option<Box<Frozen>>,
}

/// What a post keeps that is frozen a second time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Again {
    pub(crate) rkey: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// How far a part's video has come.
pub(crate) enum Film {
    /// It has none, or is frozen with it; what the checkpoint says.
    None(Option<Frozen>),
    /// Its blob is at the PDS.
    Ready(Box<Ready>),
    /// The service works.
    Working(Box<Progress>),
}

/// A video whose blob is at the PDS.
pub(crate) struct Ready {
    pub(crate) filmed: Filmed,
    /// The part before it, or itself as it was frozen.
    pub(crate) before: Option<Frozen>,
}

/// What a part with a video is frozen with.
pub(crate) struct Filmed {
    pub(crate) blob: Value,
    pub(crate) uploads: u16,
    pub(crate) again: Option<Again>,
}

/// The embed of a record. `captions` are the blobs of the video's captions, in order.
pub(crate) fn embed(video: &Media, blob: &Value, captions: &[Value]) -> Value {
    let mut embed = json!({ "$type": "app.bsky.embed.video", "video": blob });
    if let Some(alt) = video.alt_text.as_deref().filter(|alt| !alt.is_empty()) {
        embed["alt"] = crate::text::without_mark(alt).into();
    }
    if let (Some(width @ 1..), Some(height @ 1..)) = (video.width, video.height) {
        embed["aspectRatio"] = json!({ "width": width, "height": height });
    }
    if !captions.is_empty() {
        let files = video.captions.iter().zip(captions);
        embed["captions"] = files
            .map(|(caption, file)| json!({ "lang": language(&caption.lang), "file": file }))
            .collect();
    }
    embed
}

/// What follows when the PDS finds that the video's blob is gone: it is uploaded again, for the same record key. Errors: that
/// happened too often.
pub(crate) fn blob_gone(task: &Task<'_>, frozen: Frozen) -> Result<Progress, Failure> {
    if frozen.uploads >= UPLOADS_MAX {
        return Err(Failure::rejected(
            "bluesky.put_record.blob_not_found",
            format!("the PDS lost the uploaded video {UPLOADS_MAX} times"),
        )
        .rule("bluesky.video.upload_failed")
        .remediation("Ask the host of the PDS, then send the post again."));
    }
    let now = task.step.now;
    let created_at = frozen.record["createdAt"]
        .as_str()
        .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
        .map_or(now, |at| at.to_utc());
    let again = Again {
        rkey: frozen.rkey.clone(),
        created_at,
    };
    let processing = Processing {
        uploads: frozen.uploads,
        again: Some(again),
        ..first(now, Some(frozen))
    };
    processing.pending(task, Duration::ZERO)
}

impl Processing {
    fn pending(&self, task: &Task<'_>, poll_after: Duration) -> Result<Progress, Failure> {
        Ok(Progress::Pending {
            checkpoint: Checkpoint::new(record::CHECKPOINT_VERSION, STAGE, self)?,
            poll_after,
            receipt: task.step.receipt.cloned(),
        })
    }

    fn working(&self, task: &Task<'_>, poll_after: Duration) -> Result<Film, Failure> {
        let progress = self.pending(task, poll_after)?;
        Ok(Film::Working(Box::new(progress)))
    }

    fn ready(self, blob: Value) -> Film {
        Film::Ready(Box::new(Ready {
            filmed: Filmed {
                blob,
                uploads: self.uploads,
                again: self.again,
            },
            before: self.before.map(|before| *before),
        }))
    }

    /// The whole way once more, with everything that is remembered. Errors: `why`, if it was gone too often.
    fn upload_again(self, task: &Task<'_>, why: Failure, pause: Duration) -> Result<Film, Failure> {
        if self.uploads >= UPLOADS_MAX {
            return Err(why);
        }
        tracing::info!(%why, uploads = self.uploads, "the video is uploaded again");
        let again = Self {
            job: None,
            looks: 0,
            ..self
        };
        again.working(task, pause)
    }

    /// Looks again a little later each time.
    fn look_later(mut self, task: &Task<'_>) -> Result<Film, Failure> {
        let (first, longest) = LOOK_AFTER;
        let pause = first.saturating_mul(self.looks.saturating_add(2)) / 2;
        self.looks += 1;
        self.working(task, pause.min(longest))
    }
}

impl Bluesky {
    /// The next step of a part's video. Errors: the table in `verdict`.
    pub(crate) async fn film(&self, task: &Task<'_>) -> Result<Film, Failure> {
        let processing = match task.step.checkpoint {
            Some(checkpoint) if checkpoint.stage == STAGE => checkpoint.read::<Processing>()?,
            checkpoint => {
                let known: Option<Frozen> = checkpoint.map(Checkpoint::read).transpose()?;
                let is_frozen = known
                    .as_ref()
                    .is_some_and(|known| known.part == task.number);
                if is_frozen || task.part.film().is_none() {
                    return Ok(Film::None(known));
                }
                first(task.step.now, known)
            }
        };
        let Some(media) = task.part.film() else {
            return Ok(Film::None(None));
        };
        match processing.job.clone() {
            Some(job) => self.look_at(task, processing, &job).await,
            None => self.hand_over(task, media, processing).await,
        }
    }

    /// Asks for leave and uploads.
    async fn hand_over(
        &self,
        task: &Task<'_>,
        media: &Media,
        processing: Processing,
    ) -> Result<Film, Failure> {
        let step = &task.step;
        self.ask_limits(task, media).await?;
        let writes_to = format!("did:web:{}", task.pds.host_str().unwrap_or_default());
        let expires = step.now + WRITE_TOKEN_LIFE;
        let token = self
            .service_token(task, &writes_to, Xrpc::UploadBlob, Some(expires))
            .await?;
        let pieces = step.media.open(media).await?;
        let call = self
            .video
            .http
            .post(&Xrpc::UploadVideo.at(&self.video.address))
            .query(&[
                ("did", task.did()),
                ("name", &format!("{}-{}.mp4", step.post.id, task.number)),
            ])
            .bearer(&token)
            .stream(&media.mime, media.size_bytes, pieces)
            .longest(self.habits.upload_deadline);
        let answer =
            call.deadline(step.deadline).send().await.map_err(|e| {
                unreachable(Xrpc::UploadVideo, &e).rule("bluesky.video.upload_failed")
            })?;
        let status = verdict::uploaded(&answer, step.now)?;
        let processing = Processing {
            job: Some(status.job_id.clone()),
            since: step.now,
            looks: 0,
            uploads: processing.uploads + 1,
            ..processing
        };
        follow(task, processing, &status)
    }

    /// What became of a job.
    async fn look_at(
        &self,
        task: &Task<'_>,
        processing: Processing,
        job: &str,
    ) -> Result<Film, Failure> {
        let call = self
            .video
            .http
            .get(&Xrpc::GetJobStatus.at(&self.video.address))
            .query(&[("jobId", job)]);
        let answer = call
            .deadline(task.step.deadline)
            .send()
            .await
            .map_err(|e| {
                unreachable(Xrpc::GetJobStatus, &e).rule("bluesky.video.job_status_unavailable")
            })?;
        match verdict::looked(&answer, task.step.now)? {
            verdict::Look::Status(status) => follow(task, processing, &status),
            verdict::Look::Later(wait) => processing.working(task, wait),
            verdict::Look::Forgotten(failure) => {
                processing.upload_again(task, failure, Duration::ZERO)
            }
        }
    }

    async fn ask_limits(&self, task: &Task<'_>, media: &Media) -> Result<(), Failure> {
        let step = &task.step;
        let own = self.video.did();
        let token = self
            .service_token(task, &own, Xrpc::GetUploadLimits, None)
            .await?;
        let answer = self
            .video
            .http
            .get(&Xrpc::GetUploadLimits.at(&self.video.address))
            .bearer(&token)
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::GetUploadLimits, &e))?;
        verdict::may_upload(&answer, media.size_bytes, step.now)
    }

    /// A token with which the account's PDS vouches for it at `audience`, for one method.
    async fn service_token(
        &self,
        task: &Task<'_>,
        audience: &str,
        method: Xrpc,
        expires: Option<DateTime<Utc>>,
    ) -> Result<SecretString, Failure> {
        let step = &task.step;
        let mut call = self
            .http
            .get(&Xrpc::GetServiceAuth.at(task.pds))
            .query(&[("aud", audience), ("lxm", method.nsid())])
            .bearer(step.token);
        if let Some(expires) = expires {
            call = call.query(&[("exp", &expires.timestamp().to_string())]);
        }
        let answer: Answer = call
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::GetServiceAuth, &e))?;
        if !answer.is_success() {
            return Err(failures::failure(Xrpc::GetServiceAuth, &answer, step.now));
        }
        let ServiceToken { token } = answer
            .json()
            .map_err(|_| failures::unreadable(Xrpc::GetServiceAuth, &answer))?;
        Ok(token)
    }
}

impl VideoService {
    /// How tokens name it.
    fn did(&self) -> String {
        let host = self.address.host_str().unwrap_or_default();
        match self.address.port() {
            Some(port) => format!("did:web:{host}%3A{port}"),
            None => format!("did:web:{host}"),
        }
    }
}

/// A video of which nothing has been done.
fn first(now: DateTime<Utc>, before: Option<Frozen>) -> Processing {
    Processing {
        job: None,
        since: now,
        looks: 0,
        uploads: 0,
        again: None,
        before: before.map(Box::new),
    }
}

/// What follows from a job's status. Errors: it failed, or takes too long.
fn follow(
    task: &Task<'_>,
    processing: Processing,
    status: &verdict::JobStatus,
) -> Result<Film, Failure> {
    match verdict::judge(status)? {
        verdict::Job::Done(blob) => Ok(processing.ready(blob)),
        verdict::Job::Failed(failure) => processing.upload_again(task, failure, PROCESS_AGAIN),
        verdict::Job::Working if task.step.now - processing.since > PROCESSING_MAX => {
            Err(verdict::too_slow(status))
        }
        verdict::Job::Working => processing.look_later(task),
    }
}
