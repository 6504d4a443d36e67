//! The command line: one variant per verb; a doc comment is its help text.
//!
//! This module knows words and shapes only. Environment and defaults are the configuration's, what a verb does is its
//! file's under `cmd/`.

mod operations;
mod values;

pub(crate) use self::operations::{
    BucketVerb, ListBuckets, PauseBucket, ResumeBucket, RotateKeys, VaultVerb, WhichBucket,
};

use self::values::{fake_account, instant, key_id, letter_id, name, post_id, reason};
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use publisher::id::{ApiKeyId, PostId};
use std::net::SocketAddr;
use uuid::Uuid;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong use, 3 refused in this state.
Configuration comes from the environment; `postrider doctor` lists every variable.";

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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run API and worker in one process; migrates at the start
    ///
    /// Waits for a database that is away; GET /ready says so. The first SIGTERM or SIGINT drains, the second ends at once.
    /// With --json, prints `{"listening": "<address>", "pid": n}` once it listens.
    Serve,
    /// Run the API alone; the schema must be there (postrider migrate)
    ///
    /// With --json, prints `{"listening": "<address>", "pid": n}` once it listens.
    Api,
    /// Run a worker alone; the schema must be there (postrider migrate)
    ///
    /// With --json, prints `{"worker": "<host>/<pid>", "pid": n}` once the database is ready.
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
    /// List, show, cancel, reschedule and retry posts
    #[command(subcommand)]
    Posts(Posts),
    /// List, show, redrive and discard what ended unpublished
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
    /// List, pause and resume what waits for an account or a platform
    #[command(subcommand)]
    Buckets(BucketVerb),
    /// Check configuration, database, schema, master keys, connectors and clock; changes nothing
    ///
    /// With --json, prints `{"ok", "checks": [{"name", "ok", "message", "remedy"}], "config": [{"variable", "value",
    /// "given"}]}`. Exits 1 if anything is wrong.
    Doctor(DoctorArgs),
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

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make an API key; it is shown this once
    ///
    /// With --json, prints `{"id", "organisation", "name", "key", "createdAt"}`.
    Create(CreateKey),
    /// List API keys, revoked ones included
    ///
    /// With --json, prints `{"data": [{"id", "organisation", "name", "prefix", "last4", "scopes", "profileId",
    /// "createdAt", "lastUsedAt", "expiresAt", "revokedAt"}]}`.
    List(ListKeys),
    /// Revoke an API key at once
    ///
    /// With --json, prints `{"id", "revokedAt"}`.
    Revoke(RevokeKey),
}

#[derive(Debug, Args)]
pub(crate) struct CreateKey {
    /// The organisation; made, with its Default profile, if there is none of this name
    #[arg(long, value_name = "NAME", value_parser = name::<200>)]
    pub(crate) org: String,
    /// What the key is called in lists
    #[arg(long, value_name = "NAME", default_value = "command line", value_parser = name::<100>)]
    pub(crate) name: String,
    /// Make a test key (lmp_test_…), which can read and is refused every write
    #[arg(long)]
    pub(crate) test: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListKeys {
    /// Only of this organisation: name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeKey {
    /// Its id, from `postrider keys list`
    #[arg(value_name = "KEY_ID", value_parser = key_id)]
    pub(crate) id: ApiKeyId,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Posts {
    /// List posts, newest first
    ///
    /// With --json, prints `{"data": [Post], "nextCursor": text or null}`; a Post is as `posts show` has it, without
    /// `attempts`.
    List(ListPosts),
    /// Show one post with its attempts
    ///
    /// With --json, prints a Post: `{"id", "batchId", "profileId", "account": {"id", "platformAccountId", "displayName",
    /// "handle"}, "platform", "status", "text", "media", "options", "metadata", "scheduledAt", "publishedAt", "uri", "cid", "url",
    /// "warnings", "error", "waiting": {"reason", "since", "until"} or null, "createdAt", "updatedAt", "attempts":
    /// [{"job", "claim", "startedAt", "endedAt", "outcome", "settlement", "class", "code", "message", "rule",
    /// "httpStatus", "platformResponse"}]}`.
    Show(ShowPost),
    /// Cancel a post that has not begun
    ///
    /// With --json, prints `{"id", "status"}`. Exits 3 if it has begun or ended.
    Cancel(CancelPost),
    /// Give a scheduled post that has not begun another time
    ///
    /// With --json, prints `{"id", "status", "scheduledAt"}`. Exits 3 if it has begun or ended, or if its time has come.
    Reschedule(ReschedulePost),
    /// Queue a failed, rejected or canceled post again
    ///
    /// What may be public already is looked for first. A canceled post keeps its time unless --at says another one. With
    /// --json, prints `{"id", "status", "scheduledAt"}`. Exits 3 in any other state.
    Retry(RetryPost),
}

#[derive(Debug, Args)]
pub(crate) struct CancelPost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    /// The organisation: name or id; without it all are asked
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ReschedulePost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    /// When it is to go, such as 2026-12-24T18:00:00Z
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub(crate) at: DateTime<Utc>,
    /// The organisation: name or id; without it all are asked
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RetryPost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    /// When it is to go, such as 2026-12-24T18:00:00Z; without it at once
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    pub(crate) at: Option<DateTime<Utc>>,
    /// Who is doing this, for the record; your user name unless said
    #[arg(long = "as", value_name = "NAME", value_parser = name::<200>)]
    pub(crate) by: Option<String>,
    /// The organisation: name or id; without it all are asked
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListPosts {
    /// The organisation: name or id; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Only with these statuses
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = STATUSES)]
    pub(crate) status: Vec<String>,
    /// Only for these platforms
    #[arg(long, value_name = "PLATFORM", value_delimiter = ',')]
    pub(crate) platform: Vec<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=200))]
    pub(crate) limit: i32,
    /// Where an earlier list said that it goes on
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

