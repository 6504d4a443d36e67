//! A fake PDS, with the video service and the directories that an account is found by on the same address.
//!
//! The PDS is the part of a server that a publisher meets, obeying the lexicons to the letter.
//!
//! It is built from the platform sheet and the lexicons, never from what the connector sends: every request is checked
//! (method, parameters, content type, body, the record itself), tokens end and rotate by the fake's clock, a put of the
//! identical record changes nothing, and the documented limits are enforced. What goes wrong on purpose is the harness's
//! business; a fault is armed by the method's name, e.g. `com.atproto.repo.putRecord`.
//!
//! Over HTTP, beside what every fake has: `POST /_fake/accounts {handle, did, password}` makes an account,
//! `DELETE /_fake/accounts/{did}/password` revokes its app password, `POST /_fake/accounts/{did}/status {status}`
//! takes it down or back, `DELETE /_fake/accounts/{did}/blobs` throws away the blobs that no record refers to,
//! `POST /_fake/accounts/{did}/video {…}` tells the video service how to treat it, `PUT /_fake/accounts/{did}/document`
//! writes its DID document.

mod cid;
mod control;
mod lexicon;
mod limits;
mod plc;
mod repo;
mod request;
mod sessions;
mod tokens;
mod video;
mod xrpc;

pub use self::video::VideoWish;

use self::{limits::Limits, plc::Documents, repo::Repos, sessions::Sessions, video::Videos};
use axum::{Router, http::Method};
use publisher::fake::{Entry, FakeKit, FakePlatform};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An account of the fake.
#[derive(Clone, Serialize, Deserialize)]
pub struct FakeAccount {
    /// `alice.test`
    pub handle: String,
    /// `did:plc:…`
    pub did: String,
    /// Its app password.
    pub password: String,
}

impl std::fmt::Debug for FakeAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeAccount")
            .field("handle", &self.handle)
            .field("did", &self.did)
            .finish_non_exhaustive()
    }
}

/// The fake PDS.
#[derive(Debug)]
pub struct FakePds {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: Sessions,
    repos: Repos,
    limits: Limits,
    documents: Documents,
    videos: Videos,
}

/// A fake PDS with these accounts.
pub fn fake(accounts: Vec<FakeAccount>) -> Arc<FakePds> {
    Arc::new(FakePds::new(accounts))
}

impl FakePds {
    /// A PDS with these accounts and empty repositories.
    pub fn new(accounts: Vec<FakeAccount>) -> Self {
        let mut state = State::default();
        for account in accounts {
            state.sessions.add(account);
        }
        Self {
            state: Mutex::new(state),
        }
    }

    /// Adds or replaces an account.
    pub fn add_account(&self, account: FakeAccount) {
        self.lock().sessions.add(account);
    }

    /// The posts of a repository, by key.
    pub fn records(&self, did: &str) -> Vec<(String, Value)> {
        self.lock().repos.collection(did, "app.bsky.feed.post")
    }

    /// The records of a collection, by key.
    pub fn collection(&self, did: &str, collection: &str) -> Vec<(String, Value)> {
        self.lock().repos.collection(did, collection)
    }

    /// How often a repository changed.
    pub fn commits(&self, did: &str) -> u64 {
        self.lock().repos.commits(did)
    }

    /// Makes a repository's server one whose lexicons are older, and take smaller images.
    pub fn set_image_bytes_max(&self, did: &str, max: u64) {
        self.lock().repos.set_image_bytes_max(did, max);
    }

    /// Revokes the app password and every refresh token made with it; access tokens go on until they end.
    pub fn revoke_app_password(&self, did: &str) {
        self.lock().sessions.revoke(did);
    }

    /// Sets `takendown`, `suspended` or `deactivated`, or makes the account active again.
    pub fn set_status(&self, did: &str, status: Option<&str>) {
        self.lock().sessions.set_status(did, status);
    }

    /// Throws away the blobs that no record refers to.
    pub fn collect_blobs(&self, did: &str) {
        self.lock().repos.collect_blobs(did);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakePlatform for FakePds {
    fn name(&self) -> &'static str {
        "bluesky"
    }

    fn routes(self: Arc<Self>, kit: FakeKit) -> Router {
        xrpc::routes(Arc::clone(&self), kit)
            .merge(control::routes(Arc::clone(&self)))
            .merge(plc::routes(Arc::clone(&self)))
            .merge(video::routes(self))
    }

    fn attempted(&self, method: &Method, path: &str, body: &[u8], kit: &FakeKit) -> Option<Entry> {
        let nsid = path.strip_prefix("/xrpc/")?;
        if method != Method::POST
            || !matches!(
                nsid,
                xrpc::PUT_RECORD | xrpc::CREATE_RECORD | xrpc::APPLY_WRITES
            )
        {
            return None;
        }
        let input: Value = serde_json::from_slice(body).ok()?;
        Some(repo::entry(nsid, &input, kit.clock.now(), false, ""))
    }

    fn reset(&self, _: &FakeKit) {
        let mut state = self.lock();
        state.repos = Repos::default();
        state.limits = Limits::default();
        state.documents = Documents::default();
        state.videos = Videos::default();
    }

    fn about(&self) -> Value {
        let accounts: Vec<Value> = self
            .lock()
            .sessions
            .accounts()
            .map(|one| json!({ "handle": one.handle, "did": one.did }))
            .collect();
        json!({ "what": "a fake PDS, with the video service, the directory of did:plc, did:web and the hosts of handles", "accounts": accounts, "calls": xrpc::CALLS, "control": [
            "POST /_fake/accounts {handle, did, password}",
            "DELETE /_fake/accounts/{did}/password",
            "POST /_fake/accounts/{did}/status {status}",
            "DELETE /_fake/accounts/{did}/blobs",
            "POST /_fake/accounts/{did}/video {error, message, remainingDailyVideos, remainingDailyBytes, failureCode, forgetJobs}",
            "PUT /_fake/accounts/{did}/document {…}",
        ] })
    }
}
