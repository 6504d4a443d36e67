//! Options: what is read, and every complaint with its path.

use super::*;
use proptest::prelude::*;

fn cid() -> String {
    format!("bafyrei{}", "a".repeat(52))
}

fn post_uri(key: &str) -> String {
    format!("at://did:plc:ada7nxzyoun6zhxrhs64oiz1/app.bsky.feed.post/{key}")
}

/// Rule and path of every violation.
fn broken(options: &Value) -> Vec<(String, String)> {
    let (_, report) = Options::read(options);
    let found = report.violations.into_iter();
    found.map(|one| (one.rule, one.path)).collect()
}

fn one(rule: &str, path: &str) -> Vec<(String, String)> {
    vec![(rule.to_owned(), path.to_owned())]
}

#[test]
fn everything_that_is_asked_for_is_read() {
    let options = json!({
        "platform": "bluesky", "langs": ["DE", "pt-BR"], "labels": ["nudity", "nudity", "!no-unauthenticated"],
        "replyToUri": post_uri("3p"), "replyToCid": cid(), "replyRootUri": post_uri("3r"), "replyRootCid": cid(),
        "quoteUri": post_uri("3q"), "quoteCid": cid(), "quotesDisabled": true,
        "link": { "url": "https://example.com/a?b=c", "title": "A", "thumbMediaId": "med_t" },
        "thread": [{ "text": "two" }, { "text": "", "media": [{ "kind": "image", "mediaId": "med_1", "altText": "alt" }] }],
    });
    let (read, report) = Options::read(&options);
    assert_eq!(report, Report::default());
    assert_eq!(read.langs, ["de", "pt-BR"]);
    assert_eq!(read.labels, ["nudity", "!no-unauthenticated"]);
    let reference = |key: &str| StrongRef {
        uri: post_uri(key),
        cid: cid(),
    };
    assert_eq!(
        read.reply,
        Some(ReplyTo {
            parent: reference("3p"),
            root: Some(reference("3r"))
        })
    );
    assert_eq!(
        (read.quote, read.quotes_disabled),
        (Some(reference("3q")), true)
    );
    let link = read.link.clone().unwrap();
    assert_eq!(
        (link.url.as_str(), link.title.as_deref()),
        ("https://example.com/a?b=c", Some("A"))
    );
    assert_eq!(
        (link.description, link.thumb.as_deref()),
        (None, Some("med_t"))
    );
    assert_eq!(read.thread.len(), 2);
    assert_eq!(read.thread[1].media[0].alt_text.as_deref(), Some("alt"));
    let (read, _) = Options::read(&options);
    let named: Vec<_> = read
        .media()
        .into_iter()
        .map(|one| (one.path, one.id))
        .collect();
    assert_eq!(
        named,
        [
            ("options.link.thumbMediaId".to_owned(), "med_t".to_owned()),
            (
                "options.thread.1.media.0.mediaId".to_owned(),
                "med_1".to_owned()
            ),
        ]
    );
}

#[test]
fn a_gate_is_read_by_its_words_and_an_empty_one_lets_nobody_in() {
    let list = "list:at://did:web:a.test/app.bsky.graph.list/3l";
    let (read, report) =
        Options::read(&json!({ "replyGate": ["mention", "follower", "following", list] }));
    assert!(report.passes());
    let records: Vec<Value> = read
        .reply_gate
        .unwrap()
        .iter()
        .map(GateRule::record)
        .collect();
    assert_eq!(
        records[0],
        json!({ "$type": "app.bsky.feed.threadgate#mentionRule" })
    );
    assert_eq!(
        records[3]["list"],
        "at://did:web:a.test/app.bsky.graph.list/3l"
    );
    assert_eq!(
        Options::read(&json!({ "replyGate": [] })).0.reply_gate,
        Some(vec![])
    );
    assert_eq!(
        Options::read(&json!({ "replyGate": null })).0.reply_gate,
        None
    );
    for bad in [
        json!("mention"),
        json!(["everyone"]),
        json!(["list:x"]),
        json!(vec!["mention"; 6]),
    ] {
        let options = json!({ "replyGate": bad });
        assert_eq!(
            broken(&options),
            one("bluesky.reply_gate.rules", "options.replyGate"),
            "{bad}"
        );
    }
    let reply = json!({ "replyGate": [], "replyToUri": post_uri("3p"), "replyToCid": cid() });
    assert_eq!(
        broken(&reply),
        one("bluesky.reply_gate.root_only", "options.replyGate")
    );
}

#[test]
fn a_reference_needs_both_halves_and_names_the_missing_one() {
    for (options, path) in [
        (
            json!({ "replyToUri": post_uri("3p") }),
            "options.replyToCid",
        ),
        (json!({ "replyToCid": cid() }), "options.replyToUri"),
        (json!({ "quoteUri": post_uri("3p") }), "options.quoteCid"),
        (
            json!({ "quoteCid": cid(), "quoteUri": null }),
            "options.quoteUri",
        ),
    ] {
        assert_eq!(
            broken(&options),
            one("bluesky.options.pair", path),
            "{options}"
        );
    }
    let root = json!({ "replyRootUri": post_uri("3r"), "replyRootCid": cid() });
    assert_eq!(
        broken(&root),
        one("bluesky.reply.root_alone", "options.replyToUri")
    );
}

