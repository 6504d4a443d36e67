//! The protocol's way over HTTP: which calls there are, what a request must look like, how refusals look.
//!
//! The order is a real server's: limits of the address, method, parameters, body, token, limits of the account, work.

use super::{
    FakePds, State,
    lexicon::{check, main_def},
    limits::Limit,
    repo::{self, Written},
    request::{Request, read},
    tokens::did_of_host,
    video,
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery},
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::any,
};
use chrono::{DateTime, Utc};
use publisher::fake::{FakeKit, Standing};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) const PUT_RECORD: &str = "com.atproto.repo.putRecord";
pub(super) const CREATE_RECORD: &str = "com.atproto.repo.createRecord";
pub(super) const APPLY_WRITES: &str = "com.atproto.repo.applyWrites";

const UPLOAD_VIDEO: &str = "app.bsky.video.uploadVideo";

/// Every call of the fake.
pub(super) const CALLS: [&str; 17] = [
    "app.bsky.video.getJobStatus",
    "app.bsky.video.getUploadLimits",
    UPLOAD_VIDEO,
    "com.atproto.identity.resolveHandle",
    APPLY_WRITES,
    CREATE_RECORD,
    "com.atproto.repo.deleteRecord",
    "com.atproto.repo.getRecord",
    "com.atproto.repo.listRecords",
    PUT_RECORD,
    "com.atproto.repo.uploadBlob",
    "com.atproto.server.createSession",
    "com.atproto.server.deleteSession",
    "com.atproto.server.describeServer",
    "com.atproto.server.getServiceAuth",
    "com.atproto.server.getSession",
    "com.atproto.server.refreshSession",
];

/// Larger bodies are not even read.
const BODY_BYTES_MAX: usize = 320 << 20;

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    error: &'static str,
    message: String,
    more: Option<(&'static str, String)>,
    standing: Option<Standing>,
}

impl Refusal {
    pub(super) fn new(status: u16, error: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            error,
            message: message.into(),
            more: None,
            standing: None,
        }
    }

    /// Adds a member to the error's body.
    pub(super) fn with(self, name: &'static str, value: &str) -> Self {
        Self {
            more: Some((name, value.to_owned())),
            ..self
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "InvalidRequest", message)
    }

    fn limited(standing: Standing) -> Self {
        Self {
            standing: Some(standing),
            ..Self::new(429, "RateLimitExceeded", "Rate Limit Exceeded")
        }
    }
}

