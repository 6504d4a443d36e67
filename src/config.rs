//! The whole configuration: the only code that reads the environment.
//!
//! It is read once, as a whole, and *every* problem is reported at once with its variable, rule and remedy. What is secret
//! is wrapped where it is read and shown by nobody: [`Config`]'s `Debug` and [`Config::settings`] are redacted.
//!
//! It does not know what the numbers do; the structs that they end in say so.

mod reader;
mod settings;
mod values;

pub(crate) use self::{
    reader::{Problem, Problems},
    settings::Setting,
};

use self::reader::Reader;
use crate::{cli::LogFormat, fault::Fault};
use publisher::{App, EgressAllow};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};
use url::Url;
use vault::Vault;

/// Every variable that is read. The demo hands none of the caller's own to the processes that it starts.
pub(crate) const VARIABLES: [&str; 23] = [
    "DATABASE_URL",
    "POSTRIDER_MASTER_KEY",
    "POSTRIDER_EGRESS_ALLOW",
    "POSTRIDER_LISTEN",
    "POSTRIDER_DATA_DIR",
    "POSTRIDER_PUBLIC_URL",
    "POSTRIDER_DASHBOARD_URL",
    "POSTRIDER_APPS",
    "POSTRIDER_SLOTS",
    "POSTRIDER_LEASE_MS",
    "POSTRIDER_POLL_MS",
    "POSTRIDER_WAIT_MS",
    "POSTRIDER_DRAIN_MS",
    "POSTRIDER_DATABASE_CONNECTIONS",
    "POSTRIDER_LOG",
    "POSTRIDER_LOG_FORMAT",
    "POSTRIDER_BLUESKY_URL",
    "POSTRIDER_TOYS_URL",
    "POSTRIDER_PLATFORM_MS",
    "POSTRIDER_FAULT",
    "POSTRIDER_FAULT_FILE",
    "POSTGRES_PID",
    "USER",
];

/// Which of the variables without a default a verb cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// None.
    Nothing,
    /// `DATABASE_URL`.
    Database,
    /// `DATABASE_URL` and `POSTRIDER_MASTER_KEY`.
    DatabaseAndMasterKey,
}

/// The configuration of one process.
#[derive(Debug)]
pub(crate) struct Config {
    /// `DATABASE_URL`: `postgres://user:password@host:port/name`; no default.
    pub(crate) database_url: Option<SecretString>,
    /// `POSTRIDER_MASTER_KEY`: `<id>:<base64 of 32 bytes>`, separated by commas, the active one first; no default.
    pub(crate) vault: Option<Vault>,
    /// `POSTRIDER_EGRESS_ALLOW`: `address:port`, separated by commas; default none, at most 16. The only exceptions to the
    /// guard against addresses that are not public.
    pub(crate) egress_allow: Vec<EgressAllow>,
    /// `POSTRIDER_LISTEN`: where the API listens; default 127.0.0.1:8080. Port 0: any free one.
    pub(crate) listen: SocketAddr,
    /// `POSTRIDER_DATA_DIR`: where media lie; default ./.postrider/data. All processes of an installation share it.
    pub(crate) data_dir: PathBuf,
    /// `POSTRIDER_PUBLIC_URL`: the API's address as its callers see it; default: where it listens.
    pub(crate) public_url: Option<Url>,
    /// `POSTRIDER_DASHBOARD_URL`: where people are sent after a platform's consent page; default: the API's own address.
    pub(crate) dashboard_url: Option<Url>,
    /// `POSTRIDER_APPS`: `<platform>=<client id>:<client secret>`, separated by commas; default none.
    pub(crate) apps: BTreeMap<String, App>,
    /// `POSTRIDER_SLOTS`: jobs of one platform that run at a time in this process; default 64, 1 to 1 000.
    pub(crate) slots: u32,
    /// `POSTRIDER_LEASE_MS`: how long a claim lasts unless it is renewed; default 60 000, 1 000 to 600 000.
    pub(crate) lease: Duration,
    /// `POSTRIDER_POLL_MS`: how long a worker sleeps when nothing wakes it; default 1 000, 10 to 60 000.
    pub(crate) poll: Duration,
    /// `POSTRIDER_WAIT_MS`: how long the request for an immediate post waits for its result; default 25 000, 0 to 60 000.
    pub(crate) wait: Duration,
    /// `POSTRIDER_DRAIN_MS`: how long a drain may take; default 30 000, 0 to 600 000.
    pub(crate) drain: Duration,
    /// `POSTRIDER_DATABASE_CONNECTIONS`: connections that the API, and as many that the worker, opens for ordinary work; each
    /// has 4 more for what must not wait, a worker one to listen; default 10, 2 to 500.
    pub(crate) database_connections: u32,
    /// `POSTRIDER_LOG`: what is logged, as with `--log`; default info, for commands that print something warn.
    pub(crate) log: Option<String>,
    /// `POSTRIDER_LOG_FORMAT`: text or json; default text.
    pub(crate) log_format: LogFormat,
    /// `POSTRIDER_BLUESKY_URL`: where Bluesky accounts log in that name no PDS of their own; default `https://bsky.social`.
    pub(crate) bluesky_url: Option<Url>,
    /// `POSTRIDER_TOYS_URL`: registers the four toy platforms, served there; for tests; no default.
    pub(crate) toys_url: Option<Url>,
    /// `POSTRIDER_PLATFORM_MS`: `<platform>.<habit>=<milliseconds>`, separated by commas; for tests; default: the platforms'
    /// own times.
    pub(crate) platform_times: BTreeMap<String, Duration>,
    /// `POSTRIDER_FAULT`: `<point>`, `<point>:park` (then `POSTRIDER_FAULT_FILE` is written) or `<point>:stop`; for tests; no
    /// default.
    pub(crate) fault: Option<Fault>,
    /// `POSTGRES_PID`: the process of the demo's own PostgreSQL, which `scripts/postgres` writes; no default.
    pub(crate) postgres_pid: Option<u32>,
    /// `USER`: who redrives a dead letter, unless `--as` says otherwise; default operator.
    pub(crate) operator: String,
    /// Which variables were set.
    given: BTreeSet<&'static str>,
}