#[test]
fn a_reference_names_a_repository_by_its_did_and_a_record_by_its_content() {
    for uri in [
        "at://ada.test/app.bsky.feed.post/3p",
        "https://bsky.app/profile/ada.test/post/3p",
        "at://did:plc:abc/app.bsky.feed.like/3p",
        "at://did:plc:abc/app.bsky.feed.post",
        "at://did:plc:abc/app.bsky.feed.post/a/b",
        "at://did:plc:abc/app.bsky.feed.post/a b",
    ] {
        let options = json!({ "replyToUri": uri, "replyToCid": cid() });
        assert_eq!(
            broken(&options),
            one("bluesky.options.at_uri", "options.replyToUri"),
            "{uri}"
        );
    }
    let feed =
        json!({ "quoteUri": "at://did:plc:abc/app.bsky.feed.generator/x", "quoteCid": cid() });
    assert!(
        broken(&feed).is_empty(),
        "other records than posts can be quoted"
    );
    for bad in ["bafkrei", "BAFYREI", ""] {
        let options = json!({ "quoteUri": post_uri("3q"), "quoteCid": bad });
        assert_eq!(
            broken(&options),
            one("bluesky.options.cid", "options.quoteCid"),
            "{bad}"
        );
    }
}

#[test]
fn each_part_of_each_option_complains_at_its_own_place() {
    let options = json!({
        "langs": ["english"], "labels": ["spam", 1], "quotesDisabled": "yes",
        "link": { "url": "ftp://x", "title": 1 },
        "thread": [3, { "text": 5, "media": "x" }, { "text": "a", "media": [
            { "kind": "sound", "mediaId": "med_1" }, { "kind": "image", "url": "https://x.test/a.png" }] }],
    });
    let paths: Vec<String> = broken(&options).into_iter().map(|(_, path)| path).collect();
    assert_eq!(
        paths,
        [
            "options.langs",
            "options.labels.0",
            "options.labels.1",
            "options.link.url",
            "options.link.title",
            "options.quotesDisabled",
            "options.thread.0",
            "options.thread.1.text",
            "options.thread.1.media",
            "options.thread.2.media.0.kind",
            "options.thread.2.media.1.mediaId",
        ]
    );
    let long: Vec<Value> = vec![json!({ "text": "a" }); 25];
    assert_eq!(
        broken(&json!({ "thread": long })),
        one("bluesky.thread.max", "options.thread")
    );
    assert!(broken(&json!({ "thread": long[..24] })).is_empty());
}

#[test]
fn languages_are_tags_and_at_most_three() {
    for good in [
        json!([]),
        json!(["en"]),
        json!(["pt-BR", "zh-Hant-TW", "es-419"]),
    ] {
        assert!(broken(&json!({ "langs": good })).is_empty(), "{good}");
    }
    for bad in [
        json!("en"),
        json!(["en", "de", "fr", "it"]),
        json!(["e"]),
        json!(["en_US"]),
        json!([1]),
    ] {
        assert_eq!(
            broken(&json!({ "langs": bad })),
            one("bluesky.options.langs", "options.langs"),
            "{bad}"
        );
    }
}

#[test]
fn what_nobody_knows_is_warned_of_where_it_stands() {
    let options = json!({
        "mood": "happy", "nothing": null, "link": { "url": "https://a.test", "colour": 1 },
        "thread": [{ "text": "a", "when": "now", "media": [{ "kind": "image", "mediaId": "m", "title": "x" }] }],
    });
    let (_, report) = Options::read(&options);
    assert!(report.passes());
    let said: Vec<&str> = report
        .warnings
        .iter()
        .map(|one| one.message.split(':').next().unwrap())
        .collect();
    assert_eq!(
        said,
        [
            "options.link.colour",
            "options.thread.0.media.0.title",
            "options.thread.0.when",
            "options.mood"
        ]
    );
    assert!(
        report
            .warnings
            .iter()
            .all(|one| one.code == "bluesky.options.unknown")
    );
}

proptest! {
    #[test]
    fn no_json_makes_it_panic_and_what_passes_is_accepted(text in "\\PC{0,12}", number: i64, which in 0..13_usize) {
        for value in [json!(text), json!(number), json!([text]), json!({ "url": text }), json!([{ "text": text }])] {
            let options = Value::Object([(KNOWN[which].to_owned(), value)].into_iter().collect());
            let (read, report) = Options::read(&options);
            let accepted = Options::accepted(&options);
            prop_assert_eq!(report.passes(), accepted.is_ok());
            if let Ok(accepted) = accepted {
                prop_assert_eq!(accepted, read);
            }
        }
    }
}
