//! Bad input on the command line: each names what is wrong and what to do, in text and in JSON, and nothing is half-written.

use crate::desk::{ACCOUNT, Desk, LETTER, POST};
use std::fs;

const NOBODY: &str = "01890000-0000-7000-8000-0000000000ff";

/// Runs each line in both forms; `words` stand in what it says, on one line.
async fn refuses(desk: &Desk, cases: &[(&str, i32, &[&str])]) {
    let before = desk.state().await;
    for (line, code, words) in cases {
        let said = desk.text(line, *code).await;
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let error = desk.error(&arguments, *code).await.to_string();
        for word in *words {
            assert!(said.contains(word), "{line} lacks {word}: {said}");
            assert!(error.contains(word), "{line} lacks {word} in JSON: {error}");
        }
    }
    assert_eq!(desk.state().await, before, "something was written");
}

/// A line of the command line, its exit code, and what it must say.
type Case = (String, i32, Vec<&'static str>);

async fn refuses_all(desk: &Desk, cases: &[Case]) {
    let cases: Vec<(&str, i32, &[&str])> = cases
        .iter()
        .map(|(line, code, words)| (line.as_str(), *code, words.as_slice()))
        .collect();
    refuses(desk, &cases).await;
}

fn case(line: String, code: i32, words: &[&'static str]) -> Case {
    (line, code, words.to_vec())
}

#[tokio::test]
async fn ids_that_cannot_be_or_are_nobodys_are_refused() {
    let desk = Desk::open().await;
    let posts = ["posts show", "posts cancel --yes", "posts retry --yes"];
    let letters = [
        "dead-letters show",
        "dead-letters redrive --yes",
        "dead-letters discard --reason x --yes",
    ];
    let buckets = ["buckets show", "buckets pause --yes", "buckets resume"];
    let kinds = [
        (
            posts,
            "no post id",
            "postrider posts list",
            "there is no post",
        ),
        (
            letters,
            "no id",
            "postrider dead-letters list",
            "there is no dead letter",
        ),
        (
            buckets,
            "no account id",
            "postrider accounts list",
            "there is no account",
        ),
    ];
    let mut cases = Vec::new();
    for (verbs, malformed, list, unknown) in kinds {
        for verb in verbs {
            cases.push(case(format!("{verb} 17"), 2, &[malformed, list]));
            cases.push(case(format!("{verb} {NOBODY}"), 1, &[unknown, NOBODY]));
        }
    }
    cases.push(case(
        "keys revoke lmp_live_x".to_owned(),
        2,
        &["not the key itself"],
    ));
    let nobodys = format!("keys revoke --yes {NOBODY}");
    cases.push(case(nobodys, 1, &["there is no key", NOBODY]));
    refuses_all(&desk, &cases).await;
    desk.database.close_clean().await;
}

#[tokio::test]
async fn times_that_cannot_be_are_refused() {
    let desk = Desk::open().await;
    let mut cases = Vec::new();
    for at in ["2001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"] {
        let words = ["one second in the future", "a later instant"];
        cases.push(case(
            format!("posts reschedule {POST} --at {at}"),
            2,
            &words,
        ));
        cases.push(case(
            format!("posts edit {POST} --text x --at {at}"),
            2,
            &words,
        ));
    }
    for at in [
        "2999-01-01T00:00:00",
        "tomorrow",
        "2999-02-30T00:00:00Z",
        "2999-01-01T25:61:00Z",
        "+12999-01-01T00:00:00Z",
        "1h",
    ] {
        let words = ["write it with its zone"];
        cases.push(case(
            format!("posts reschedule {POST} --at {at}"),
            2,
            &words,
        ));
        cases.push(case(
            format!("posts retry {POST} --yes --at {at}"),
            2,
            &words,
        ));
    }
    for since in [
        "yesterday",
        "2h30m",
        "-5m",
        "99999999w",
        "2001-01-01",
        "h",
        "5y",
    ] {
        let line = format!("dead-letters list --since={since}");
        cases.push(case(line, 2, &["neither an instant", "2h"]));
    }
    refuses_all(&desk, &cases).await;
    desk.database.close_clean().await;
}

#[tokio::test]
async fn lists_refuse_what_they_cannot_filter_by() {
    let desk = Desk::open().await;
    let mut cases = Vec::new();
    for verb in ["posts list", "dead-letters list", "buckets list"] {
        for (flags, words) in [
            ("--limit 0", "1..=200"),
            ("--limit 201", "1..=200"),
            ("--limit many", "invalid digit"),
            ("--cursor !!", "is no cursor"),
            ("--cursor bm9uc2Vuc2U", "is no cursor"),
            ("--platform myspace", "there is no platform `myspace`"),
        ] {
            cases.push(case(format!("{verb} --org Acme {flags}"), 2, &[words]));
        }
        let nobody = format!("{verb} --org Nowhere");
        cases.push(case(nobody, 1, &["there is no organisation `Nowhere`"]));
    }
    refuses_all(&desk, &cases).await;
    desk.database.close_clean().await;
}

fn file(desk: &Desk, name: &str, bytes: &[u8]) -> String {
    let path = desk.dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn texts_that_are_none_are_refused() {
    let desk = Desk::open().await;
    desk.fail().await;
    let files: [(&str, &[u8], &[&'static str]); 6] = [
        (
            "long",
            &"é".repeat(301).into_bytes(),
            &["bluesky.text.max_graphemes", "301", "300"],
        ),
        ("white", b" \t \n \n", &["bluesky.text.non_empty"]),
        ("huge", &vec![b'a'; (1 << 20) + 2], &["more than a MiB"]),
        ("nul", b"a\0b", &["NUL character"]),
        (
            "latin",
            b"caf\xe9",
            &["not UTF-8 from byte 3 on", "UTF-8 text"],
        ),
        ("empty", b"", &["is empty", "at least one character"]),
    ];
    let edit = |words: String| format!("dead-letters edit {LETTER} --yes {words}");
    let mut cases: Vec<Case> = files
        .into_iter()
        .map(|(name, bytes, words)| {
            let path = file(&desk, name, bytes);
            case(edit(format!("--text-file {path}")), 2, words)
        })
        .collect();
    for (words, said) in [
        ("", "--text"),
        ("--at 2999-01-01T00:00:00Z", "--text"),
        ("--text=", "at least one character"),
        (
            "--text x --at 2001-01-01T00:00:00Z",
            "one second in the future",
        ),
        ("--text x --text-file y", "cannot be used with"),
        ("--text-file /nowhere/text", "cannot be read"),
        ("--media med_1", "no media id"),
        (
            "--media=med_0000000000000000000000 --no-media",
            "cannot be used with",
        ),
    ] {
        cases.push(case(edit(words.to_owned()), 2, &[said]));
    }
    let long = "x".repeat(1001);
    for reason in ["", long.as_str()] {
        let line = format!("dead-letters discard {LETTER} --yes --reason={reason}");
        cases.push(case(line, 2, &["1 to 1000"]));
    }
    refuses_all(&desk, &cases).await;
    desk.database.close_clean().await;
}

#[tokio::test]
async fn all_broken_rules_are_named_at_once() {
    let desk = Desk::open().await;
    desk.fail().await;
    let before = desk.state().await;
    let long = "x".repeat(301);
    let unknown = "med_0000000000000000000000=a dot";
    let words = [
        "dead-letters",
        "edit",
        LETTER,
        "--yes",
        "--text",
        &long,
        "--media",
        unknown,
    ];

    let error = desk.error(&words, 2).await;

    assert!(
        error["message"].as_str().unwrap().contains("2 rules"),
        "{error}"
    );
    let violations = error["violations"].as_array().unwrap();
    let rules: Vec<&str> = violations
        .iter()
        .map(|one| one["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["media.unknown", "bluesky.text.max_graphemes"]);
    for violation in violations {
        for field in ["path", "message", "remediation"] {
            assert!(violation[field].is_string(), "{field}: {violation}");
        }
    }
    assert_eq!(desk.state().await, before);
    desk.database.close_clean().await;
}

#[tokio::test]
async fn wrong_words_are_told_with_the_right_ones() {
    let desk = Desk::open().await;
    let cases: [(&str, i32, &[&str]); 9] = [
        ("nonsense", 2, &["unrecognized subcommand 'nonsense'"]),
        ("posts lits", 2, &["'lits'", "'list'"]),
        (
            "posts list --colour",
            2,
            &["unexpected argument '--colour'"],
        ),
        ("posts list --status lost", 2, &["'lost'", "queued"]),
        ("dead-letters list --class mad", 2, &["'mad'", "ambiguous"]),
        ("dead-letters discard", 2, &["--reason <TEXT>"]),
        ("buckets pause", 2, &["ACCOUNT_ID"]),
        ("completions tcsh", 2, &["'tcsh'", "bash", "zsh", "fish"]),
        ("vault rotate --batch 0", 2, &["1..=1000"]),
    ];
    refuses(&desk, &cases).await;
    let pause = format!("buckets pause {ACCOUNT} --as=");
    refuses(&desk, &[(&pause, 2, &["1 to 200 characters"])]).await;
    desk.database.close_clean().await;
}
