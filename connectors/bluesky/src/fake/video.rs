//! The video service: takes a video, works on it by the fake's clock, and writes the result to the account's PDS.
//!
//! What it does to a video is its own business: the blob that comes out is small and always the same for the same bytes, as
//! the real one's is. It knows bytes that it has seen, keeps a day's allowance, and fails when it is told to; a file that is
//! no MP4 fails when it is looked into, which is after the upload, as it is in reality.
//!
//! Sources: the platform sheet "Bluesky" §4.7; lexicons `app.bsky.video.*`; the names of refused tokens are those of the
//! protocol's own server library (`BadJwt…`, `JwtExpired`).

use super::{
    FakePds, State,
    cid::Cid,
    request::Request,
    tokens::{Claims, did_of_host},
    xrpc::Refusal,
};
use axum::{Json, Router, extract::Path, http::StatusCode, routing::post};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};

/// Videos and bytes of an account and day.
const DAY: (i64, i64) = (25, 10_000_000_000);

/// Largest video.
const VIDEO_BYTES_MAX: usize = 300_000_000;

/// What a job goes through, and until which second of its life it stays there.
const STATES: [(&str, i64); 7] = [
    ("JOB_STATE_CREATED", 1),
    ("JOB_STATE_ENCODING", 3),
    ("JOB_STATE_ENCODED", 4),
    ("JOB_STATE_SCANNING", 5),
    ("JOB_STATE_SCANNED", 6),
    ("JOB_STATE_UPLOADING", 7),
    ("JOB_STATE_UPLOADED", 8),
];

/// All jobs, and what tests want of them.
#[derive(Debug, Default)]
pub(super) struct Videos {
    jobs: Vec<Job>,
    used: HashMap<(String, NaiveDate), (i64, i64)>,
    wishes: HashMap<String, VideoWish>,
}

#[derive(Debug)]
struct Job {
    id: String,
    did: String,
    content: String,
    begun: DateTime<Utc>,
    failure: Option<String>,
}

/// How the service treats an account from now on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VideoWish {
    /// Why it may not upload: `unconfirmed_email`, or any other word.
    pub error: Option<String>,
    /// What the service says beside it.
    pub message: Option<String>,
    /// Videos left for today; else what is left of 25.
    pub remaining_daily_videos: Option<i64>,
    /// Bytes left for today; else what is left of 10 GB.
    pub remaining_daily_bytes: Option<i64>,
    /// Every job from now on ends with this `failureCode`.
    pub failure_code: Option<String>,
    /// The service forgets the jobs it has.
    pub forget_jobs: bool,
}

impl FakePds {
    /// Bytes that an account uploaded as videos.
    pub fn video_bytes_used(&self, did: &str) -> i64 {
        let state = self.lock();
        let days = state.videos.used.iter().filter(|((who, _), _)| who == did);
        days.map(|(_, (_, bytes))| bytes).sum()
    }

    /// Lets the video service treat an account so.
    pub fn set_video(&self, did: &str, wish: VideoWish) {
        let mut state = self.lock();
        if wish.forget_jobs {
            state.videos.jobs.retain(|job| job.did != did);
        }
        state.videos.wishes.insert(did.to_owned(), wish);
    }
}

impl Videos {
    fn limits(&self, did: &str, now: DateTime<Utc>) -> Value {
        let wish = self.wishes.get(did).cloned().unwrap_or_default();
        let (videos, bytes) = self
            .used
            .get(&(did.to_owned(), now.date_naive()))
            .copied()
            .unwrap_or_default();
        let videos = wish.remaining_daily_videos.unwrap_or(DAY.0 - videos);
        let bytes = wish.remaining_daily_bytes.unwrap_or(DAY.1 - bytes);
        let may = wish.error.is_none() && videos > 0 && bytes > 0;
        let mut limits = json!({
            "canUpload": may, "remainingDailyVideos": videos, "remainingDailyBytes": bytes,
        });
        if let Some(error) = wish.error {
            limits["error"] = error.into();
        }
        if let Some(message) = wish.message {
            limits["message"] = message.into();
        }
        limits
    }
}

/// `app.bsky.video.getUploadLimits`
pub(super) fn limits(state: &mut State, request: &Request<'_>) -> Result<Value, Refusal> {
    let own = format!(
        "did:web:{}",
        request.host.unwrap_or_default().replace(':', "%3A")
    );
    let claims = state
        .sessions
        .service(request.token, &own, request.nsid, request.now)?;
    Ok(state.videos.limits(&claims.iss, request.now))
}

