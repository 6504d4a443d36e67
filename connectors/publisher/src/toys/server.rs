//! The toys' side of the wire.

use super::{
    CONSENT_PLATFORM, PLATFORMS, ToyTimes,
    state::{Refused, State},
    tokens::{self, bearer},
};
use crate::fake::{Entry, FakeApp, FakeKit, FakeOAuth, FakePlatform, Window, too_many_requests};
use axum::{
    Json, Router,
    extract::{Path, Query, State as Shared},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A word that no toy publishes.
const FORBIDDEN: &str = "forbidden!";

/// All four toys as one fake platform.
pub struct ToyPlatform {
    times: ToyTimes,
    state: Mutex<State>,
    window: Window,
    pub(super) oauth: Arc<FakeOAuth>,
}

impl std::fmt::Debug for ToyPlatform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ToyPlatform")
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl ToyPlatform {
    /// Without any account: the first log-in of a name makes it.
    pub fn new(times: ToyTimes) -> Self {
        Self::with_app(times, FakeApp::default())
    }

    /// The same, with this app on the consent page of `toy_oauth`; its access tokens live as long as the toys' own.
    pub fn with_app(times: ToyTimes, app: FakeApp) -> Self {
        let access_lives = times.token_lives;
        let window = Window::new(times.posts_max, times.posts_window);
        Self {
            times,
            state: Mutex::default(),
            window,
            oauth: Arc::new(FakeOAuth::new(FakeApp {
                access_lives,
                ..app
            })),
        }
    }

    /// Takes away what an account granted: every token of it is dead.
    pub fn revoke(&self, account: &str) {
        self.state().revoke_account(account);
    }

    /// How often the documented window was overrun.
    pub fn refused_by_window(&self) -> usize {
        self.window.refused()
    }

    /// The consent page of `toy_oauth`.
    pub fn oauth(&self) -> &FakeOAuth {
        &self.oauth
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything between the arrival of an irreversible request and its effect.
    fn may_publish(
        &self,
        (platform, account, text): (&str, &str, &str),
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Result<(), Box<Response>> {
        self.admit(platform, bearer(headers), account, now)
            .map_err(|r| Box::new(r.into_response()))?;
        if text.is_empty() || text.contains(FORBIDDEN) {
            return Err(Box::new(Refused(400, "forbidden_text").into_response()));
        }
        self.window
            .take(&format!("{platform}:{account}"), 1, now)
            .map_err(|wait| Box::new(too_many_requests(wait, json!({ "error": "rate_limited" }))))
    }
}

impl FakePlatform for ToyPlatform {
    fn name(&self) -> &'static str {
        "toys"
    }

    fn routes(self: Arc<Self>, kit: FakeKit) -> Router {
        let mut router = Router::new()
            .route("/toys/session", post(log_in))
            .route("/toys/token", post(refresh))
            .route("/toys/revoke", post(revoke))
            .route("/toys/accounts/{account}", get(account).put(suspend));
        for platform in ["toy_list", "toy_late", CONSENT_PLATFORM] {
            router = router.route(
                &format!("/{platform}/{{account}}/posts"),
                get(list).post(create),
            );
        }
        let prefix = format!("/{CONSENT_PLATFORM}");
        let consent = Arc::clone(&self.oauth).routes(&prefix, &kit);
        router
            .route(&format!("{prefix}/me"), get(tokens::me))
            .route("/toy_blind/{account}/posts", post(create))
            .route("/toy_steps/{account}/containers", post(contain))
            .route("/toy_steps/{account}/containers/{id}", get(status))
            .route(
                "/toy_steps/{account}/containers/{id}/publish",
                post(publish),
            )
            .with_state(Toys {
                platform: self,
                kit,
            })
            .merge(consent)
    }

    fn attempted(&self, method: &Method, path: &str, body: &[u8], kit: &FakeKit) -> Option<Entry> {
        if method != Method::POST {
            return None;
        }
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (platform, account, text) = match *segments.as_slice() {
            [platform, account, "posts"] => {
                let body: Text = serde_json::from_slice(body).ok()?;
                (platform, account, body.text)
            }
            [platform, account, "containers", id, "publish"] => (
                platform,
                account,
                self.state().contained(account, id)?.to_owned(),
            ),
            _ => return None,
        };
        Some(entry((platform, account, &text), kit))
    }

    fn reset(&self, _: &FakeKit) {
        self.state().forget_posts();
        self.window.clear();
    }

    fn about(&self) -> Value {
        json!({
            "platforms": PLATFORMS,
            "accounts": self.state().accounts(),
            "log_in": "any name; the first log-in decides on the password",
            "suspend": "PUT /toys/accounts/{account} {\"suspended\": true}",
            "forbidden_text": FORBIDDEN,
        })
    }
}

#[derive(Clone)]
pub(super) struct Toys {
    pub(super) platform: Arc<ToyPlatform>,
    pub(super) kit: FakeKit,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct LogIn {
    identifier: String,
    password: String,
}

#[derive(Deserialize)]
struct Token {
    refresh_token: String,
}

#[derive(Deserialize)]
struct Suspend {
    suspended: bool,
}

#[derive(Deserialize)]
struct Since {
    since: Option<DateTime<Utc>>,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(json!({ "error": self.1 }))).into_response()
    }
}

fn entry((platform, account, text): (&str, &str, &str), kit: &FakeKit) -> Entry {
    Entry {
        at: kit.clock.now(),
        account: account.to_owned(),
        route: platform.to_owned(),
        text: text.to_owned(),
        key: None,
        effective: false,
        note: String::new(),
    }
}

async fn log_in(Shared(toys): Shared<Toys>, Json(body): Json<LogIn>) -> Response {
    let now = toys.kit.clock.now();
    let times = toys.platform.times;
    match toys
        .platform
        .state()
        .log_in(&body.identifier, &body.password, times, now)
    {
        Ok(tokens) => Json(tokens).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn refresh(Shared(toys): Shared<Toys>, Json(body): Json<Token>) -> Response {
    let now = toys.kit.clock.now();
    match toys
        .platform
        .state()
        .refresh(&body.refresh_token, toys.platform.times, now)
    {
        Ok(tokens) => Json(tokens).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn revoke(Shared(toys): Shared<Toys>, Json(body): Json<Token>) -> Json<Value> {
    toys.platform.state().revoke(&body.refresh_token);
    Json(json!({}))
}

async fn account(Shared(toys): Shared<Toys>, Path(account): Path<String>) -> Json<Value> {
    Json(toys.platform.state().account(&account))
}

async fn suspend(
    Shared(toys): Shared<Toys>,
    Path(account): Path<String>,
    Json(body): Json<Suspend>,
) -> Json<Value> {
    toys.platform.state().suspend(&account, body.suspended);
    Json(toys.platform.state().account(&account))
}

async fn create(
    Shared(toys): Shared<Toys>,
    uri: axum::http::Uri,
    Path(account): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Text>,
) -> Response {
    let platform = uri.path().split('/').nth(1).unwrap_or_default();
    let post = (platform, account.as_str(), body.text.as_str());
    let late = platform == "toy_late";
    let visible_after = if late {
        toys.platform.times.visible_after
    } else {
        Duration::ZERO
    };
    toys.take_effect(post, &headers, |state, now| {
        Some(state.make(platform, &account, &body.text, visible_after, now))
    })
}

async fn publish(
    Shared(toys): Shared<Toys>,
    Path((account, id)): Path<(String, String)>,
    headers: HeaderMap,
    // Read whole before anything happens: half a request has no effect.
    _: Json<Value>,
) -> Response {
    let now = toys.kit.clock.now();
    let status = toys
        .platform
        .state()
        .status(&account, &id, toys.platform.times, now);
    match status {
        Err(refused) => return refused.into_response(),
        Ok(found) if found["status"] == "IN_PROGRESS" || found["status"] == "EXPIRED" => {
            return Refused(409, "not_ready").into_response();
        }
        Ok(_) => {}
    }
    let text = toys
        .platform
        .state()
        .contained(&account, &id)
        .unwrap_or_default()
        .to_owned();
    toys.take_effect(("toy_steps", &account, &text), &headers, |state, now| {
        state.publish(&account, &id, now)
    })
}

impl Toys {
    /// Judges an irreversible request, lets it take effect, and writes it into the ledger either way.
    fn take_effect(
        &self,
        post: (&str, &str, &str),
        headers: &HeaderMap,
        make: impl FnOnce(&mut State, DateTime<Utc>) -> Option<String>,
    ) -> Response {
        let now = self.kit.clock.now();
        let mut entry = entry(post, &self.kit);
        let answer = match self.platform.may_publish(post, headers, now) {
            Err(refusal) => {
                entry.note = format!("answered {}, without effect", refusal.status().as_u16());
                *refusal
            }
            Ok(()) => match make(&mut self.platform.state(), now) {
                None => Refused(404, "not_found").into_response(),
                Some(id) => {
                    entry.effective = true;
                    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
                }
            },
        };
        self.kit.ledger.record(entry);
        answer
    }
}

async fn list(
    Shared(toys): Shared<Toys>,
    uri: axum::http::Uri,
    Path(account): Path<String>,
    Query(query): Query<Since>,
    headers: HeaderMap,
) -> Response {
    let platform = uri.path().split('/').nth(1).unwrap_or_default();
    let now = toys.kit.clock.now();
    let admitted = toys
        .platform
        .admit(platform, bearer(&headers), &account, now);
    let state = toys.platform.state();
    match admitted {
        Ok(()) => Json(state.list(platform, &account, query.since, now)).into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn contain(
    Shared(toys): Shared<Toys>,
    Path(account): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Text>,
) -> Response {
    let now = toys.kit.clock.now();
    let mut state = toys.platform.state();
    if let Err(refused) = state.admit(bearer(&headers), &account, now) {
        return refused.into_response();
    }
    if body.text.is_empty() || body.text.contains(FORBIDDEN) {
        return Refused(400, "forbidden_text").into_response();
    }
    let id = state.contain(&account, &body.text, now);
    (StatusCode::CREATED, Json(json!({ "id": id }))).into_response()
}

async fn status(
    Shared(toys): Shared<Toys>,
    Path((account, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let now = toys.kit.clock.now();
    let state = toys.platform.state();
    let found = state
        .admit(bearer(&headers), &account, now)
        .and_then(|()| state.status(&account, &id, toys.platform.times, now));
    match found {
        Ok(status) => Json(status).into_response(),
        Err(refused) => refused.into_response(),
    }
}
