//! Four toy platforms that behave like the real kinds, to prove the engine against.
//!
//! | platform | publishing | an unknown outcome is found out |
//! |---|---|---|
//! | `toy_list` | one keyless request | by listing the account's posts |
//! | `toy_late` | the same, listed only some seconds later | the same, after the quiet time |
//! | `toy_blind` | one keyless request | not at all |
//! | `toy_steps` | a container, then its publication | by the container's status |
//!
//! No toy knows an idempotency key, and none is forgiving: what is sent twice is public twice. All four share accounts,
//! rotating refresh tokens, one [`fake::FakeServer`] and a documented window of posts that it enforces.
//!
//! A fifth, `toy_oauth`, publishes like `toy_list` and is connected on a consent page ([`consent_connector`]).

mod answers;
mod authorizer;
mod consent;
mod listing;
mod preflight;
mod server;
mod state;
mod steps;
mod tokens;

pub use self::{
    consent::{CONSENT_PLATFORM, consent_connector},
    server::ToyPlatform,
};

use crate::{
    connector::{Connector, Habits, Pace, ReadBack, Setup, SetupError},
    contract::Publisher,
    failure::Scope,
    fake,
    http::Http,
    quota::{Bound, Counts, Quota},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use url::Url;

/// Wire ids of all toys.
pub const PLATFORMS: [&str; 4] = ["toy_list", "toy_late", "toy_blind", "toy_steps"];

/// The figures of the toys: what they declare, and what their fake keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToyTimes {
    /// [`Habits::call_deadline`] of all.
    pub call_deadline: Duration,
    /// [`Habits::quiet`] of all but `toy_late`.
    pub quiet: Duration,
    /// [`Habits::quiet`] of `toy_late`; longer than `visible_after`.
    pub late_quiet: Duration,
    /// How long a post of `toy_late` is public but not listed.
    pub visible_after: Duration,
    /// How long a container of `toy_steps` is in progress.
    pub container_takes: Duration,
    /// How long a container of `toy_steps` can be published.
    pub container_lives: Duration,
    /// How long an access token works.
    pub token_lives: Duration,
    /// [`Habits::refresh_horizon`] of all.
    pub refresh_horizon: Duration,
    /// Posts of one account in any `posts_window`.
    pub posts_max: u32,
    /// At least a minute.
    pub posts_window: Duration,
    /// Jobs of one account at the same time.
    pub slots: u32,
}

impl Default for ToyTimes {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            call_deadline: seconds(5),
            quiet: seconds(2),
            late_quiet: seconds(8),
            visible_after: seconds(5),
            container_takes: Duration::from_millis(200),
            container_lives: Duration::from_hours(24),
            token_lives: Duration::from_hours(1),
            refresh_horizon: Duration::from_mins(5),
            posts_max: 100,
            posts_window: Duration::from_hours(1),
            slots: 16,
        }
    }
}

/// The connectors of all toys, in the order of [`PLATFORMS`].
///
/// # Errors
/// `setup.addresses` has no `toys`, or it cannot be a base address.
pub fn connectors(setup: &Setup, times: ToyTimes) -> Result<Vec<Connector>, SetupError> {
    let base = base(setup)?;
    Ok(PLATFORMS
        .map(|platform| connector(platform, setup, base, times))
        .into())
}

/// The base address of the toys' fake server.
fn base(setup: &Setup) -> Result<&Url, SetupError> {
    let remedy = "set the address `toys` to the base address of the toys' fake server";
    let problem = |problem: &str| SetupError {
        platform: "toys",
        problem: problem.to_owned(),
        remedy: remedy.to_owned(),
    };
    let base = setup
        .addresses
        .get("toys")
        .ok_or_else(|| problem("no address named `toys`"))?;
    if base.cannot_be_a_base() {
        return Err(problem("the address named `toys` is no base address"));
    }
    Ok(base)
}

/// Requests per host and process: more than any test makes.
const PACE: Pace = Pace {
    requests: 5000,
    per: Duration::from_secs(10),
};

fn connector(platform: &'static str, setup: &Setup, base: &Url, times: ToyTimes) -> Connector {
    let toy = Toy::new(platform, setup, base, times);
    let publisher: Arc<dyn Publisher> = match platform {
        "toy_steps" => Arc::new(steps::Steps(toy.clone())),
        _ => Arc::new(listing::Listing(toy.clone())),
    };
    let (display_name, read_back) = match platform {
        "toy_list" => ("Toy List", ReadBack::List),
        "toy_late" => ("Toy Late", ReadBack::List),
        "toy_steps" => ("Toy Steps", ReadBack::Handle),
        CONSENT_PLATFORM => ("Toy OAuth", ReadBack::List),
        _ => ("Toy Blind", ReadBack::None),
    };
    Connector {
        platform,
        display_name,
        publisher,
        authorizer: Arc::new(authorizer::ToyAccounts(toy.clone())),
        quotas: quotas(times),
        habits: Habits {
            call_deadline: times.call_deadline,
            quiet: toy.quiet(),
            read_back,
            hosts_chosen_by_users: false,
            pace: PACE,
            checkpoint_version: CHECKPOINT_VERSION,
            refresh_horizon: times.refresh_horizon,
            ..Habits::LEAST
        },
    }
}

fn quotas(times: ToyTimes) -> Vec<Quota> {
    vec![
        Quota {
            name: "posts_per_window",
            meter: "posts",
            scope: Scope::Account,
            counts: Counts::Posts,
            units: 1,
            bound: Bound::Window {
                max: times.posts_max,
                window: times.posts_window,
            },
        },
        Quota {
            name: "jobs_at_once",
            meter: "jobs",
            scope: Scope::Account,
            counts: Counts::Calls,
            units: 1,
            bound: Bound::Slots(times.slots),
        },
    ]
}

/// Serves all toys on one fake.
///
/// # Errors
/// The address cannot be bound.
pub async fn server(times: ToyTimes, listen: Option<SocketAddr>) -> io::Result<fake::FakeServer> {
    fake::FakeServer::start(Arc::new(ToyPlatform::new(times)), listen).await
}

const CHECKPOINT_VERSION: u16 = 1;

/// What every part of one toy's connector needs.
#[derive(Clone)]
struct Toy {
    platform: &'static str,
    base: Url,
    http: Http,
    times: ToyTimes,
}

impl Toy {
    fn new(platform: &'static str, setup: &Setup, base: &Url, times: ToyTimes) -> Self {
        Self {
            platform,
            base: base.clone(),
            http: setup.http.named("toys").paced(PACE),
            times,
        }
    }

    fn quiet(&self) -> Duration {
        if self.platform == "toy_late" {
            self.times.late_quiet
        } else {
            self.times.quiet
        }
    }

    /// The base address with these path segments, each encoded.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// A code or rule of this toy.
    fn code(&self, rest: &str) -> String {
        format!("{}.{rest}", self.platform)
    }
}