pub(super) fn routes(pds: Arc<FakePds>, kit: FakeKit) -> Router {
    let answer = move |Path(nsid): Path<String>,
                       method: Method,
                       RawQuery(query): RawQuery,
                       headers: HeaderMap,
                       body: Bytes| {
        let (pds, kit) = (Arc::clone(&pds), kit.clone());
        async move {
            serve(
                &pds,
                &kit,
                &nsid,
                &method,
                query.as_deref().unwrap_or_default(),
                &headers,
                &body,
            )
        }
    };
    Router::new()
        .route("/xrpc/{nsid}", any(answer))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

fn serve(
    pds: &FakePds,
    kit: &FakeKit,
    nsid: &str,
    method: &Method,
    query: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let now = kit.clock.now();
    let mut state = pds.lock();
    let mut standing = match state.limits.take(&[Limit::Requests], "loopback", 1, now) {
        Ok(standing) => standing,
        Err(full) => return refused(&Refusal::limited(full), None, now),
    };
    let done = read(nsid, method, query, headers, body, now).and_then(|request| {
        let output = match request.nsid {
            UPLOAD_VIDEO => {
                let query: Vec<_> = url::form_urlencoded::parse(query.as_bytes())
                    .into_owned()
                    .collect();
                video::upload(&mut state, &request, &query)
            }
            _ => work(&mut state, kit, &request, &mut standing),
        };
        output.map(|output| (request.nsid, output))
    });
    match done {
        Ok((nsid, output)) => match output_breaks(nsid, &output) {
            Some(what) => refused(&Refusal::new(500, "FakeIsBroken", what), None, now),
            None if output.is_null() => with_standing(StatusCode::OK.into_response(), standing),
            None => with_standing((StatusCode::OK, Json(output)).into_response(), standing),
        },
        Err(refusal) => refused(&refusal, standing, now),
    }
}

fn work(
    state: &mut State,
    kit: &FakeKit,
    request: &Request<'_>,
    standing: &mut Option<Standing>,
) -> Result<Value, Refusal> {
    let Request {
        params, input, now, ..
    } = request;
    match request.nsid {
        "com.atproto.server.createSession" => {
            let identifier = input["identifier"].as_str().unwrap_or_default();
            let account = state.sessions.did(identifier);
            let key = account.map_or_else(|| identifier.to_lowercase(), str::to_owned);
            charge(
                state,
                &[Limit::Logins, Limit::LoginsPerDay],
                &key,
                1,
                *now,
                standing,
            )?;
            state
                .sessions
                .create(input, *now)
                .map(|(did, session)| with_did_doc(session, state, &did, request.host))
        }
        "com.atproto.server.refreshSession" => state
            .sessions
            .refresh(request.token, *now)
            .map(|(did, session)| with_did_doc(session, state, &did, request.host)),
        "com.atproto.server.deleteSession" => state
            .sessions
            .delete(request.token, *now)
            .map(|()| Value::Null),
        "com.atproto.server.getServiceAuth" => state.sessions.vouch(request.token, params, *now),
        "app.bsky.video.getUploadLimits" => video::limits(state, request),
        "app.bsky.video.getJobStatus" => video::job(state, request),
        "com.atproto.server.getSession" => state
            .sessions
            .access(request.token, *now)
            .map(|did| state.sessions.about(&did)),
        "com.atproto.server.describeServer" => Ok(json!({
            "did": did_of_host(request.host), "availableUserDomains": [".test"], "inviteCodeRequired": false,
        })),
        "com.atproto.identity.resolveHandle" => resolve_handle(state, params),
        "com.atproto.repo.uploadBlob" => {
            let did = state.sessions.access(request.token, *now)?;
            charge(state, &[Limit::Uploads], &did, 1, *now, standing)?;
            state
                .repos
                .upload(&did, request.content_type, request.bytes)
        }
        "com.atproto.repo.getRecord" => state.repos.get(&local(state, params)?, params),
        "com.atproto.repo.listRecords" => Ok(state.repos.list(&local(state, params)?, params)),
        _ => write(state, kit, request, standing),
    }
}

fn resolve_handle(state: &State, params: &Value) -> Result<Value, Refusal> {
    let handle = params["handle"].as_str().unwrap_or_default();
    let did = state.sessions.did(handle);
    did.map(|did| json!({ "did": did })).ok_or_else(|| {
        // Of its own handles a server knows that there is no such one.
        let own = handle.to_ascii_lowercase().ends_with(".test");
        let error = if own {
            "HandleNotFound"
        } else {
            "InvalidRequest"
        };
        Refusal::new(400, error, "Unable to resolve handle")
    })
}

/// The calls that change a repository.
fn write(
    state: &mut State,
    kit: &FakeKit,
    request: &Request<'_>,
    standing: &mut Option<Standing>,
) -> Result<Value, Refusal> {
    let Request {
        nsid, input, now, ..
    } = request;
    let did = state.sessions.access(request.token, *now)?;
    state.sessions.may_write(&did)?;
    if state
        .sessions
        .did(input["repo"].as_str().unwrap_or_default())
        != Some(did.as_str())
    {
        return Err(Refusal::new(
            401,
            "AuthenticationRequired",
            "The repository is not that of the token",
        ));
    }
    let points = match *nsid {
        APPLY_WRITES => repo::points(input),
        CREATE_RECORD => 3,
        PUT_RECORD => 2,
        _ => 1,
    };
    charge(
        state,
        &[Limit::Points, Limit::PointsPerDay],
        &did,
        points,
        *now,
        standing,
    )?;
    let written = match *nsid {
        CREATE_RECORD => state.repos.create(&did, input),
        PUT_RECORD => state.repos.put(&did, input),
        APPLY_WRITES => state.repos.apply(&did, input),
        _ => return state.repos.delete(&did, input),
    };
    let (effective, note) = match &written {
        Ok(Written {
            effective, note, ..
        }) => (*effective, (*note).to_owned()),
        Err(refusal) => (false, format!("{} {}", refusal.status, refusal.error)),
    };
    kit.ledger
        .record(repo::entry(nsid, input, *now, effective, &note));
    written.map(|written| written.output)
}

/// The repository that a query means. Errors: it is not here.
fn local(state: &State, params: &Value) -> Result<String, Refusal> {
    let did = state
        .sessions
        .did(params["repo"].as_str().unwrap_or_default());
    did.map(str::to_owned)
        .ok_or_else(|| Refusal::invalid("Could not locate record"))
}

fn charge(
    state: &mut State,
    limits: &[Limit],
    key: &str,
    units: u32,
    now: DateTime<Utc>,
    standing: &mut Option<Standing>,
) -> Result<(), Refusal> {
    let met = state
        .limits
        .take(limits, key, units, now)
        .map_err(Refusal::limited)?;
    *standing = [*standing, met]
        .into_iter()
        .flatten()
        .min_by_key(|standing| standing.remaining);
    Ok(())
}

fn with_did_doc(mut session: Value, state: &State, did: &str, host: Option<&str>) -> Value {
    let document = host.and_then(|host| state.document(did, host));
    if let Some(document) = document.filter(Value::is_object) {
        session["didDoc"] = document;
    }
    session
}

/// The fake holds itself to the lexicons too.
fn output_breaks(nsid: &str, output: &Value) -> Option<String> {
    let schema = &main_def(nsid)?["output"]["schema"];
    let wrapped = json!({ "jobStatus": output });
    let output = if nsid == UPLOAD_VIDEO {
        &wrapped
    } else {
        output
    };
    let checked = if schema.is_object() {
        check(schema, nsid, output, "Output")
    } else {
        Ok(())
    };
    checked.err().map(|broken| broken.message)
}

fn refused(refusal: &Refusal, met: Option<Standing>, now: DateTime<Utc>) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut body = json!({ "error": refusal.error, "message": refusal.message });
    if let Some((name, value)) = &refusal.more {
        body[*name] = value.as_str().into();
    }
    let mut response = (status, Json(body)).into_response();
    if let Some(full) = refusal.standing {
        let seconds = (full.resets_at - now).num_seconds().max(1);
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    with_standing(response, refusal.standing.or(met))
}

fn with_standing(mut response: Response, standing: Option<Standing>) -> Response {
    let Some(Standing {
        max,
        per,
        remaining,
        resets_at,
    }) = standing
    else {
        return response;
    };
    for (name, value) in [
        ("ratelimit-limit", max.to_string()),
        ("ratelimit-remaining", remaining.to_string()),
        ("ratelimit-reset", resets_at.timestamp().to_string()),
        ("ratelimit-policy", format!("{max};w={}", per.as_secs())),
    ] {
        if let Ok(value) = value.parse() {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
}
