//! Dead letters from the command line: found by their filters, shown with all that happened, sent again, changed, closed.

use crate::desk::{ACCOUNT, AT, Desk, LETTER, POST, fits_80_columns};
use serde_json::{Value, json};

const OLD: &str = "01890000-0000-7000-8000-0000000000b1";

/// The ids that a list shows.
async fn listed(desk: &Desk, flags: &str) -> Vec<String> {
    let list = desk.json(&format!("dead-letters list {flags}")).await;
    let data = list["data"].as_array().unwrap();
    data.iter()
        .map(|letter| letter["id"].as_str().unwrap().to_owned())
        .collect()
}

/// A second letter: of another organisation, a week old, closed.
async fn add_an_old_one(desk: &Desk) {
    desk.database
        .execute(&format!(
            "insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures, looks,
                                       claim, exclusive, parts, generation, payload, created_at, resolved_at, resolved_by,
                                       resolved_how, resolved_note)
             select o.id, '{OLD}', gen_random_uuid(), 'publish', gen_random_uuid(), 'toy_blind', gen_random_uuid(), 'rejected',
                    'toy_blind:rejected:no', '{{}}', 0, 0, 1, false, 1, 0, '{{}}', now() - interval '7 days',
                    now() - interval '6 days', 'eve', 'discarded', 'spam' from organisations o where o.name = 'Other'"
        ))
        .await;
}

