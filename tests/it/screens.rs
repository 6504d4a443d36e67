//! What the verbs that look at things print, as text for 80 columns and as JSON.

use crate::desk::{ACCOUNT, Desk, POST, fits_80_columns};
use serde_json::{Value, json};

/// Runs a line, and asserts that it fits and says these words.
async fn shows(desk: &Desk, line: &str, words: &[&str]) -> String {
    let text = desk.text(line, 0).await;
    fits_80_columns(&text);
    for word in words {
        assert!(text.contains(word), "{line} lacks {word}: {text}");
    }
    text
}

#[tokio::test]
async fn posts_are_listed_and_shown() {
    let desk = Desk::open().await;
    let words = [
        POST,
        "hello",
        "bluesky did:plc:x",
        "queued:",
        "not_due",
        "ACCOUNT, STATUS",
    ];
    shows(&desk, "posts list --org Acme", &words).await;
    let several = desk.text("posts list", 2).await;
    assert!(
        several.contains("there are several organisations"),
        "{several}"
    );
    assert!(several.contains("name one with --org: "), "{several}");
    let empty = desk.text("posts list --org Other", 0).await;
    assert!(empty.contains("No such posts."), "{empty}");
    let words = [
        "waits for  not_due, until 2999-01-01 00:00:00Z",
        "account    did:plc:x",
        "No attempts yet.",
    ];
    shows(&desk, &format!("posts show {POST}"), &words).await;

    let list = desk.json("posts list --org Acme").await;
    let post = &list["data"][0];
    assert_eq!(
        (&post["id"], &post["status"], &post["waiting"]["reason"]),
        (&json!(POST), &json!("queued"), &json!("not_due"))
    );
    assert_eq!(list["nextCursor"], Value::Null);
    let shown = desk.json(&format!("posts show {POST}")).await;
    assert_eq!(
        (&shown["text"], &shown["attempts"]),
        (&json!("hello"), &json!([]))
    );
    desk.database.close_clean().await;
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked() {
    let desk = Desk::open().await;
    let made = desk.json("keys create --org Acme --name robot").await;
    let id = made["id"].as_str().unwrap();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("lmp_live_"), "{made}");
    let text = shows(&desk, "keys list --org Acme", &[id, "robot", "never used"]).await;
    assert!(!text.contains(key));
    let listed = desk.json("keys list --org Acme").await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);

    let foreign = desk
        .text(&format!("keys revoke {id} --org Other --yes"), 1)
        .await;
    assert!(foreign.contains("there is no key"), "{foreign}");
    let unasked = desk.text(&format!("keys revoke {id}"), 2).await;
    assert!(
        unasked.contains("This revokes 1 key:\n  robot of Acme, lmp_live_…")
            && unasked.contains("cannot be taken back"),
        "{unasked}"
    );
    let revoked = desk.json(&format!("keys revoke {id} --yes")).await;
    assert!(
        revoked["id"] == id && revoked["revokedAt"].is_string(),
        "{revoked}"
    );
    let again = desk.text(&format!("keys revoke {id}"), 3).await;
    assert!(again.contains("was revoked already"), "{again}");
    shows(&desk, "keys list", &["revoked"]).await;
    desk.database.close_clean().await;
}

/// Its post is due for five minutes, and two of two posts of a day are used.
async fn use_up(desk: &Desk) {
    for statement in [
        "update jobs set run_at = now() - interval '5 minutes'",
        "insert into limits (org, queue, scope, owner, name, meter, kind, counts, max_units, units, window_ms)
         values ('00000000-0000-0000-0000-000000000000', 'bluesky', 'account', '00000000-0000-0000-0000-000000000000',
                 'posts_per_day', 'posts', 'window', 'posts', 2, 1, 86400000)",
        "insert into charges (org, owner, meter, job, claim, counts, units, at)
         select org, id, 'posts', gen_random_uuid(), 1, 'posts', 2, now() - interval '1 hour' from buckets",
    ] {
        desk.database.execute(statement).await;
    }
}

