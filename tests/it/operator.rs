//! What operators do to posts and letters through the command line: its text, its JSON, its exit codes.

use serde_json::Value;
use std::{path::Path, process::Output};
use store::testing::TestDatabase;
use tokio::process::Command;

const POST: &str = "01890000-0000-7000-8000-000000000001";
const LETTER: &str = "01890000-0000-7000-8000-000000000002";
const AT: &str = "2999-06-01T00:00:00Z";

struct Desk {
    database: TestDatabase,
    dir: tempfile::TempDir,
}

impl Desk {
    /// A post of the year 2999, as it is stored.
    async fn open() -> Self {
        let desk = Self {
            database: TestDatabase::create().await,
            dir: tempfile::tempdir().unwrap(),
        };
        let made = desk.run("keys create --org Acme").await;
        assert!(made.status.success(), "{made:?}");
        for statement in [
            "insert into queues (name) values ('bluesky') on conflict do nothing",
            "insert into accounts (org, id, profile, platform, platform_account_id, profile_data, scopes, sealed_tokens)
             select p.org, p.id, p.id, 'bluesky', 'did:plc:x', '{}', '{}', 'sealed' from profiles p",
            "insert into buckets (org, id, queue, kind, subject)
             select a.org, a.id, 'bluesky', 'account', a.id from accounts a",
            "insert into posts (org, id, batch, position, profile, account, platform, text, scheduled_at)
             select a.org, '01890000-0000-7000-8000-000000000001', gen_random_uuid(), 0, a.id, a.id, 'bluesky', 'hello',
                    '2999-01-01' from accounts a",
            "insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive)
             select p.org, gen_random_uuid(), 'publish', 'bluesky', p.account, p.id, 1, p.scheduled_at,
                    p.scheduled_at + interval '1 day', true, false from posts p",
        ] {
            desk.database.execute(statement).await;
        }
        desk
    }

    /// Its post ended failed.
    async fn fail(&self) {
        for statement in [
            "delete from jobs",
            "update posts set status = 'failed'",
            "insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures,
                                       looks, claim, exclusive, parts, generation, payload)
             select p.org, '01890000-0000-7000-8000-000000000002', gen_random_uuid(), 'publish', p.id, 'bluesky', p.account,
                    'exhausted', 'f', '{}', 8, 0, 9, false, 1, 0, '{}' from posts p",
        ] {
            self.database.execute(statement).await;
        }
    }

    async fn run(&self, line: &str) -> Output {
        postrider(line, &self.database.url, self.dir.path()).await
    }

    /// What a verb printed, after it ended with this code.
    async fn text(&self, line: &str, code: i32) -> String {
        let output = self.run(line).await;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
        said
    }

    async fn json(&self, line: &str) -> Value {
        let output = self.run(&format!("{line} --json")).await;
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

async fn postrider(line: &str, url: &str, dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postrider"))
        .args(line.split_whitespace())
        .env_clear()
        .env("DATABASE_URL", url)
        .env("POSTRIDER_DATA_DIR", dir)
        .current_dir(dir)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_post_is_rescheduled_canceled_and_retried_from_the_command_line() {
    let desk = Desk::open().await;
    let moved = desk
        .json(&format!("posts reschedule {POST} --at {AT}"))
        .await;
    assert_eq!(
        (&moved["id"], &moved["status"]),
        (&POST.into(), &"queued".into())
    );
    assert!(
        moved["scheduledAt"]
            .as_str()
            .unwrap()
            .starts_with("2999-06-01")
    );
    let past = format!("posts reschedule {POST} --at 2001-01-01T00:00:00Z");
    assert!(desk.text(&past, 2).await.contains("choose a later instant"));

    let unasked = desk.text(&format!("posts cancel {POST}"), 2).await;
    assert!(
        unasked.contains("This cancels 1 post:")
            && unasked.contains("bluesky of did:plc:x: hello")
            && unasked.contains("add --yes"),
        "{unasked}"
    );
    let canceled = desk.text(&format!("posts cancel {POST} --yes"), 0).await;
    assert!(canceled.contains("Canceled."), "{canceled}");
    let again = desk.text(&format!("posts cancel {POST}"), 3).await;
    assert!(again.contains("this one is canceled"), "{again}");
    desk.text(&format!("posts reschedule {POST} --at {AT}"), 3)
        .await;

    let queued = desk.json(&format!("posts retry {POST} --yes")).await;
    assert_eq!(queued["status"], "queued");
    assert!(
        queued["scheduledAt"]
            .as_str()
            .unwrap()
            .starts_with("2999-06-01")
    );
    let again = desk.text(&format!("posts retry {POST}"), 3).await;
    assert!(again.contains("this one is queued"), "{again}");
    desk.text(&format!("posts cancel {LETTER}"), 1).await;
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_letter_is_discarded_with_a_reason_and_only_once() {
    let desk = Desk::open().await;
    desk.fail().await;
    desk.text(&format!("dead-letters discard {LETTER}"), 2)
        .await;

    let done = desk
        .text(
            &format!("dead-letters discard {POST} --reason typo --as ada --yes"),
            0,
        )
        .await;
    assert!(
        done.contains("This discards 1 dead letter:\n  exhausted of bluesky: hello"),
        "{done}"
    );

    let letter = desk.json(&format!("dead-letters show {LETTER}")).await;
    assert_eq!(
        (
            &letter["resolvedHow"],
            &letter["resolvedBy"],
            &letter["resolvedNote"]
        ),
        (&"discarded".into(), &"ada".into(), &"typo".into())
    );
    let again = format!("dead-letters discard {LETTER} --reason typo");
    assert!(desk.text(&again, 3).await.contains("discarded by ada"));
    let retried = desk.text(&format!("posts retry {POST} --yes"), 3).await;
    assert!(retried.contains("discarded"), "{retried}");
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_failed_post_is_retried_in_the_name_that_is_given() {
    let desk = Desk::open().await;
    desk.fail().await;
    let queued = desk
        .json(&format!("posts retry {POST} --at {AT} --as ada --yes"))
        .await;
    assert!(
        queued["scheduledAt"]
            .as_str()
            .unwrap()
            .starts_with("2999-06-01")
    );
    let letter = desk.json(&format!("dead-letters show {LETTER}")).await;
    assert_eq!(
        (&letter["resolvedHow"], &letter["resolvedBy"]),
        (&"redriven".into(), &"ada".into())
    );
    desk.database.close_clean().await;
}
