//! Every setting, each declared once: its field, type, key, variable, bounds, default and sentence.
//!
//! From these lines come the struct, the reading of file and environment, what `doctor` and `config check` show, the
//! reference page and the example file.

use super::{
    InEffect,
    problem::Problem,
    reader::Reader,
    setting::{About, ReadBy, Setting},
    values,
};
use crate::{cli::LogFormat, fault::Fault};
use publisher::{App, EgressAllow};
use secrecy::SecretString;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};
use url::Url;
use vault::Vault;

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty = $setting:expr;)+) => {
        /// The configuration of one process. `Debug` shows no secret.
        #[derive(Debug)]
        pub(crate) struct Config {
            $($(#[doc = $doc])+ pub(crate) $field: $type,)+
            /// All of it with its sources, redacted.
            pub(super) in_effect: InEffect,
        }

        impl Config {
            /// Reads every setting; what cannot be read counts as not set.
            pub(super) fn read_all(mut r: Reader<'_>) -> (Self, Vec<Problem>) {
                $(let $field = r.value(&declared::$field);)+
                let (in_effect, problems) = r.finish();
                (Self { $($field,)+ in_effect }, problems)
            }
        }

        #[expect(non_upper_case_globals, reason = "a declaration has the name of its field")]
        mod declared {
            use super::*;
            $(pub(super) static $field: Setting<$type> = {
                const IT: Setting<$type> = $setting;
                IT.says(concat!($($doc),+))
            };)+
        }

        /// What is known of every setting, in the order of the reference.
        pub(super) static ALL: &[&About] = &[$(&declared::$field.about),+];

        /// Every default as it is shown. Panics if one cannot be read.
        #[cfg(test)]
        pub(super) fn every_default() -> Vec<String> {
            vec![$((declared::$field.show)(&declared::$field.fallback())),+]
        }
    };
}

settings! {
    /// the PostgreSQL database; PostgreSQL 14 or newer
    database_url: Option<SecretString> =
        Setting::new("database.url", "DATABASE_URL", &values::DATABASE, ReadBy::EverythingNeeded)
            .none(|| None, "none", "");

    /// connections for ordinary work, of the API and of the worker each; each has 4 more for marks, renewals and
    /// settlements, and one to listen
    database_connections: u32 =
        Setting::new("database.connections", "POSTRIDER_DATABASE_CONNECTIONS", &values::count(2, 500, "connections"), ReadBy::Processes)
            .default("10");

    /// the master keys: the first seals, all open; how they are changed: [key-rotation.md](../operations/key-rotation.md)
    vault: Option<Vault> =
        Setting::new("vault.master_key", "POSTRIDER_MASTER_KEY", &values::MASTER_KEYS, ReadBy::ProcessesNeeded)
            .none(|| None, "none", "");

    /// where the API listens; port 0 takes any free one
    listen: SocketAddr =
        Setting::new("api.listen", "POSTRIDER_LISTEN", &values::ADDRESS, ReadBy::Api)
            .default("127.0.0.1:8080");

    /// the API's address as its callers see it
    public_url: Option<Url> =
        Setting::new("api.public_url", "POSTRIDER_PUBLIC_URL", &values::ORIGIN, ReadBy::Api)
            .none(|| None, "where it listens", "https://posts.example.com");

    /// where people are sent after a platform's consent page
    dashboard_url: Option<Url> =
        Setting::new("api.dashboard_url", "POSTRIDER_DASHBOARD_URL", &values::ORIGIN, ReadBy::Api)
            .none(|| None, "the API's own address", "https://app.example.com");

    /// how long the request for an immediate post waits for its result
    wait: Duration =
        Setting::new("api.wait_ms", "POSTRIDER_WAIT_MS", &values::millis(0, 60_000), ReadBy::Api)
            .default("25000");

    /// where media lie; all processes of an installation share it
    data_dir: PathBuf =
        Setting::new("media.data_dir", "POSTRIDER_DATA_DIR", &values::PATH, ReadBy::Everything)
            .default("./.postrider/data");

    /// largest upload, in bytes
    media_bytes_max: u64 =
        Setting::new("media.upload_bytes_max", "POSTRIDER_MEDIA_BYTES_MAX", &values::size(1_000_000, 10_000_000_000), ReadBy::Api)
            .default("536870912");

    /// jobs of one platform that run at a time in this process
    slots: u32 =
        Setting::new("worker.slots", "POSTRIDER_SLOTS", &values::count(1, 1_000, "jobs"), ReadBy::Worker)
            .default("64");

    /// how long a claim lasts unless it is renewed; more than one and a half times (call deadline + 0.5 s) of every
    /// platform, for Bluesky 45,750
    lease: Duration =
        Setting::new("worker.lease_ms", "POSTRIDER_LEASE_MS", &values::millis(1_000, 600_000), ReadBy::Worker)
            .default("60000");

    /// how long a worker sleeps when nothing wakes it
    poll: Duration =
        Setting::new("worker.poll_ms", "POSTRIDER_POLL_MS", &values::millis(10, 60_000), ReadBy::Worker)
            .default("1000");

    /// where `GET /metrics` is answered, in plain http, by a listener of its own; port 0 takes any free one; whoever
    /// reaches it sees figures of the whole installation, so beyond this machine it wants a network of its own
    metrics_listen: Option<SocketAddr> =
        Setting::new("metrics.listen", "POSTRIDER_METRICS_LISTEN", &values::MAYBE_ADDRESS, ReadBy::Processes)
            .none(|| None, "nowhere", "127.0.0.1:9464");

    /// how long a drain may take
    drain: Duration =
        Setting::new("process.drain_ms", "POSTRIDER_DRAIN_MS", &values::millis(0, 600_000), ReadBy::Processes)
            .default("30000");

    /// what may be reached although it is not on a public address, in plain http too
    egress_allow: Vec<EgressAllow> =
        Setting::new("egress.allow", "POSTRIDER_EGRESS_ALLOW", &values::EXCEPTIONS, ReadBy::Everything)
            .none(Vec::new, "none", "127.0.0.1:2583");

    /// this installation's apps with the platforms, at most 32; a public client has no secret
    apps: BTreeMap<String, App> =
        Setting::new("platforms.apps", "POSTRIDER_APPS", &values::APPS, ReadBy::Everything)
            .none(BTreeMap::new, "none", "");

    /// where Bluesky accounts log in that name no PDS
    bluesky_url: Option<Url> =
        Setting::new("bluesky.url", "POSTRIDER_BLUESKY_URL", &values::ORIGIN, ReadBy::Everything)
            .default("https://bsky.social");

    /// the directory that knows where a Bluesky account with a did:plc lives
    bluesky_plc_url: Option<Url> =
        Setting::new("bluesky.plc_url", "POSTRIDER_BLUESKY_PLC_URL", &values::ORIGIN, ReadBy::Everything)
            .default("https://plc.directory");

    /// the service that takes Bluesky's videos
    bluesky_video_url: Option<Url> =
        Setting::new("bluesky.video_url", "POSTRIDER_BLUESKY_VIDEO_URL", &values::ORIGIN, ReadBy::Everything)
            .default("https://video.bsky.app");

    /// what is logged
    log: Option<String> =
        Setting::new("log.levels", "POSTRIDER_LOG", &values::LEVELS, ReadBy::Everything)
            .none(|| None, "info; commands that print something: warn", "info,store=debug");

    /// how lines on stderr look
    log_format: LogFormat =
        Setting::new("log.format", "POSTRIDER_LOG_FORMAT", &values::LOG_FORMAT, ReadBy::Everything)
            .default("text");

    /// registers the four toy platforms, served there
    toys_url: Option<Url> =
        Setting::environment_only("POSTRIDER_TOYS_URL", &values::ORIGIN, ReadBy::Tests)
            .none(|| None, "none", "");

    /// other times than a platform's own
    platform_times: BTreeMap<String, Duration> =
        Setting::environment_only("POSTRIDER_PLATFORM_MS", &values::TIMES, ReadBy::Tests)
            .none(BTreeMap::new, "the platforms' own", "");

    /// kills the process at that point, parks the thread there for ever, or stops the process until SIGCONT; only in
    /// builds with debug assertions
    fault: Option<Fault> =
        Setting::environment_only("POSTRIDER_FAULT", &values::FAULT, ReadBy::Tests)
            .none(|| None, "none", "");

    /// written when a parked point is reached
    fault_file: Option<PathBuf> =
        Setting::environment_only("POSTRIDER_FAULT_FILE", &values::MAYBE_PATH, ReadBy::Tests)
            .none(|| None, "none", "");

    /// the process of the demo's own PostgreSQL, written by `scripts/postgres`
    postgres_pid: Option<u32> =
        Setting::environment_only("POSTGRES_PID", &values::PROCESS_ID, ReadBy::Tests)
            .none(|| None, "none", "");

    /// who does what a command does, unless `--as` says otherwise
    operator: String =
        Setting::environment_only("USER", &values::NAME, ReadBy::Everything)
            .default("operator");
}
