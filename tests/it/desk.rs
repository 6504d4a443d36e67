//! An operator's desk: a database with posts as they are stored, and the real program run against it.
//!
//! Nothing works here and no platform is reached: what the verbs say and write is all there is.

use serde_json::Value;
use std::process::Output;
use store::testing::TestDatabase;
use tokio::process::Command;

/// The post of Acme.
pub(crate) const POST: &str = "01890000-0000-7000-8000-000000000001";
/// The letter of that post, once it ended.
pub(crate) const LETTER: &str = "01890000-0000-7000-8000-000000000002";
/// The account of Acme.
pub(crate) const ACCOUNT: &str = "01890000-0000-7000-8000-00000000000a";
/// A time when everything here is to come.
pub(crate) const AT: &str = "2999-06-01T00:00:00Z";

const MASTER_KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) struct Desk {
    pub(crate) database: TestDatabase,
    pub(crate) dir: tempfile::TempDir,
}

impl Desk {
    /// A post of the year 2999, as it is stored, and an organisation `Other` that has nothing to do with it.
    pub(crate) async fn open() -> Self {
        let desk = Self {
            database: TestDatabase::create().await,
            dir: tempfile::tempdir().unwrap(),
        };
        for org in ["Acme", "Other"] {
            desk.text(&format!("keys create --org {org}"), 0).await;
        }
        for statement in [
            "insert into queues (name) values ('bluesky'), ('toy_blind') on conflict do nothing",
            "insert into accounts (org, id, profile, platform, platform_account_id, profile_data, scopes)
             select p.org, '01890000-0000-7000-8000-00000000000a', p.id, 'bluesky', 'did:plc:x', '{}', '{}'
               from profiles p join organisations o on o.id = p.org where o.name = 'Acme'",
            "insert into buckets (org, id, queue, kind, subject)
             select a.org, a.id, 'bluesky', 'account', a.id from accounts a",
            "insert into posts (org, id, batch, position, profile, account, platform, text, scheduled_at)
             select a.org, '01890000-0000-7000-8000-000000000001', gen_random_uuid(), 0, a.profile, a.id, 'bluesky', 'hello',
                    '2999-01-01' from accounts a",
            "insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive)
             select p.org, gen_random_uuid(), 'publish', 'bluesky', p.account, p.id, 1, p.scheduled_at,
                    p.scheduled_at + interval '1 day', true, false from posts p",
        ] {
            desk.database.execute(statement).await;
        }
        desk
    }

    /// Its post ended failed, after one attempt.
    pub(crate) async fn fail(&self) {
        self.end("failed", "exhausted", "null", "bluesky").await;
    }

    /// Its post may be public: nobody knows. The letter is of that platform's queue.
    pub(crate) async fn lose_track(&self, platform: &str) {
        self.end(
            "failed",
            "ambiguous",
            "now() - interval '2 hours'",
            platform,
        )
        .await;
    }

    async fn end(&self, status: &str, class: &str, sent_at: &str, queue: &str) {
        for statement in [
            "delete from jobs".to_owned(),
            format!("update posts set status = '{status}', scheduled_at = null"),
            format!(
                "insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures,
                                           looks, claim, exclusive, parts, generation, payload, sent_at, created_at)
                 select p.org, '{LETTER}', gen_random_uuid(), 'publish', p.id, '{queue}', p.account, '{class}',
                        '{queue}:{class}:platform_unavailable:503',
                        '{{\"class\": \"transient\", \"code\": \"bluesky.put.http_503\", \"message\": \"it is down\"}}', 8, 0, 9,
                        false, 1, 0, '{{}}', {sent_at}, now() - interval '1 hour' from posts p"
            ),
            "insert into attempts (org, job, claim, kind, subject, queue, started_at, ended_at, outcome, settlement, class, code,
                                   message, http_status, platform_response)
             select d.org, d.job, 9, 'publish', d.subject, d.queue, now() - interval '61 minutes',
                    now() - interval '60 minutes', 'failed', 'dead_letter', 'transient', 'bluesky.put.http_503',
                    'it is down, and has been for so long that a line of eighty columns cannot hold all of it', 503,
                    '{\"error\": \"UpstreamFailure\"}' from dead_letters d"
                .to_owned(),
        ] {
            self.database.execute(&statement).await;
        }
    }

    /// What would run, with these words and nothing of the test's own environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
        command
            .args(words)
            .env_clear()
            .env("DATABASE_URL", &self.database.url)
            .env("POSTRIDER_DATA_DIR", self.dir.path())
            .env("POSTRIDER_MASTER_KEY", MASTER_KEY)
            .env("POSTRIDER_TOYS_URL", "http://127.0.0.1:9/")
            .current_dir(self.dir.path());
        command
    }

    pub(crate) async fn call(&self, words: &[&str]) -> Output {
        self.command(words).output().await.unwrap()
    }

    /// What a line of words without spaces in them printed, on both its outputs, after it ended with this code.
    pub(crate) async fn text(&self, line: &str, code: i32) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = self.call(&words).await;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }

    /// The document that a line printed.
    pub(crate) async fn json(&self, line: &str) -> Value {
        let words: Vec<&str> = line.split_whitespace().chain(["--json"]).collect();
        let output = self.call(&words).await;
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The error document of words that end with this code and print nothing else.
    pub(crate) async fn error(&self, words: &[&str], code: i32) -> Value {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let output = self.call(&words).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}: {output:?}");
        let document: Value = serde_json::from_str(&said)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"));
        let error = document["error"].clone();
        assert_eq!(error["exit"], code, "{words:?}: {said}");
        for word in ["message", "remedy"] {
            let told = error[word].as_str().is_some_and(|told| !told.is_empty());
            assert!(told, "{words:?} has no {word}: {said}");
        }
        error
    }

    /// Everything that a verb could have changed, as one word.
    pub(crate) async fn state(&self) -> String {
        let mut state = Vec::new();
        for table in [
            "posts",
            "jobs",
            "dead_letters",
            "post_media",
            "events",
            "buckets",
            "queues",
            "accounts",
        ] {
            let rows = format!(
                "select coalesce(md5(string_agg(t::text, ',' order by t::text)), 'none') from {table} t"
            );
            state.extend(self.database.ask(&rows).await);
        }
        let keys = "select count(*)::text || ' ' || count(revoked_at)::text from api_keys";
        state.extend(self.database.ask(keys).await);
        state.join(" ")
    }
}

/// Asserts that no line is wider than a terminal of 80 columns, but for words that cannot be broken.
#[track_caller]
pub(crate) fn fits_80_columns(text: &str) {
    for line in text.lines() {
        let is_command = line.trim_start().starts_with("postrider ");
        let is_word = !line.trim().contains(' ');
        assert!(
            line.chars().count() <= 80 || is_command || is_word,
            "wider than 80 columns: {line}\n{text}"
        );
    }
}