/// `app.bsky.video.uploadVideo`: the token is for the PDS, because the service writes there with it.
pub(super) fn upload(
    state: &mut State,
    request: &Request<'_>,
    query: &[(String, String)],
) -> Result<Value, Refusal> {
    let audience = did_of_host(request.host);
    let claims: Claims = state.sessions.service(
        request.token,
        &audience,
        "com.atproto.repo.uploadBlob",
        request.now,
    )?;
    let param = |name: &str| {
        let found = query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    if param("did") != claims.iss || param("name").is_empty() {
        return Err(Refusal::invalid(
            "did must be the token's, and name is required",
        ));
    }
    if request.bytes.len() > VIDEO_BYTES_MAX {
        let message = "request entity too large";
        return Err(Refusal::new(413, "PayloadTooLarge", message));
    }
    let content = Cid::of_bytes(request.bytes).to_string();
    let known = |job: &&Job| job.did == claims.iss && job.content == content;
    if let Some(job) = state.videos.jobs.iter().find(known) {
        let refusal = Refusal::new(409, "already_exists", "Video already processed");
        return Err(refusal.with("jobId", &job.id));
    }
    let limits = state.videos.limits(&claims.iss, request.now);
    let size = i64::try_from(request.bytes.len()).unwrap_or(i64::MAX);
    if limits["canUpload"] != true
        || limits["remainingDailyBytes"]
            .as_i64()
            .is_some_and(|left| left < size)
    {
        return Err(Refusal::new(
            400,
            "DailyLimitExceeded",
            "Daily upload limit reached",
        ));
    }
    let day = (claims.iss.clone(), request.now.date_naive());
    let used = state.videos.used.entry(day).or_default();
    *used = (used.0 + 1, used.1 + size);
    let wish = state.videos.wishes.get(&claims.iss);
    let told = wish.and_then(|wish| wish.failure_code.clone());
    let is_film = request.bytes.get(4..8) == Some(b"ftyp");
    state.videos.jobs.push(Job {
        id: format!("job-{}", state.videos.jobs.len() + 1),
        did: claims.iss,
        content,
        begun: request.now,
        failure: told.or_else(|| (!is_film).then(|| "validation_failure".to_owned())),
    });
    let at = state.videos.jobs.len() - 1;
    // At the top level in practice, whatever the lexicon says.
    Ok(status(state, at, request.now))
}

/// `app.bsky.video.getJobStatus`
pub(super) fn job(state: &mut State, request: &Request<'_>) -> Result<Value, Refusal> {
    let wanted = request.params["jobId"].as_str().unwrap_or_default();
    let at = state.videos.jobs.iter().position(|job| job.id == wanted);
    let at = at.ok_or_else(|| Refusal::invalid("Job not found"))?;
    Ok(json!({ "jobStatus": status(state, at, request.now) }))
}

/// How far a job is; what is due to happen by now happens here.
fn status(state: &mut State, at: usize, now: DateTime<Utc>) -> Value {
    let State { videos, repos, .. } = state;
    let Some(job) = videos.jobs.get(at) else {
        return Value::Null;
    };
    let life = (now - job.begun).num_seconds();
    let mut status = json!({ "jobId": job.id, "did": job.did });
    let working = STATES.iter().find(|(_, until)| life < *until);
    if let Some((word, until)) = working {
        status["state"] = (*word).into();
        status["progress"] = (100 - 30 * (until - life).min(3)).into();
    } else if let Some(code) = &job.failure {
        status["state"] = "JOB_STATE_FAILED".into();
        status["failureCode"] = code.as_str().into();
        status["error"] = code.as_str().into();
        status["message"] = "The video could not be processed".into();
    } else {
        let encoded = format!("encoded {}", job.content);
        status["state"] = "JOB_STATE_COMPLETED".into();
        status["progress"] = 100.into();
        if let Ok(written) = repos.upload(&job.did, "video/mp4", encoded.as_bytes()) {
            status["blob"] = written["blob"].clone();
        }
    }
    status
}

pub(super) fn routes(pds: Arc<FakePds>) -> Router {
    let set = move |Path(did): Path<String>, Json(wish): Json<VideoWish>| async move {
        pds.set_video(&did, wish);
        StatusCode::NO_CONTENT
    };
    Router::new().route("/_fake/accounts/{did}/video", post(set))
}