const STATUSES: [&str; 6] = [
    "queued",
    "publishing",
    "published",
    "rejected",
    "failed",
    "canceled",
];

#[derive(Debug, Args)]
pub(crate) struct ShowPost {
    /// Its id, from `postrider posts list`
    #[arg(value_name = "POST_ID", value_parser = post_id)]
    pub(crate) id: PostId,
    /// The organisation: name or id; without it all are asked
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetters {
    /// List dead letters, newest first
    ///
    /// With --json, prints `{"data": [Letter], "nextCursor": text or null}`; a Letter is as `dead-letters show` has it.
    List(ListLetters),
    /// Show one dead letter
    ///
    /// With --json, prints a Letter: `{"id", "organisationId", "job", "kind", "postId", "platform", "class",
    /// "fingerprint", "failure": {"class", "code", "message", …}, "failures", "looks", "claims", "sentAt", "stage",
    /// "generation", "createdAt", "resolvedAt", "resolvedBy", "resolvedHow", "resolvedNote", "text",
    /// "handle"}`.
    Show(ShowLetter),
    /// Send the post of a dead letter again
    ///
    /// A letter of class ambiguous may be public already; therefore the platform is asked first, and only what is not
    /// there is sent. With --json, prints `{"postId", "looksFirst"}`. Exits 3 if somebody has dealt with it already.
    Redrive(Redrive),
    /// Close a dead letter without sending anything
    ///
    /// Its post stays as it ended. With --json, prints a Letter. Exits 3 if somebody has dealt with it already.
    Discard(Discard),
}

#[derive(Debug, Args)]
pub(crate) struct ListLetters {
    /// Only of this organisation: name or id
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Only of this platform
    #[arg(long, value_name = "PLATFORM")]
    pub(crate) platform: Option<String>,
    /// Only of this class
    #[arg(long, value_name = "CLASS", value_parser = CLASSES)]
    pub(crate) class: Option<String>,
    /// Those that somebody has dealt with, too
    #[arg(long)]
    pub(crate) all: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i32).range(1..=200))]
    pub(crate) limit: i32,
    /// Where an earlier list said that it goes on
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

const CLASSES: [&str; 6] = [
    "rejected",
    "account_blocked",
    "exhausted",
    "expired",
    "ambiguous",
    "poison",
];

#[derive(Debug, Args)]
pub(crate) struct ShowLetter {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
}

#[derive(Debug, Args)]
pub(crate) struct Redrive {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
    /// Who is doing this, for the record; your user name unless said
    #[arg(long = "as", value_name = "NAME", value_parser = name::<200>)]
    pub(crate) by: Option<String>,
    /// Send an ambiguous one without asking the platform first: I have looked, and it is not there
    #[arg(long)]
    pub(crate) i_checked_it_is_absent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Discard {
    /// Its id, or its post's
    #[arg(value_name = "ID", value_parser = letter_id)]
    pub(crate) id: Uuid,
    /// Why nothing is to be sent; kept with the letter
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: String,
    /// Who is doing this, for the record; your user name unless said
    #[arg(long = "as", value_name = "NAME", value_parser = name::<200>)]
    pub(crate) by: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Fake {
    /// A fake Bluesky PDS
    Bluesky(FakeBluesky),
    /// The four toy platforms
    Toys(FakeToys),
}

#[derive(Debug, Args)]
pub(crate) struct FakeBluesky {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// An account, such as alice.test:aaaa-bbbb-cccc-dddd
    #[arg(long = "account", value_name = "HANDLE:PASSWORD", value_parser = fake_account)]
    pub(crate) accounts: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct FakeToys {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
}

#[cfg(test)]
mod tests;
