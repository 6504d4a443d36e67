//! Detection: the sheet's vector, a table of cases, and what holds for every text.

use super::*;
use proptest::prelude::*;

/// What was found, as `what@start-end`.
fn found(text: &str) -> Vec<String> {
    detect(text)
        .into_iter()
        .map(|Span { start, end, what }| match what {
            What::Mention(handle) => format!("@{handle}@{start}-{end}"),
            What::Link(uri) => format!("{uri}@{start}-{end}"),
            What::Tag(tag) => format!("#{tag}@{start}-{end}"),
        })
        .collect()
}

#[test]
fn the_documented_example_has_the_documented_offsets() {
    let text = "✨ example mentioning @atproto.com to share the URL 👨\u{200d}❤\u{fe0f}\u{200d}👨 https://en.wikipedia.org/wiki/CBOR.";
    assert_eq!(
        found(text),
        [
            "@atproto.com@23-35",
            "https://en.wikipedia.org/wiki/CBOR@74-108"
        ]
    );
}

#[test]
fn mentions_need_a_boundary_before_and_a_real_domain() {
    for (text, expected) in [
        ("@alice.bsky.social", vec!["@alice.bsky.social@0-18"]),
        ("(@Bob.Test)", vec!["@bob.test@1-10"]),
        ("hi @alice.com.", vec!["@alice.com@3-13"]),
        (
            "hi @alice.com, @bob.org!",
            vec!["@alice.com@3-13", "@bob.org@15-23"],
        ),
        ("mail a@example.com", vec![]),
        ("@alice", vec![]),
        ("@alice.nosuchtld", vec![]),
        ("@-alice.com", vec![]),
        ("@alice..com", vec![]),
        ("@alice.com_x", vec![]),
        ("@", vec![]),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn links_are_found_with_and_without_a_scheme() {
    for (text, expected) in [
        ("https://a.b/c?d=e#f", vec!["https://a.b/c?d=e#f@0-19"]),
        (
            "see HTTP://Example.com/X",
            vec!["HTTP://Example.com/X@4-24"],
        ),
        ("example.com", vec!["https://example.com@0-11"]),
        ("httpbin.org/get", vec!["https://httpbin.org/get@0-15"]),
        (
            "(example.com/a_(b))",
            vec!["https://example.com/a_(b)@1-18"],
        ),
        ("(https://example.com)", vec!["https://example.com@1-20"]),
        (
            "(see https://example.com/a.)",
            vec!["https://example.com/a@5-26"],
        ),
        ("what? example.com?!", vec!["https://example.com@6-17"]),
        (
            "at example.com: and\nexample.org",
            vec!["https://example.com@3-14", "https://example.org@20-31"],
        ),
        ("node.js and 3.14 and e.g. this", vec![]),
        ("https://", vec![]),
        ("https:///", vec![]),
        ("https://.", vec![]),
        ("xhttps://a.b", vec![]),
        (
            "https://bücher.example/ß",
            vec!["https://bücher.example/ß@0-26"],
        ),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
}

#[test]
fn hashtags_are_words_and_never_mere_numbers() {
    for (text, expected) in [
        ("#rust", vec!["#rust@0-5"]),
        ("a #b c #d", vec!["#b@2-4", "#d@7-9"]),
        ("#1", vec![]),
        ("#1a", vec!["#1a@0-3"]),
        ("#!?", vec![]),
        ("#fun!!!", vec!["#fun@0-4"]),
        ("#a_b-c.", vec!["#a_b-c@0-6"]),
        ("##double", vec!["##double@0-8"]),
        ("＃日本", vec!["#日本@0-9"]),
        ("x#y", vec![]),
        ("#\u{fe0f}\u{20e3} keycap", vec![]),
        ("#a\u{200b}b", vec!["#a@0-2"]),
        ("# not", vec![]),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
    assert_eq!(found(&format!("#{}", "x".repeat(64))).len(), 1);
    assert_eq!(found(&format!("#{}", "x".repeat(65))).len(), 0);
}

#[test]
fn of_two_that_overlap_the_earlier_one_stays() {
    assert_eq!(
        found("https://a.com/(@b.com"),
        ["https://a.com/(@b.com@0-21"]
    );
}

proptest! {
    #[test]
    fn spans_are_sorted_disjoint_and_on_character_boundaries(
        words in proptest::collection::vec(prop_oneof![
            Just("@alice.test".to_owned()), Just("https://a.com/é(".to_owned()), Just("#тег…".to_owned()),
            Just("(x.org)".to_owned()), Just("👨\u{200d}👩".to_owned()), any::<String>(), "[@#(.:/a-zé ]{0,12}",
        ], 0..8),
        glue in prop_oneof![Just(" "), Just(""), Just("("), Just("\n")],
    ) {
        let text = words.join(glue);
        let mut end = 0;
        for span in detect(&text) {
            prop_assert!(span.start >= end && span.start < span.end && span.end <= text.len());
            prop_assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end));
            let typed = &text[span.start..span.end];
            match &span.what {
                What::Mention(handle) => prop_assert!(typed[1..].eq_ignore_ascii_case(handle)),
                What::Link(uri) => prop_assert!(uri.ends_with(typed)),
                What::Tag(tag) => prop_assert!(typed.ends_with(tag.as_str()) && !tag.is_empty()),
            }
            end = span.end;
        }
    }
}