#[tokio::test]
async fn letters_are_found_by_each_filter() {
    let desk = Desk::open().await;
    desk.fail().await;
    add_an_old_one(&desk).await;
    let fingerprint = "--fingerprint bluesky:exhausted:platform_unavailable:503";
    let account = format!("--account {ACCOUNT}");
    let cases: [(&str, &[&str]); 14] = [
        ("", &[LETTER]),
        ("--all", &[LETTER, OLD]),
        ("--org Acme --all", &[LETTER]),
        ("--org other --all", &[OLD]),
        ("--org Other", &[]),
        ("--platform toy_blind --all", &[OLD]),
        ("--class exhausted", &[LETTER]),
        ("--class rejected", &[]),
        (fingerprint, &[LETTER]),
        (&account, &[LETTER]),
        ("--since 2h", &[LETTER]),
        ("--until 2h --all", &[OLD]),
        ("--since 30m --all", &[]),
        ("--since 2001-01-01T00:00:00+02:00 --until 1d --all", &[OLD]),
    ];
    for (flags, expected) in cases {
        assert_eq!(listed(&desk, flags).await, expected, "{flags}");
    }
    let first = desk.json("dead-letters list --all --limit 1").await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = listed(&desk, &format!("--all --cursor {cursor}")).await;
    assert_eq!(rest, [OLD]);
    let text = desk.text("dead-letters list --all", 0).await;
    fits_80_columns(&text);
    for words in [
        LETTER,
        "exhausted",
        "hello",
        "discarded by eve",
        "1 h ago",
        "Other",
    ] {
        assert_eq!(text.contains(words), words != "Other", "{words}: {text}");
    }
    let text = desk.text("dead-letters list --class poison", 0).await;
    assert!(text.contains("No such open dead letters; --all"), "{text}");
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_letter_is_shown_with_every_attempt_and_what_can_be_done() {
    let desk = Desk::open().await;
    desk.fail().await;
    let text = desk.text(&format!("dead-letters show {POST}"), 0).await;
    fits_80_columns(&text);
    for words in [
        "organisation  Acme",
        "account       bluesky, ",
        "text          hello",
        "counted       claims 9, failures 8",
        "ATTEMPTS (1), AND WHAT CAME OF THEM",
        "(1 h ago)  failed, then dead letter",
        "claim 9, 60000 ms: transient bluesky.put.http_503, HTTP 503",
        "answer: {\"error\":\"UpstreamFailure\"}",
        "dead letter, exhausted",
        "WHAT CAN BE DONE",
        &format!("postrider dead-letters edit {LETTER} --text TEXT"),
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let shown = desk.json(&format!("dead-letters show {LETTER}")).await;
    let attempt = &shown["attempts"][0];
    assert_eq!(
        (
            &attempt["claim"],
            &attempt["outcome"],
            &attempt["httpStatus"]
        ),
        (&json!(9), &json!("failed"), &json!(503))
    );
    assert_eq!(shown["organisation"]["name"], "Acme");
    assert_eq!(
        (&shown["account"]["id"], &shown["account"]["connected"]),
        (&json!(ACCOUNT), &json!(true))
    );
    assert_eq!(
        (
            &shown["history"][0]["id"],
            &shown["history"][0]["resolvedAt"]
        ),
        (&json!(LETTER), &Value::Null)
    );
    let post = desk.text(&format!("posts show {POST}"), 0).await;
    assert!(
        post.contains("ATTEMPTS (1)") && post.contains("dead letter, exhausted"),
        "{post}"
    );
    desk.database.close_clean().await;
}

#[tokio::test]
async fn what_is_another_organisations_is_not_found() {
    let desk = Desk::open().await;
    desk.fail().await;
    let before = desk.state().await;
    for line in [
        format!("dead-letters show {LETTER} --org Other"),
        format!("dead-letters redrive {LETTER} --org Other --yes"),
        format!("dead-letters edit {LETTER} --org Other --text x --yes"),
        format!("dead-letters discard {LETTER} --org Other --reason x --yes"),
        format!("posts show {POST} --org Other"),
        format!("posts retry {POST} --org Other --yes"),
        format!("posts edit {POST} --org Other --text x"),
        format!("posts cancel {POST} --org Other --yes"),
        format!("buckets show {ACCOUNT} --org Other"),
        format!("buckets pause {ACCOUNT} --org Other --yes"),
    ] {
        let said = desk.text(&line, 1).await;
        assert!(
            said.contains("there is no ") && said.contains("remedy:"),
            "{line}: {said}"
        );
        let words: Vec<&str> = line.split(' ').collect();
        desk.error(&words, 1).await;
    }
    assert_eq!(desk.state().await, before);
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_letter_is_sent_again_once_in_the_name_that_is_given() {
    let desk = Desk::open().await;
    desk.fail().await;
    let unasked = desk
        .text(&format!("dead-letters redrive {LETTER}"), 2)
        .await;
    assert!(
        unasked.contains("This sends 1 post again:") && unasked.contains("add --yes"),
        "{unasked}"
    );
    let sent = desk
        .json(&format!("dead-letters redrive {LETTER} --as ada --yes"))
        .await;
    assert_eq!(sent, json!({ "postId": POST, "looksFirst": false }));
    let again = desk
        .text(&format!("dead-letters redrive {POST} --yes"), 3)
        .await;
    assert!(again.contains("redriven by ada at "), "{again}");
    let shown = desk.text(&format!("dead-letters show {LETTER}"), 0).await;
    assert!(
        shown.contains("redriven by ada") && !shown.contains("WHAT CAN BE DONE"),
        "{shown}"
    );
    desk.database.close_clean().await;
}

#[tokio::test]
async fn what_may_be_public_is_looked_for_or_refused_with_the_reason() {
    let desk = Desk::open().await;
    desk.lose_track("bluesky").await;
    let shown = desk.text(&format!("dead-letters show {LETTER}"), 0).await;
    assert!(shown.contains("Let the platform be asked"), "{shown}");
    let edit = format!("dead-letters edit {LETTER} --text better --yes");
    let refused = desk.text(&edit, 3).await;
    assert!(
        refused.contains("may be public already as it was"),
        "{refused}"
    );
    let sent = desk
        .text(&format!("dead-letters redrive {LETTER} --yes"), 0)
        .await;
    assert!(sent.contains("the platform is asked first"), "{sent}");
    desk.database.close_clean().await;

    let desk = Desk::open().await;
    desk.lose_track("toy_blind").await;
    let shown = desk.text(&format!("dead-letters show {LETTER}"), 0).await;
    assert!(shown.contains("toy_blind cannot be asked."), "{shown}");
    let before = desk.state().await;
    for line in [
        format!("dead-letters redrive {LETTER} --yes"),
        format!("posts retry {POST} --yes"),
    ] {
        let refused = desk.text(&line, 3).await;
        assert!(
            refused.contains("toy_blind cannot be asked whether it is"),
            "{refused}"
        );
    }
    assert_eq!(desk.state().await, before);
    let blind = format!("dead-letters redrive {LETTER} --i-checked-it-is-absent --yes");
    let sent = desk.text(&blind, 0).await;
    assert!(sent.contains("it is there twice then"), "{sent}");
    let note = desk.json(&format!("dead-letters show {LETTER}")).await["resolvedNote"].clone();
    assert!(note.as_str().unwrap().contains("operator's word"), "{note}");
    desk.database
        .execute("update jobs set queue = 'bluesky'")
        .await;
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_letters_post_is_changed_and_sent_as_a_new_generation() {
    let desk = Desk::open().await;
    desk.fail().await;
    let file = desk.dir.path().join("text");
    std::fs::write(&file, "a better text\n").unwrap();
    let edit = format!(
        "dead-letters edit {LETTER} --text-file {} --at {AT} --as ada",
        file.display()
    );
    let unasked = desk.text(&edit, 2).await;
    assert!(
        unasked.contains("This changes 1 post and sends it:")
            && unasked.contains("text: hello -> a better text"),
        "{unasked}"
    );

    let sent = desk.json(&format!("{edit} --yes")).await;
    assert_eq!(
        sent,
        json!({ "postId": POST, "scheduledAt": "2999-06-01T00:00:00.000Z" })
    );

    let post = desk.json(&format!("posts show {POST}")).await;
    assert_eq!(
        (&post["status"], &post["text"], &post["error"]),
        (&json!("queued"), &json!("a better text"), &Value::Null)
    );
    let letter = desk.json(&format!("dead-letters show {LETTER}")).await;
    assert_eq!(
        (
            &letter["resolvedHow"],
            &letter["resolvedBy"],
            &letter["resolvedNote"]
        ),
        (
            &json!("redriven"),
            &json!("ada"),
            &json!("edited before it was sent again: text")
        )
    );
    let generation = "select generation::text from jobs";
    assert_eq!(desk.database.ask(generation).await.as_deref(), Some("1"));
    let again = desk.text(&format!("{edit} --yes"), 3).await;
    assert!(again.contains("redriven by ada"), "{again}");

    let edited = desk.json(&format!("posts edit {POST} --text third")).await;
    assert_eq!(
        (&edited["text"], &edited["status"]),
        (&json!("third"), &json!("queued"))
    );
    let edited = desk
        .text(&format!("posts edit {POST} --text fourth --at {AT}"), 0)
        .await;
    assert!(edited.contains("Changed; it goes 2999-06-01"), "{edited}");
    desk.database.close_clean().await;
}
