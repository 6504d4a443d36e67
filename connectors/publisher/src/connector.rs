//! What one platform is: its two abilities, its limits and its habits, in one plain struct.

use crate::authorizer::Authorizer;
use crate::contract::Publisher;
use crate::http::Http;
use crate::quota::Quota;
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
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
    /// No call that carries media lasts longer. A call under a permit never does: it ends by `call_deadline`.
    pub upload_deadline: Duration,
    /// Whether the platform fetches media by itself, so that this installation must serve them to the public.
    pub fetches_media: bool,
    /// For how long the platform answers a repetition of the identical request with the first post; none where a repetition is
    /// a second post. Only such a platform may say [`crate::contract::Evidence::ResendIsSafe`].
    pub resend: Option<Duration>,
    /// The version of the platform's interface that every call names; none where there are no versions.
    pub api: Option<ApiVersion>,
    /// What an account is asked to grant unless the operator says otherwise: the least that the features need.
    pub scopes: &'static [ScopeUse],
}

impl Habits {
    /// Where a platform says nothing: the least is promised and the least is assumed. `Habits { …, ..Habits::LEAST }`.
    pub const LEAST: Self = Self {
        call_deadline: Duration::from_secs(30),
        quiet: Duration::from_mins(1),
        read_back: ReadBack::None,
        hosts_chosen_by_users: false,
        pace: Pace {
            requests: 10,
            per: Duration::from_secs(1),
        },
        checkpoint_version: 1,
        refresh_horizon: Duration::from_mins(30),
        upload_deadline: Duration::from_mins(5),
        fetches_media: false,
        resend: None,
        api: None,
        scopes: &[],
    };
}

/// A pinned version of a platform's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiVersion {
    /// As it stands in the path or header (`v25.0`, `202609`).
    pub name: &'static str,
    /// The day on which the platform stops to serve it, where that is announced.
    pub sunset: Option<NaiveDate>,
}

impl ApiVersion {
    /// Days until its sunset, negative afterwards; none where none is announced.
    pub fn days_left(self, now: DateTime<Utc>) -> Option<i64> {
        self.sunset.map(|day| (day - now.date_naive()).num_days())
    }
}

/// A scope, and what it is needed for (S72): printed in the platform's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeUse {
    /// As the platform spells it.
    pub scope: &'static str,
    /// The feature that needs it.
    pub serves: &'static str,
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
    /// The one HTTP client; a connector asks it for its own pace with [`Http::paced`], and to be counted by its name with
    /// [`Http::named`].
    pub http: Http,
    /// Base addresses that differ from the public ones, by the connector's own name for them.
    pub addresses: BTreeMap<String, url::Url>,
    /// Durations that differ from a connector's own, by `<platform>.<habit>`: `bluesky.quiet`, `bluesky.call_deadline`.
    pub durations: BTreeMap<String, Duration>,
    /// The operator's registrations with the platforms, by wire id.
    pub apps: BTreeMap<String, App>,
}

/// The operator's registration with a platform: as whom this installation speaks to it.
#[derive(Clone, Debug)]
pub struct App {
    /// What the platform calls client id, client key or app id.
    pub client_id: String,
    /// Its secret; none for a public client.
    pub client_secret: Option<SecretString>,
}

impl Setup {
    /// Everything as the connectors have it themselves, without any registration.
    pub fn new(http: Http) -> Self {
        Self {
            http,
            addresses: BTreeMap::new(),
            durations: BTreeMap::new(),
            apps: BTreeMap::new(),
        }
    }

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
