//! `postrider config`, and who wins over whom, in real processes: flags, variables, files on a disk.

use serde_json::Value;
use std::{fs, path::Path, process::Output};
use tempfile::TempDir;
use tokio::process::Command;

const URL: &str = "postgres://ada:hunter2@db.example/posts";
const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

async fn run(dir: &Path, line: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postrider"))
        .args(line.split_whitespace())
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(dir)
        .output()
        .await
        .unwrap()
}

async fn json(dir: &Path, line: &str, variables: &[(&str, &str)], code: i32) -> Value {
    let output = run(dir, &format!("{line} --json"), variables).await;
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Value and source of a setting.
fn setting<'a>(document: &'a Value, key: &str) -> (&'a str, &'a str) {
    let all = document["settings"].as_array().unwrap();
    let one = all.iter().find(|one| one["key"] == key).unwrap();
    (
        one["value"].as_str().unwrap(),
        one["source"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn a_named_file_wins_over_a_variables_and_that_over_the_one_that_lies_here() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    for (file, slots) in [
        ("postrider.toml", 1),
        ("variable.toml", 2),
        ("flag.toml", 3),
    ] {
        fs::write(dir.join(file), format!("[worker]\nslots = {slots}\n")).unwrap();
    }
    let secrets = [("DATABASE_URL", URL), ("POSTRIDER_MASTER_KEY", KEY)];
    let named = [
        secrets[0],
        secrets[1],
        ("POSTRIDER_CONFIG", "variable.toml"),
    ];
    let here = json(dir, "config check", &secrets, 0).await;
    assert_eq!(setting(&here, "worker.slots"), ("1", "postrider.toml:2:9"));
    assert_eq!(
        (&here["ok"], &here["file"]),
        (&true.into(), &"postrider.toml".into())
    );
    let variable = json(dir, "config check", &named, 0).await;
    assert_eq!(
        setting(&variable, "worker.slots"),
        ("2", "variable.toml:2:9")
    );
    let flag = json(dir, "config check --config flag.toml", &named, 0).await;
    assert_eq!(setting(&flag, "worker.slots"), ("3", "flag.toml:2:9"));

    let over = [named[0], named[1], named[2], ("POSTRIDER_SLOTS", "4")];
    let over = json(dir, "config check --config flag.toml --log debug", &over, 0).await;
    assert_eq!(setting(&over, "worker.slots"), ("4", "POSTRIDER_SLOTS"));
    assert_eq!(setting(&over, "log.levels"), ("debug", "--log"));
    assert_eq!(
        setting(&over, "database.url"),
        ("postgres://ada@db.example/posts", "DATABASE_URL")
    );
    assert!(!over.to_string().contains("hunter2"));
}

#[tokio::test]
async fn what_is_wrong_ends_with_2_and_every_verb_says_it() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let text = "[worker]\nslots = 0\n[database]\nurl = \"postgres://ada:hunter2@db/posts\"\nconections = 3\n";
    fs::write(dir.join("postrider.toml"), text).unwrap();
    let secrets = [("DATABASE_URL", URL), ("POSTRIDER_MASTER_KEY", KEY)];
    for verb in ["config check", "worker", "keys list"] {
        let output = run(dir, verb, &secrets).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{verb}: {said}");
        for problem in [
            "postrider.toml:2:9: worker.slots: 0 jobs is out of bounds: 1 to 1000 are allowed",
            "postrider.toml:4:1: database.url: a secret does not belong in this file",
            "postrider.toml:5:1: database.conections: there is no such key",
            "did you mean database.connections?",
        ] {
            assert!(said.contains(problem), "{verb}: {said}");
        }
        assert!(!said.contains("hunter2"), "{verb}: {said}");
    }
    let document = json(dir, "config check", &secrets, 2).await;
    assert_eq!(
        document["problems"].as_array().unwrap().len(),
        3,
        "{document}"
    );
    assert_eq!(document["ok"], false);
    assert!(!document.to_string().contains("hunter2"));

    for (line, rule) in [
        (
            "config check --config nowhere.toml",
            "nowhere.toml: it cannot be read",
        ),
        ("config check --config .", ".: it is a directory"),
    ] {
        let output = run(dir, line, &secrets).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains(rule), "{line}: {said}");
    }
}

#[tokio::test]
async fn the_example_is_a_file_that_can_be_used_as_it_is() {
    let dir = TempDir::new().unwrap();
    let dir = dir.path();
    let example = run(dir, "config example", &[]).await;
    assert_eq!(example.status.code(), Some(0), "{example:?}");
    fs::write(dir.join("postrider.toml"), &example.stdout).unwrap();
    let secrets = [("DATABASE_URL", URL), ("POSTRIDER_MASTER_KEY", KEY)];
    let document = json(dir, "config check", &secrets, 0).await;
    assert_eq!(setting(&document, "worker.slots"), ("64", "default"));
}