#[tokio::test]
async fn a_bucket_says_what_waits_in_it_and_what_keeps_it_closed() {
    let desk = Desk::open().await;
    let show = format!("buckets show {ACCOUNT}");
    let words = [
        "IT IS OPEN",
        "Nothing is due now.",
        "later         1, the next 2999-01-01",
        POST,
    ];
    shows(&desk, &show, &words).await;
    use_up(&desk).await;
    let words = [
        "No worker serves bluesky: postrider worker",
        "due           1, the first since",
        "(5 min ago)",
    ];
    shows(&desk, &show, &words).await;

    for (change, words) in [
        (
            "limited_by = 'posts_per_day', ready_at = now() + interval '23 hours'",
            "the limit posts_per_day is used up: 2 of 2 posts in any 24 h",
        ),
        (
            "limited_by = null, blocked_until = now() + interval '90 minutes', blocked_by = 'rate_limited'",
            "bluesky closed the account: rate_limited until",
        ),
        (
            "blocked_until = '-infinity', paused = true, paused_by = 'ada', ready_at = 'infinity'",
            "the account was paused by ada",
        ),
    ] {
        let change = format!("update buckets set {change}");
        desk.database.execute(&change).await;
        shows(&desk, &show, &["IT IS CLOSED", words, "remedy: "]).await;
    }
    let told = desk.json(&show).await;
    assert_eq!(
        (
            &told["state"],
            &told["due"],
            &told["workers"],
            &told["queued"]
        ),
        (&json!("paused"), &json!(1), &json!(0), &json!(1))
    );
    let resume = format!("postrider buckets resume {ACCOUNT}");
    assert_eq!(
        (&told["closed"][0]["by"], &told["closed"][0]["remedy"]),
        (&json!("person"), &json!(resume))
    );
    let limit = &told["limits"][0];
    assert_eq!(
        (
            &limit["name"],
            &limit["max"],
            &limit["used"],
            &limit["reserved"]
        ),
        (&json!("posts_per_day"), &json!(2), &json!(2), &json!(0))
    );
    assert!(
        limit["freesAt"].is_string() && told["posts"][0]["id"] == POST,
        "{told}"
    );
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_pause_says_what_it_stops() {
    let desk = Desk::open().await;
    let pause = format!("buckets pause {ACCOUNT} --as ada");
    let unasked = desk.text(&pause, 2).await;
    assert!(unasked.contains("This pauses 1 account:"), "{unasked}");
    desk.text(&format!("{pause} --yes"), 0).await;
    let already = desk.text(&format!("{pause} --yes"), 3).await;
    assert!(already.contains("paused already, by ada"), "{already}");
    desk.text(&format!("buckets resume {ACCOUNT}"), 0).await;
    let unasked = desk.text("buckets pause --platform bluesky", 2).await;
    assert!(
        unasked.contains("This pauses bluesky with its 1 account:")
            && unasked.contains("1 queued, 0 running"),
        "{unasked}"
    );
    desk.database.close_clean().await;
}

#[tokio::test]
async fn the_installation_is_looked_at() {
    let desk = Desk::open().await;
    let workers = desk.text("workers", 0).await;
    assert!(
        workers.contains("No worker is known; start one: postrider worker"),
        "{workers}"
    );
    assert_eq!(desk.json("workers").await, json!({ "data": [] }));
    desk.database
        .execute(
            "insert into workers (id, name, version, queues) values (gen_random_uuid(), 'host/1', '0.1.0', '{bluesky}')",
        )
        .await;
    shows(&desk, "workers", &["host/1", "0.1.0", "bluesky", "0 jobs"]).await;
    shows(&desk, "buckets list", &[ACCOUNT, "ready", "1 queued"]).await;
    shows(&desk, "vault status", &["KEY", "k1", "active"]).await;
    let doctor = shows(
        &desk,
        "doctor --invariants",
        &["all hold", "connectors", "vault.master_key = k1 (hidden)"],
    )
    .await;
    assert!(!doctor.contains("AAECAw"), "{doctor}");
    let report = desk.json("doctor --invariants").await;
    assert_eq!(report["ok"], true, "{report}");
    let migrated = desk.json("migrate").await;
    assert_eq!(migrated, json!({ "applied": 0 }));
    desk.database.close_clean().await;
}

#[tokio::test]
async fn shells_get_their_completions() {
    let desk = Desk::open().await;
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef postrider"),
        ("fish", "complete -c postrider"),
    ] {
        let script = desk.text(&format!("completions {shell}"), 0).await;
        assert!(
            script.contains(word) && script.contains("dead-letters"),
            "{shell}"
        );
        let told = desk.json(&format!("completions {shell}")).await;
        assert_eq!(told["shell"], shell);
    }
    desk.database.close_clean().await;
}
