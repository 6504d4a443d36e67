//! An OAuth 2 provider: consent page, token endpoint, revocation, as RFC 6749, 7009 and 7636 have them.
//!
//! It is written from the RFCs and never from what our client sends: a code works once and its replay revokes what it gave
//! (§4.1.2), the redirect address is compared with the one of the consent page (§4.1.3), the verifier with the challenge,
//! and a refresh token that was replaced and comes back after its grace kills the whole family (RFC 9700 §4.14.2). A fake
//! platform mounts [`FakeOAuth::routes`] and asks [`FakeOAuth::admit`] whom a bearer token stands for.
//!
//! Nobody is asked for consent: [`FakeOAuth::decide`] says what the person will answer.

mod endpoints;
mod grants;

pub use self::grants::Holder;

use self::grants::Grants;
use super::{FakeClock, FakeKit};
use axum::Router;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The app that is registered with the provider, and what the provider grants.
#[derive(Clone, Debug)]
pub struct FakeApp {
    /// The client's id.
    pub client_id: String,
    /// Its secret; none: a public client.
    pub client_secret: Option<String>,
    /// Whether the secret must come in `Authorization: Basic`; else in the form.
    pub basic: bool,
    /// The registered redirect addresses; empty: whatever the consent page was called with.
    pub redirect_uris: Vec<String>,
    /// The scopes that there are.
    pub scopes: Vec<String>,
    /// Whether a code needs a challenge.
    pub requires_pkce: bool,
    /// How long a code works.
    pub code_lives: Duration,
    /// How long an access token works.
    pub access_lives: Duration,
    /// How long a refresh token works.
    pub refresh_lives: Duration,
    /// What becomes of a refresh token that is used.
    pub rotation: Rotation,
}

impl Default for FakeApp {
    fn default() -> Self {
        Self {
            client_id: "toy-app".to_owned(),
            client_secret: Some("toy-app-secret".to_owned()),
            basic: true,
            redirect_uris: Vec::new(),
            scopes: vec!["posts".to_owned(), "profile".to_owned()],
            requires_pkce: true,
            code_lives: Duration::from_mins(1),
            access_lives: Duration::from_hours(1),
            refresh_lives: Duration::from_hours(24 * 180),
            rotation: Rotation::Rotates {
                grace: Duration::ZERO,
            },
        }
    }
}

/// What becomes of a refresh token that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays.
    Keeps,
    /// A new one takes its place. Within `grace` its repetition is answered with the same new one; after that it is taken
    /// for theft.
    Rotates {
        /// How long.
        grace: Duration,
    },
}

/// What the person answers on the consent page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes, for these accounts; of the scopes that were asked for all, or only these.
    Grant {
        /// Whose.
        accounts: Vec<String>,
        /// What was left ticked.
        scopes: Option<Vec<String>>,
    },
    /// No, with this error word.
    Deny(String),
}

/// An OAuth 2 provider with one registered app.
#[derive(Debug)]
pub struct FakeOAuth {
    app: FakeApp,
    grants: Mutex<Grants>,
    decision: Mutex<Decision>,
}

impl FakeOAuth {
    /// A provider on which everybody says yes as `ada`.
    pub fn new(app: FakeApp) -> Self {
        Self {
            app,
            grants: Mutex::default(),
            decision: Mutex::new(Decision::Grant {
                accounts: vec!["ada".to_owned()],
                scopes: None,
            }),
        }
    }

    /// What the next person answers.
    pub fn decide(&self, decision: Decision) {
        *lock(&self.decision) = decision;
    }

    /// `GET {prefix}/authorize`, `POST {prefix}/token`, `POST {prefix}/revoke`.
    pub fn routes(self: Arc<Self>, prefix: &str, kit: &FakeKit) -> Router {
        Router::new()
            .route(&format!("{prefix}/authorize"), get(endpoints::authorize))
            .route(&format!("{prefix}/token"), post(endpoints::token))
            .route(&format!("{prefix}/revoke"), post(endpoints::revoke))
            .with_state(Provider {
                oauth: self,
                clock: kit.clock.clone(),
            })
    }

    /// Whom an access token stands for now; none if it is unknown, expired or revoked.
    pub fn admit(&self, token: &str, now: DateTime<Utc>) -> Option<Holder> {
        self.grants().admit(token, now)
    }

    /// The person takes back, at the provider, all that was granted for an account.
    pub fn withdraw(&self, account: &str) {
        self.grants().withdraw(account);
    }

    /// How often refresh tokens were exchanged.
    pub fn refreshes(&self) -> u32 {
        self.grants().refreshes
    }

    /// How many consents are in force.
    pub fn live(&self) -> usize {
        self.grants().live()
    }

    fn grants(&self) -> MutexGuard<'_, Grants> {
        lock(&self.grants)
    }
}

/// What an endpoint has at hand.
#[derive(Clone)]
struct Provider {
    oauth: Arc<FakeOAuth>,
    clock: FakeClock,
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