impl Config {
    /// Reads the environment of this process.
    ///
    /// Errors: every problem there is.
    pub(crate) fn from_environment(needs: Needs) -> Result<Self, Problems> {
        let (config, problems) = Self::read(&environment, needs);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(Problems(problems))
        }
    }

    /// Reads the environment of this process as far as it can be read, and says what is wrong with the rest.
    pub(crate) fn from_environment_as_it_is() -> (Self, Vec<Problem>) {
        Self::read(&environment, Needs::DatabaseAndMasterKey)
    }

    fn read(environment: &dyn Fn(&str) -> Option<OsString>, needs: Needs) -> (Self, Vec<Problem>) {
        let mut r = Reader::new(environment);
        let bluesky = "https://bsky.social, or leave it out";
        let toys = "http://127.0.0.1:2600, or leave it out";
        let config = Self {
            database_url: values::database_url(&mut r, needs),
            vault: values::vault(&mut r, needs),
            egress_allow: values::egress_allow(&mut r),
            listen: values::listen(&mut r),
            data_dir: values::data_dir(&mut r),
            public_url: values::origin(&mut r, "POSTRIDER_PUBLIC_URL", "https://posts.example.com"),
            dashboard_url: values::origin(
                &mut r,
                "POSTRIDER_DASHBOARD_URL",
                "https://app.example.com",
            ),
            apps: values::apps(&mut r),
            slots: r.count("POSTRIDER_SLOTS", 64, 1..=1_000, "jobs"),
            lease: r.millis("POSTRIDER_LEASE_MS", 60_000, 1_000..=600_000),
            poll: r.millis("POSTRIDER_POLL_MS", 1_000, 10..=60_000),
            wait: r.millis("POSTRIDER_WAIT_MS", 25_000, 0..=60_000),
            drain: r.millis("POSTRIDER_DRAIN_MS", 30_000, 0..=600_000),
            database_connections: r.count(
                "POSTRIDER_DATABASE_CONNECTIONS",
                10,
                2..=500,
                "connections",
            ),
            log: values::log(&mut r),
            log_format: values::log_format(&mut r),
            bluesky_url: values::origin(&mut r, "POSTRIDER_BLUESKY_URL", bluesky),
            toys_url: values::origin(&mut r, "POSTRIDER_TOYS_URL", toys),
            platform_times: values::platform_times(&mut r),
            fault: values::fault(&mut r),
            postgres_pid: values::postgres_pid(&mut r),
            operator: values::operator(&mut r),
            given: BTreeSet::new(),
        };
        let (given, problems) = r.finish();
        (Self { given, ..config }, problems)
    }

    /// The database's address without its password, for people.
    pub(crate) fn database_shown(&self) -> Option<String> {
        let url = Url::parse(self.database_url.as_ref()?.expose_secret()).ok()?;
        let user = if url.username().is_empty() {
            String::new()
        } else {
            format!("{}@", url.username())
        };
        let port = url
            .port()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        Some(format!(
            "{}://{user}{}{port}{}",
            url.scheme(),
            url.host_str().unwrap_or_default(),
            url.path()
        ))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[cfg(test)]
mod tests;
