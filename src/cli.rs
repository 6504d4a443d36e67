//! The command line: one variant per verb; a doc comment is its help text.
//!
//! This module knows words and shapes only. Environment and defaults are the configuration's, what a verb does is its
//! file's under `cmd/`.

mod accounts;
mod buckets;
mod config;
mod content;
mod dead_letters;
mod fake;
mod keys;
mod options;
mod posts;
mod values;
mod vault;

pub(crate) use self::{
    accounts::{AccountVerb, DisconnectAccount, ListAccounts, ShowAccount},
    buckets::{BucketVerb, ListBuckets, PauseBucket, ResumeBucket, ShowBucket, WhichBucket},
    config::ConfigVerb,
    content::{ContentChange, MediaChoice},
    dead_letters::{DeadLetters, Discard, EditLetter, ListLetters, Redrive, ShowLetter},
    fake::{Fake, FakeBluesky},
    keys::{CreateKey, Keys, ListKeys, RevokeKey},
    options::{Actor, Consent, InOrg},
    posts::{CancelPost, EditPost, ListPosts, Posts, ReschedulePost, RetryPost, ShowPost},
    values::Moment,
    vault::{RotateKeys, VaultVerb},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused in this state.
Configuration: postrider.toml and the environment; `postrider config example` shows all of it.";

/// The heading of what every verb takes, in `--help`.
const EVERY_VERB: &str = "Options of every verb";

/// Publishes posts to social platforms, once each, and survives what happens in between.
#[derive(Debug, Parser)]
#[command(name = "postrider", version, after_help = EXIT_CODES, arg_required_else_help = true, term_width = 80)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every verb takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Print one JSON document on stdout instead of text
    #[arg(long, global = true, help_heading = EVERY_VERB)]
    pub(crate) json: bool,
    /// The configuration file; without it POSTRIDER_CONFIG, or ./postrider.toml if there is one
    #[arg(long, global = true, help_heading = EVERY_VERB, value_name = "PATH")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines on stderr look; overrides POSTRIDER_LOG_FORMAT
    #[arg(long, global = true, help_heading = EVERY_VERB, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged, such as `debug` or `info,store=trace`; overrides POSTRIDER_LOG
    #[arg(long, global = true, help_heading = EVERY_VERB, value_name = "LEVELS")]
    pub(crate) log: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One object per line
    Json,
}

impl LogFormat {
    /// As it is written.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run API and worker in one process; migrates at the start
    ///
    /// Waits for a database that is away; GET /ready says so. The first SIGTERM or SIGINT drains, the second ends at once.
    /// With --json, prints `{"listening": "<address>", "pid": n, "metrics": "<address>" or null}` once it listens.
    Serve,
    /// Run the API alone; the schema must be there (postrider migrate)
    ///
    /// With --json, prints `{"listening": "<address>", "pid": n, "metrics": "<address>" or null}` once it listens.
    Api,
    /// Run a worker alone; the schema must be there (postrider migrate)
    ///
    /// With --json, prints `{"worker": "<host>/<pid>", "pid": n, "metrics": "<address>" or null}` once the database is ready.
    Worker,
    /// Bring the schema up to this build's
    ///
    /// With --json, prints `{"applied": n}`.
    Migrate,
    /// See it work on this machine, with a fake Bluesky; needs DATABASE_URL (or run `make demo`)
    ///
    /// Everything it keeps lies in .postrider/. With --json, what happens is told on stderr, and the facts of
    /// .postrider/demo.json are printed on stdout when the posts are published.
    Demo(DemoArgs),
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Keys(Keys),
    /// List, show and disconnect accounts
    #[command(subcommand)]
    Accounts(AccountVerb),
    /// List, show, cancel, reschedule, edit and retry posts
    #[command(subcommand)]
    Posts(Posts),
    /// List, show, redrive, edit and discard what ended unpublished
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Rotate master keys, and show them
    #[command(subcommand)]
    Vault(VaultVerb),
    /// List the workers, and what they hold
    ///
    /// With --json, prints `{"data": [{"id", "name", "version", "queues", "startedAt", "seenAt", "stopping", "leases",
    /// "running"}]}`.
    Workers,
    /// List, show, pause and resume what waits for an account or a platform
    #[command(subcommand)]
    Buckets(BucketVerb),
    /// Check the configuration; print an example, or the reference
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Check configuration, database, schema, master keys, connectors and clock; changes nothing
    ///
    /// With --json, prints `{"ok", "checks": [{"name", "ok", "message", "remedy"}], "config": [{"key",
    /// "variable", "value", "source"}]}`. Exits 1 if anything is wrong.
    Doctor(DoctorArgs),
    /// Print the completions of a shell, for its start-up file
    ///
    /// Such as: postrider completions bash > ~/.local/share/bash-completion/completions/postrider. With --json, prints
    /// `{"shell", "script"}`.
    Completions(CompletionsArgs),
    /// Run a fake platform, for demos and tests
    #[command(subcommand, hide = true)]
    Fake(Fake),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End when the posts are published instead of staying up
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Check the invariants of the queue, too; reads the whole queue
    #[arg(long)]
    pub(crate) invariants: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;
