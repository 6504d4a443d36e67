//! The demo's flow over HTTP, as `make demo` runs it: real processes, and a second run that reuses what is there.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use store::testing::TestDatabase;

/// Runs `postrider demo --once` in `dir`.
async fn demo(dir: &Path, database: &TestDatabase) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postrider"));
    command
        .args(["demo", "--once"])
        .current_dir(dir)
        .env_clear()
        .env("DATABASE_URL", &database.url)
        .stdin(std::process::Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn facts(dir: &Path) -> Value {
    let text = std::fs::read_to_string(dir.join(".postrider/demo.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What the demo said, and that it went well.
fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let said = String::from_utf8(both).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_publishes_an_immediate_and_a_scheduled_post_and_a_second_run_reuses_what_is_there()
 {
    let database = TestDatabase::create().await;
    let dir = tempfile::tempdir().unwrap();

    let first = said(&demo(dir.path(), &database).await);
    let facts_first = facts(dir.path());
    let second = said(&demo(dir.path(), &database).await);
    let facts_second = facts(dir.path());

    for said in [&first, &second] {
        assert_eq!(said.matches("✓ published ").count(), 2, "{said}");
        assert_eq!(said.matches("/app.bsky.feed.post/").count(), 2, "{said}");
        assert_eq!(said.matches("attempt 1: published").count(), 2, "{said}");
        assert_eq!(said.matches("✓ once: ").count(), 2, "{said}");
        assert!(said.contains("curl -s $BASE/v1/posts"), "{said}");
    }
    for name in ["base_url", "key", "account_id", "fake_url"] {
        let fact = facts_first[name].as_str().unwrap();
        assert!(!fact.is_empty(), "{name}");
        assert_eq!(fact, facts_second[name], "{name} of a second run");
    }
    assert_eq!(facts_first["pids"]["worker"].as_array().unwrap().len(), 2);
    assert!(facts_first["pids"]["api"].is_u64() && facts_first["pids"]["fake"].is_u64());
    assert_eq!(
        database
            .count("select count(*) from posts where status = 'published'")
            .await,
        4
    );
    assert_eq!(database.count("select count(*) from accounts").await, 1);
    assert_eq!(database.count("select count(*) from leases").await, 0);
    database.close_clean().await;
}
