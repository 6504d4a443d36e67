//! What every handler has at hand.

use async_trait::async_trait;
use engine::Client;
use std::{sync::Arc, time::Duration};

/// How the API presents itself and how much it takes.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Origin under which callers reach this API, without a slash at the end; part of the links in answers.
    pub public_url: String,
    /// Where people are sent after a platform's consent page, without a slash at the end.
    pub dashboard_url: String,
    /// Where `docUrl` and `ruleUrl` point, without a slash at the end.
    pub docs_url: String,
    /// Largest JSON body, in bytes; 16 MiB; 1 KiB..=64 MiB.
    pub body_bytes_max: usize,
    /// A whole JSON body, or the next piece of an upload, arrives within this time; 30 s; 1 s..=600 s.
    pub body_wait: Duration,
    /// How often the key of a waiting request is looked at again, beside once at its end; 2 s; 10 ms..=10 s.
    pub key_check: Duration,
    /// How long one check of `GET /ready` may take; 3 s; 100 ms..=30 s.
    pub ready_wait: Duration,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8080".to_owned(),
            dashboard_url: "http://127.0.0.1:8080".to_owned(),
            docs_url: "https://docs.letmepost.dev".to_owned(),
            body_bytes_max: 16 * 1024 * 1024,
            body_wait: Duration::from_secs(30),
            key_check: Duration::from_secs(2),
            ready_wait: Duration::from_secs(3),
        }
    }
}

/// Something beside the database that must be in order before requests make sense, such as the master key.
#[async_trait]
pub trait Readiness: Send + Sync {
    /// Its name in the answer of `GET /ready`.
    fn name(&self) -> &'static str;

    /// Whether it is in order. Errors: what is wrong and what to do, in words that may be shown to anybody.
    async fn check(&self) -> Result<(), String>;
}

/// What every handler has at hand. Cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Parts>);

struct Parts {
    client: Client,
    config: ApiConfig,
    readiness: Vec<Arc<dyn Readiness>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

impl State {
    /// The API over one engine.
    pub fn new(client: Client, config: ApiConfig) -> Self {
        Self::with_readiness(client, config, Vec::new())
    }

    /// The same, with further checks for `GET /ready`.
    pub fn with_readiness(
        client: Client,
        config: ApiConfig,
        readiness: Vec<Arc<dyn Readiness>>,
    ) -> Self {
        Self(Arc::new(Parts {
            client,
            config,
            readiness,
        }))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    pub(crate) fn readiness(&self) -> &[Arc<dyn Readiness>] {
        &self.0.readiness
    }
}
