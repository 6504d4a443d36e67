//! The verbs of a person on duty, as their text and their JSON have it: vault, workers, buckets.

use crate::{fleet::Fleet, process::Variables};
use serde_json::{Value, json};
use std::{ffi::OsString, fs, time::Duration};

const NEW: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

/// Runs a verb to its end; returns its exit code, and what it printed on stdout and stderr.
pub(crate) async fn run(fleet: &Fleet, line: &str, variables: &Variables) -> (i32, String, String) {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let before = fleet.outputs();
    let mut process = fleet.start("verb", &arguments, variables);
    let ended = process.end_within(Duration::from_mins(1)).await;
    let code = ended.and_then(|status| status.code()).unwrap();
    let mut said = [String::new(), String::new()];
    for path in fleet
        .outputs()
        .keys()
        .filter(|path| !before.contains_key(*path))
    {
        let which = usize::from(path.extension().is_some_and(|end| end == "err"));
        said[which] = fs::read_to_string(path).unwrap();
    }
    let [out, err] = said;
    (code, out, err)
}

pub(crate) async fn json(fleet: &Fleet, line: &str, variables: &Variables) -> Value {
    let (code, out, err) = run(fleet, &format!("{line} --json"), variables).await;
    assert_eq!(code, 0, "{line}: {out}{err}");
    serde_json::from_str(&out).unwrap()
}

/// As the fleet's processes have it, with another list of master keys and no noise.
fn with_keys(fleet: &Fleet, keys: &str) -> Variables {
    let mut variables = quiet(fleet);
    variables.retain(|(name, _)| *name != "POSTRIDER_MASTER_KEY");
    variables.push(("POSTRIDER_MASTER_KEY", keys.into()));
    variables
}

pub(crate) fn quiet(fleet: &Fleet) -> Variables {
    let mut variables = fleet.variables();
    variables.retain(|(name, _)| *name != "POSTRIDER_LOG");
    variables
}

fn keys_of(variables: &Variables) -> String {
    let found = variables
        .iter()
        .find(|(name, _)| *name == "POSTRIDER_MASTER_KEY");
    found
        .map(|(_, keys): &(_, OsString)| keys.clone().into_string().unwrap())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn master_keys_are_rotated_and_shown() {
    let fleet = Fleet::open().await;
    let old = quiet(&fleet);
    let both = with_keys(&fleet, &format!("{NEW},{}", keys_of(&old)));
    let new = with_keys(&fleet, NEW);
    engine::check_canaries(&fleet.store, &fleet.vault)
        .await
        .unwrap();
    fleet.account("toy_blind", "ada").await;

    for (variables, word) in [(&old, "only one master key"), (&new, "not configured")] {
        let (code, out, err) = run(&fleet, "vault rotate", variables).await;
        assert_eq!((code, out.as_str()), (3, ""), "{err}");
        assert!(err.contains(word) && err.contains("remedy:"), "{err}");
    }
    let status = json(&fleet, "vault status", &both).await;
    let [k2, k1] = [&status["keys"][0], &status["keys"][1]];
    assert_eq!(
        (&k2["id"], &k2["state"], &k2["tokens"], &k2["firstSeenAt"]),
        (&json!("k2"), &json!("active"), &json!(0), &Value::Null)
    );
    assert_eq!(
        (&k1["id"], &k1["state"], &k1["tokens"]),
        (&json!("k1"), &json!("retired"), &json!(1))
    );
    let (code, out, _) = run(&fleet, "vault status", &new).await;
    assert_eq!(code, 0);
    assert!(out.contains("unknown") && out.contains("add it to POSTRIDER_MASTER_KEY"));
    let (code, out, _) = run(&fleet, "doctor", &new).await;
    assert_eq!(code, 1);
    assert!(out.contains("`k1` is missing"), "{out}");

    let (code, out, err) = run(&fleet, "vault rotate", &both).await;
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("rewrapped 1 of 1"), "{err}");
    assert!(out.contains("Rewrapped 1 sealed values under master key `k2`"));
    assert!(out.contains("`k1` any more; it may be dropped"), "{out}");
    assert_eq!(
        json(&fleet, "vault rotate", &both).await,
        json!({ "activeKey": "k2", "rewrapped": 0, "unopened": 0, "left": 0, "retiredKeys": ["k1"] })
    );
    let (code, out, _) = run(&fleet, "doctor", &new).await;
    assert_eq!(code, 0, "the new key is enough: {out}");
    assert!(out.contains("k2 (since"), "{out}");
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_listed_paused_and_resumed_and_workers_listed() {
    let fleet = Fleet::open().await;
    let variables = quiet(&fleet);
    let account = fleet.account("toy_blind", "ada").await;
    let (_, out, _) = run(&fleet, "workers", &variables).await;
    assert!(out.contains("postrider worker"), "{out}");
    let worker = fleet.worker(None);
    let mut workers = Value::Null;
    for _ in 0..200 {
        workers = json(&fleet, "workers", &variables).await;
        if workers["data"][0]["id"].is_string() {
            break;
        }
    }
    assert_eq!(workers["data"][0]["stopping"], false, "{workers}");
    assert_eq!(workers["data"][0]["running"], 0);
    let (_, out, _) = run(&fleet, "workers", &variables).await;
    assert!(out.contains("0 jobs") && out.lines().all(|line| line.chars().count() <= 80));
    worker.drain().await;

    let id = account.id;
    let first = json(&fleet, "buckets list --platform toy_blind", &variables).await;
    let bucket = &first["data"][0];
    assert_eq!(
        (&bucket["accountId"], &bucket["state"], &bucket["queued"]),
        (&json!(id), &json!("ready"), &json!(0))
    );
    let pause = format!("buckets pause {id} --as Ada --yes");
    assert_eq!(
        json(&fleet, &pause, &variables).await,
        json!({ "accountId": id, "platform": null, "paused": true, "by": "Ada" })
    );
    let (code, _, err) = run(&fleet, &pause, &variables).await;
    assert_eq!(code, 3);
    assert!(err.contains("paused already, by Ada"), "{err}");
    let (_, out, _) = run(&fleet, "buckets list --org Fleet", &variables).await;
    assert!(
        out.contains("paused: Ada") && out.contains(&id.to_string()),
        "{out}"
    );
    let resume = format!("buckets resume {id}");
    let (code, out, _) = run(&fleet, &resume, &variables).await;
    assert_eq!(code, 0);
    assert!(out.contains("Resumed account"), "{out}");
    assert_eq!(run(&fleet, &resume, &variables).await.0, 3);

    let (code, out, _) = run(
        &fleet,
        "buckets pause --platform toy_blind --yes",
        &variables,
    )
    .await;
    assert_eq!(code, 0);
    assert!(out.contains("Paused platform toy_blind"), "{out}");
    let resumed = json(&fleet, "buckets resume --platform toy_blind", &variables).await;
    assert_eq!(resumed["paused"], false);
    let (code, _, err) = run(&fleet, "buckets pause --platform lost --yes", &variables).await;
    assert_eq!(code, 1);
    assert!(err.contains("there is no platform lost"), "{err}");
    for wrong in [
        "buckets pause",
        "buckets pause 17",
        "vault rotate --batch 0",
    ] {
        assert_eq!(run(&fleet, wrong, &variables).await.0, 2, "{wrong}");
    }
    fleet.close().await;
}
