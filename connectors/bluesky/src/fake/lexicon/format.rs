//! The string formats of lexicons, as the protocol's specification defines them.

use crate::{fake::cid::Cid, publish::is_did, text::is_handle};
use chrono::DateTime;
use std::ops::RangeInclusive;

/// Whether `text` has the format `name`; an unknown format fits nothing.
pub(super) fn fits(name: &str, text: &str) -> bool {
    match name {
        "did" => is_did(text),
        "handle" => is_handle(&text.to_ascii_lowercase()),
        "at-identifier" => is_did(text) || is_handle(&text.to_ascii_lowercase()),
        "nsid" => is_nsid(text),
        "at-uri" => is_at_uri(text),
        "cid" => Cid::parse(text).is_some(),
        "datetime" => is_datetime(text),
        "tid" => is_tid(text),
        "record-key" => is_record_key(text),
        "uri" => is_uri(text),
        "language" => is_language(text),
        _ => false,
    }
}

/// 13 characters of the sortable alphabet, the first bit zero.
pub(super) fn is_tid(text: &str) -> bool {
    let sortable = |b: u8| matches!(b, b'2'..=b'7' | b'a'..=b'z');
    text.len() == 13
        && text.bytes().all(sortable)
        && matches!(text.as_bytes()[0], b'2'..=b'7' | b'a'..=b'j')
}

fn is_record_key(text: &str) -> bool {
    (1..=512).contains(&text.len())
        && !matches!(text, "." | "..")
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_~.:-".contains(&b))
}

/// Reversed domain and a name: at least three segments.
fn is_nsid(text: &str) -> bool {
    let segments: Vec<&str> = text.split('.').collect();
    let Some((name, domain)) = segments.split_last() else {
        return false;
    };
    let label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 317
        && segments.len() >= 3
        && domain.iter().all(label)
        && domain[0].starts_with(|c: char| c.is_ascii_alphabetic())
        && (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

fn is_at_uri(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("at://") else {
        return false;
    };
    let mut parts = rest.splitn(3, '/');
    text.len() <= 8 * 1024
        && parts
            .next()
            .is_some_and(|authority| fits("at-identifier", authority))
        && parts.next().is_none_or(is_nsid)
        && parts.next().is_none_or(is_record_key)
}

/// RFC 3339 as the protocol narrows it: capital `T` and `Z`, whole seconds present, a zone, no `-00:00`, no year 000x.
fn is_datetime(text: &str) -> bool {
    let digits = |range: RangeInclusive<usize>| {
        text.get(range)
            .is_some_and(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    text.len() <= 64
        && digits(0..=3)
        && !text.starts_with("000")
        && text.as_bytes().get(10) == Some(&b'T')
        && digits(17..=18)
        && !text.contains(['z', 't', ' '])
        && !text.ends_with("-00:00")
        && DateTime::parse_from_rfc3339(text).is_ok()
}

/// A scheme, and something after it that is neither white space nor a slash.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    text.len() <= 8 * 1024
        && !scheme.is_empty()
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !rest.is_empty()
        && !rest.starts_with('/')
        && !text.contains(char::is_whitespace)
}

/// BCP 47 without its irregular tags: language (two or three small letters), its extensions, script, region, variants,
/// extensions, private use.
fn is_language(text: &str) -> bool {
    let mut parts = text.split('-').peekable();
    let letters = |part: &str, lengths: RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let alphanumeric = |part: &str, lengths: RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let Some(language) = parts.next() else {
        return false;
    };
    let small =
        (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_lowercase());
    if !small && !language.eq_ignore_ascii_case("x") {
        return false;
    }
    if !small {
        return parts.peek().is_some() && parts.all(|part| alphanumeric(part, 1..=8));
    }
    for _ in 0..3 {
        parts.next_if(|part| letters(part, 3..=3));
    }
    parts.next_if(|part| letters(part, 4..=4));
    parts.next_if(|part| {
        letters(part, 2..=2) || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
    });
    let variant = |part: &str| {
        alphanumeric(part, 5..=8)
            || (alphanumeric(part, 4..=4) && part.starts_with(|c: char| c.is_ascii_digit()))
    };
    while parts.next_if(|part| variant(part)).is_some() {}
    while let Some(singleton) = parts.next() {
        let shortest = if singleton.eq_ignore_ascii_case("x") {
            1
        } else {
            2
        };
        if !alphanumeric(singleton, 1..=1)
            || parts
                .next_if(|part| alphanumeric(part, shortest..=8))
                .is_none()
        {
            return false;
        }
        while parts
            .next_if(|part| alphanumeric(part, shortest..=8))
            .is_some()
        {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Format, what fits it, what does not.
    type Row = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );

    const NAMES: &[Row] = &[
        (
            "did",
            &["did:plc:abc", "did:web:localhost%3A1"],
            &["did:plc:", "DID:plc:a", "plc:a", "did:a:b:"],
        ),
        (
            "handle",
            &["a.test", "A-b.bsky.social"],
            &["a", "a..b", "-a.test", "a.1", "a_b.test"],
        ),
        (
            "at-identifier",
            &["did:plc:abc", "a.test"],
            &["@a.test", ""],
        ),
        (
            "nsid",
            &["app.bsky.feed.post"],
            &["app.bsky", "app.bsky.feed-post", "1a.b.c", "app..c"],
        ),
        (
            "at-uri",
            &["at://did:plc:a/app.bsky.feed.post/3k", "at://a.test"],
            &["at://", "at://a.test/x/y"],
        ),
        (
            "tid",
            &["3jzfcijpj2z2a", "2222222222222"],
            &["3jzfcijpj2z2", "zzzzzzzzzzzzz", "3jzfcijpj2z21"],
        ),
        (
            "record-key",
            &["self", "a:b_c~d.e-f"],
            &["", ".", "..", "a/b", "ä"],
        ),
        ("nonsense", &[], &["a"]),
    ];

    const VALUES: &[Row] = &[
        (
            "cid",
            &["bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"],
            &[
                "bafy",
                "Qm",
                "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwr",
            ],
        ),
        (
            "uri",
            &["https://a.b/c", "mailto:x"],
            &["https://", "https:///x", "no", "https://a b"],
        ),
        (
            "language",
            &[
                "en",
                "pt-BR",
                "zh-Hant-TW",
                "zh-yue-Hant-HK",
                "de-1996",
                "en-x-a",
                "x-a",
            ],
            &["", "e", "x", "EN", "De-at", "engl", "en_US", "en-", "en-1"],
        ),
        (
            "datetime",
            &["2026-11-20T10:00:00.000Z", "2026-11-20T10:00:00+01:00"],
            &[
                "2026-11-20",
                "2026-11-20t10:00:00z",
                "2026-11-20T10:00Z",
                "2026-11-20 10:00:00Z",
            ],
        ),
        (
            "datetime",
            &[],
            &[
                "2026-13-20T10:00:00Z",
                "2026-11-20T10:00:00-00:00",
                "0001-01-01T00:00:00Z",
                "2026-11-20T10:00:00",
            ],
        ),
    ];

    #[test]
    fn each_format_knows_good_from_bad() {
        for (name, good, bad) in NAMES.iter().chain(VALUES) {
            for text in *good {
                assert!(fits(name, text), "{name}: {text}");
            }
            for text in *bad {
                assert!(!fits(name, text), "{name}: {text}");
            }
        }
    }
}
