//! The one way out: every request that leaves the process for a platform.
//!
//! [`Http`] keeps deadlines (monotonic *and* wall clock), refuses addresses that are not public, paces requests per host,
//! caps answers in size and time, and knows whether a failed request can have reached the platform. Two faces of one TLS
//! configuration: the *guarded* client for what is harmless to repeat, and the *irreversible* one behind
//! [`Http::post_once`], which uses HTTP/1.1 on a fresh connection, retries nothing and sends nothing past its permit.
//! Neither follows redirects nor reads proxy variables, so neither can be led around the guard.
//!
//! It does not know platforms, and it is the only module of this crate that reads a clock.
//!
//! Invariants: I4 (no irreversible request without a [`Permit`], none after its `not_after`).

mod answer;
mod body;
mod call;
mod deadline;
mod error;
mod guard;
mod observe;
mod pacing;

pub use self::{
    answer::Answer,
    call::Call,
    deadline::Deadline,
    error::{CallError, CallErrorKind},
    guard::EgressAllow,
};

use self::{guard::Guard, pacing::Pacer};
use crate::{connector::Pace, contract::Permit};
use ::http::Method;
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use url::Url;

/// How long an idle connection of the guarded client is kept for the next request.
const IDLE: Duration = Duration::from_secs(30);

/// What the client is built from.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// How we introduce ourselves.
    pub user_agent: String,
    /// Addresses that may be reached although they are not public, in plain HTTP too.
    pub egress_allow: Vec<EgressAllow>,
    /// Longest time for resolving, connecting and the TLS handshake together.
    pub connect_timeout: Duration,
    /// Longest time for one call as a whole, the answer's last byte included.
    pub call_timeout: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("postrider/", env!("CARGO_PKG_VERSION")).to_owned(),
            egress_allow: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_mins(1),
        }
    }
}

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// The system's root certificates or the TLS versions cannot be used.
    #[error("TLS cannot be set up: {0}; install the system's root certificates (ca-certificates)")]
    Tls(#[source] rustls::Error),
    /// The user agent is not a header value, or the like.
    #[error("the HTTP client cannot be set up: {0}; check the user agent")]
    Client(#[source] reqwest::Error),
}

/// The guarded, deadline-keeping HTTP client. Cheap to clone.
#[derive(Clone)]
pub struct Http {
    inner: Arc<Inner>,
    pacer: Option<Arc<Pacer>>,
    /// As what calls are counted.
    platform: &'static str,
}

struct Inner {
    guarded: reqwest::Client,
    irreversible: reqwest::Client,
    guard: Guard,
    call_timeout: Duration,
    under_way: AtomicUsize,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http")
            .field("guard", &self.inner.guard)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// Builds both faces of the client.
    ///
    /// # Errors
    /// No usable root certificates, or a user agent that is no header value.
    pub fn new(config: HttpConfig) -> Result<Self, HttpSetupError> {
        let tls = tls()?;
        let HttpConfig {
            user_agent,
            egress_allow,
            connect_timeout,
            call_timeout,
        } = config;
        let guard = Guard::new(egress_allow);
        let face = |tls, protocols| face(tls, protocols, &guard, &user_agent, connect_timeout);
        let guarded = face(tls.clone(), &[b"h2", b"http/1.1"])
            .pool_idle_timeout(IDLE)
            .build()
            .map_err(HttpSetupError::Client)?;
        let irreversible = face(tls, &[b"http/1.1"])
            .http1_only()
            .pool_max_idle_per_host(0)
            .build()
            .map_err(HttpSetupError::Client)?;
        Ok(Self {
            inner: Arc::new(Inner {
                guarded,
                irreversible,
                guard,
                call_timeout,
                under_way: AtomicUsize::new(0),
            }),
            pacer: None,
            platform: "none",
        })
    }

    /// The same client whose calls are counted as this platform's: the connector's family, never a host.
    #[must_use]
    pub fn named(&self, platform: &'static str) -> Self {
        Self {
            platform,
            ..self.clone()
        }
    }

    /// The same client with a pace of its own, kept per host and port.
    #[must_use]
    pub fn paced(&self, pace: Pace) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            platform: self.platform,
            pacer: Some(Arc::new(Pacer::new(pace))),
        }
    }

    /// How many calls of this client, its paced copies included, are under way: sent and not yet over.
    pub fn calls_under_way(&self) -> usize {
        self.inner.under_way.load(Ordering::SeqCst)
    }

    /// A GET: harmless to repeat.
    pub fn get(&self, url: &Url) -> Call {
        Call::new(self.clone(), Method::GET, url, None)
    }

    /// A POST that is harmless to repeat: sessions, uploads, anything nobody can see yet.
    pub fn post(&self, url: &Url) -> Call {
        Call::new(self.clone(), Method::POST, url, None)
    }

    /// A PUT that is harmless to repeat.
    pub fn put(&self, url: &Url) -> Call {
        Call::new(self.clone(), Method::PUT, url, None)
    }

    /// A DELETE that is harmless to repeat: revoking a token, taking back an upload.
    pub fn delete(&self, url: &Url) -> Call {
        Call::new(self.clone(), Method::DELETE, url, None)
    }

    /// The irreversible request: HTTP/1.1, a fresh connection, never retried, no redirect.
    ///
    /// Guarantee: nothing begins past the permit's `not_after`, and a body whose pieces come later is cut off, so that the
    /// platform never has a whole request. Therefore it must have a body: what has no natural one sends `{}` or a form.
    pub fn post_once(&self, url: &Url, permit: Permit) -> Call {
        Call::new(self.clone(), Method::POST, url, Some(permit))
    }

    /// The irreversible request of platforms that publish with the last bytes of an upload; see [`Http::post_once`].
    pub fn put_once(&self, url: &Url, permit: Permit) -> Call {
        Call::new(self.clone(), Method::PUT, url, Some(permit))
    }
}

/// Counts one call for as long as it lives.
struct UnderWay(Arc<Inner>);

impl UnderWay {
    fn begin(inner: &Arc<Inner>) -> Self {
        inner.under_way.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(inner))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What both faces have in common.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the client that everybody else is sent to"
)]
fn face(
    mut tls: rustls::ClientConfig,
    protocols: &[&[u8]],
    guard: &Guard,
    user_agent: &str,
    connect_timeout: Duration,
) -> reqwest::ClientBuilder {
    tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(guard.clone())
        .user_agent(user_agent)
        .connect_timeout(connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
}

/// One configuration for all faces: ring, TLS 1.2 and 1.3, the system's roots; nothing process-global.
fn tls() -> Result<rustls::ClientConfig, HttpSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(HttpSetupError::Tls)?;
    let verified = builder
        .with_platform_verifier()
        .map_err(HttpSetupError::Tls)?;
    Ok(verified.with_no_client_auth())
}
