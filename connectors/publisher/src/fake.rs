//! Fake platforms: real HTTP on loopback, with faults on demand and a ledger of what took effect.
//!
//! A platform is its routes, its limits and its faults. Its fake implements [`FakePlatform`]: the routes, and the limits
//! ([`Window`]) by [`FakeKit::clock`], which tests move. Everything that is wrong on purpose is the harness's: it cuts
//! connections (a real TCP close, no HTTP answer), lets effects come late by the fake's own clock, answers nonsense, keeps
//! the [`Ledger`] by which tests count what a platform would really show, and the [`Journal`] of everything it was asked.
//! A fake therefore never needs a branch for a fault.
//!
//! Over HTTP every fake also answers below `/_fake`, so that a test in another process, or a person with curl, can do the
//! same; `GET /_fake` lists how, and `docs/platforms/fakes.md` tells it with examples.

mod admin;
mod clock;
mod faults;
mod files;
mod inject;
mod journal;
mod ledger;
mod oauth;
mod server;
mod window;

pub use self::{
    clock::FakeClock,
    faults::{Fault, Faults},
    journal::{Journal, Request},
    ledger::{Entry, Ledger},
    oauth::{Decision, FakeApp, FakeOAuth, Holder, Rotation},
    server::FakeServer,
    window::{Standing, Window},
};

use axum::{
    Json,
    http::{Method, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse as _, Response},
};
use std::{sync::Arc, time::Duration};

/// One platform, as far as its fake goes.
pub trait FakePlatform: Send + Sync + 'static {
    /// The wire id, or the name of a family.
    fn name(&self) -> &'static str;

    /// Its routes, without `/_fake`. Handlers record every irreversible request in `kit.ledger`.
    fn routes(self: Arc<Self>, kit: FakeKit) -> axum::Router;

    /// Called before every request and whenever the clock was advanced: what became due takes effect here.
    fn tick(&self, kit: &FakeKit) {
        let _ = kit;
    }

    /// The ledger's entry for an irreversible request that a fault keeps from its handler, or delays; none if the request
    /// is not irreversible. The entry's `effective` and `note` are set by the harness.
    fn attempted(&self, method: &Method, path: &str, body: &[u8], kit: &FakeKit) -> Option<Entry> {
        let _ = (method, path, body, kit);
        None
    }

    /// Called by `POST /_fake/reset`: forgets what was published and used up; accounts and their tokens stay.
    fn reset(&self, kit: &FakeKit) {
        let _ = kit;
    }

    /// What `GET /_fake` tells about it: accounts, routes, how to use it; an object.
    fn about(&self) -> serde_json::Value {
        serde_json::json!({})
    }
}

/// What a fake has at hand. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct FakeKit {
    /// The fake's clock.
    pub clock: FakeClock,
    /// What took effect.
    pub ledger: Ledger,
    /// What was asked.
    pub journal: Journal,
    /// What is to go wrong.
    pub faults: Faults,
    files: files::HostedFiles,
}

impl FakeKit {
    /// Everything as at the start: nothing armed, nothing recorded, the real time.
    fn reset(&self) {
        self.faults.clear();
        self.ledger.clear();
        self.journal.clear();
        self.clock.reset();
    }
}

/// The usual answer to too many requests: 429, whole seconds in `Retry-After` (rounded up), `body` as JSON.
pub fn too_many_requests(retry_after: Duration, body: serde_json::Value) -> Response {
    let seconds = retry_after.as_millis().div_ceil(1000).max(1);
    let headers = [(RETRY_AFTER, seconds.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
}
