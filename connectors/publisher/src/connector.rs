//! What one platform is: its two abilities, its limits and its habits, in one plain struct.

use crate::authorizer::Authorizer;
use crate::contract::Publisher;
use crate::http::Http;
use crate::quota::Quota;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// One platform, ready to be registered.
#[derive(Clone)]
pub struct Connector {
    /// The wire id, wherever the platform is data: column, queue, rule, metric.
    pub platform: &'static str,
    /// The name that people know.
    pub display_name: &'static str,
    /// Publishes.
    pub publisher: Arc<dyn Publisher>,
    /// Connects accounts and refreshes tokens.
    pub authorizer: Arc<dyn Authorizer>,
    /// Published limits.
    pub quotas: Vec<Quota>,
    /// What the engine must know about it.
    pub habits: Habits,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("platform", &self.platform)
            .field("quotas", &self.quotas)
            .field("habits", &self.habits)
            .finish_non_exhaustive()
    }
}

/// What the engine must know about a platform, and what conformance checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// No call to the platform lasts longer.
    pub call_deadline: Duration,
    /// How long after an answerless request the platform may still let it take effect, or not list it yet.
    pub quiet: Duration,
    /// How an unknown outcome is found out.
    pub read_back: ReadBack,
    /// Whether users choose the host (then a limit of a host closes that host, never the app).
    pub hosts_chosen_by_users: bool,
    /// Requests per host and process: at most this many in this time.
    pub pace: Pace,
    /// Newest version of the checkpoint that this build can read.
    pub checkpoint_version: u16,
    /// A token is refreshed this long before it expires.
    pub refresh_horizon: Duration,
}

/// How an unknown outcome is found out. The grade of the promise in README follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadBack {
    /// By a key that we chose: grade A.
    Key,
    /// By a handle that the platform gave before the irreversible request: grade A.
    Handle,
    /// By listing the account's posts and comparing content: grade B. At most one send of an account is unresolved.
    List,
    /// Not at all: grade C.
    None,
}

impl ReadBack {
    /// Whether sends of one account must not overlap while one is unresolved.
    pub const fn is_exclusive(self) -> bool {
        matches!(self, Self::List)
    }
}

/// A number of requests in a time, for pacing inside the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How many.
    pub requests: u32,
    /// In which time.
    pub per: Duration,
}

/// What a connector is built from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The one HTTP client; a connector asks it for its own pace with [`Http::paced`].
    pub http: Http,
    /// Base addresses that differ from the public ones, by the connector's own name for them.
    pub addresses: BTreeMap<String, url::Url>,
    /// Durations that differ from a connector's own, by `<platform>.<habit>`: `bluesky.quiet`, `bluesky.call_deadline`.
    pub durations: BTreeMap<String, Duration>,
}

impl Setup {
    /// A duration by its name, or the connector's own.
    pub fn duration(&self, name: &str, own: Duration) -> Duration {
        self.durations.get(name).copied().unwrap_or(own)
    }
}

/// A connector could not be built.
#[derive(Debug, thiserror::Error)]
#[error("{platform}: {problem}; {remedy}")]
pub struct SetupError {
    /// Which one.
    pub platform: &'static str,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

/// The connectors of this process, by wire id.
#[derive(Clone, Debug, Default)]
pub struct Registry(BTreeMap<&'static str, Arc<Connector>>);

impl Registry {
    /// Adds a platform. A second connector of the same platform replaces the first.
    #[must_use]
    pub fn with(mut self, connector: Connector) -> Self {
        self.0.insert(connector.platform, Arc::new(connector));
        self
    }

    /// The connector of a platform; `x` is read as `twitter`.
    pub fn get(&self, platform: &str) -> Option<&Arc<Connector>> {
        self.0
            .get(if platform == "x" { "twitter" } else { platform })
    }

    /// All of them, by wire id.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Connector>> {
        self.0.values()
    }

    /// The wire ids, sorted.
    pub fn platforms(&self) -> Vec<&'static str> {
        self.0.keys().copied().collect()
    }
}
