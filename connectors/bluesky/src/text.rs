//! Rich text: which parts of a text are links, mentions and hashtags.
//!
//! The server parses nothing: without facets a link is not clickable. Detection follows the rules of the official client
//! library, with three repairs: *all* trailing punctuation of a link is left out, closing parentheses too as far as the link
//! opens none for them, and a bare domain that begins with `http` gets its `https://` like any other. Offsets are UTF-8
//! bytes, start inclusive, end exclusive. What a handle resolves to is not known here: a mention names the handle only.
//!
//! Source: platforms sheet "Bluesky" §4.4 (facts gathered 2026-11-20).

mod tables;

use self::tables::{has_real_tld, is_punctuation, is_space};
use publisher::preflight::graphemes;

/// Graphemes of a hashtag, without its `#`.
const TAG_GRAPHEMES_MAX: usize = 64;

/// UTF-8 bytes of a hashtag, without its `#`.
const TAG_BYTES_MAX: usize = 640;

/// Characters of a handle.
const HANDLE_CHARS_MAX: usize = 253;

/// A part of a text that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// First byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
    /// What it means.
    pub(crate) what: What,
}

/// What a part of a text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A handle, lower case, without its `@`; the span includes it.
    Mention(String),
    /// A complete URI.
    Link(String),
    /// A tag without its `#`; the span includes it.
    Tag(String),
}

/// `text` as a server gives it back: without byte order marks at its start. The reference PDS drops them when it decodes a
/// record, so offsets that count them would be wrong for every reader.
pub(crate) fn without_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// Finds everything in `text`: sorted by start, never overlapping (the earlier one wins).
pub(crate) fn detect(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = links(text)
        .chain(mentions(text))
        .chain(tags(text))
        .collect();
    spans.sort_by_key(|span| span.start);
    let mut end = 0;
    spans.retain(|span| {
        let free = span.start >= end;
        if free {
            end = span.end;
        }
        free
    });
    spans
}

/// Byte offsets where something may begin: at the start, after white space and, if `paren`, after an opening parenthesis.
fn beginnings(text: &str, paren: bool) -> impl Iterator<Item = usize> {
    let after = text
        .char_indices()
        .filter(move |(_, c)| is_space(*c) || (paren && *c == '('))
        .map(|(at, c)| at + c.len_utf8());
    std::iter::once(0).chain(after)
}

/// The longest part from the start of `text` whose characters all satisfy `wanted`.
fn run(text: &str, wanted: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !wanted(c)).unwrap_or(text.len())]
}

fn mentions(text: &str) -> impl Iterator<Item = Span> {
    beginnings(text, true).filter_map(move |start| {
        let rest = text[start..].strip_prefix('@')?;
        let name = until_word_boundary(rest);
        let handle = name.to_ascii_lowercase();
        let real = has_real_tld(&handle) || handle.rsplit('.').next() == Some("test");
        (real && is_handle(&handle)).then(|| Span {
            start,
            end: start + 1 + name.len(),
            what: What::Mention(handle),
        })
    })
}

/// The longest run of handle characters at the start of `text` that ends at a word boundary.
fn until_word_boundary(text: &str) -> &str {
    let is_word = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let bytes = text.as_bytes();
    let longest = run(text, |c| c.is_ascii_alphanumeric() || c == '.' || c == '-').len();
    let end = (1..=longest)
        .rev()
        .find(|end| is_word(bytes.get(end - 1).copied()) != is_word(bytes.get(*end).copied()));
    &text[..end.unwrap_or(0)]
}

/// Whether `handle` (lower case) has the form that the protocol demands of a handle.
pub(crate) fn is_handle(handle: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    handle.len() <= HANDLE_CHARS_MAX
        && handle.contains('.')
        && handle.split('.').all(label)
        && handle
            .rsplit('.')
            .next()
            .is_some_and(|tld| tld.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn links(text: &str) -> impl Iterator<Item = Span> {
    let mut taken = 0;
    beginnings(text, true).filter_map(move |start| {
        if start < taken {
            return None;
        }
        let word = run(&text[start..], |c| !is_space(c));
        let scheme = ["https://", "http://"].into_iter().find(|scheme| {
            word.len() > scheme.len()
                && word.is_char_boundary(scheme.len())
                && word[..scheme.len()].eq_ignore_ascii_case(scheme)
        });
        let domain = domain(word);
        if scheme.is_none() && domain.is_none() {
            return None;
        }
        taken = start + word.len();
        let typed = without_trailing_punctuation(word);
        let uri = match (scheme, domain) {
            (Some(_), _) => typed.to_owned(),
            (None, Some(domain)) if has_real_tld(domain) => format!("https://{typed}"),
            (None, _) => return None,
        };
        is_link(&uri).then(|| Span {
            start,
            end: start + typed.len(),
            what: What::Link(uri),
        })
    })
}

/// The bare domain at the start of `word`: labels of letters and digits, the first beginning with a letter.
fn domain(word: &str) -> Option<&str> {
    let label = |text: &str| run(text, |c| c.is_ascii_alphanumeric()).len();
    let mut end = label(word);
    if end == 0 || !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let mut dots = 0;
    while let Some(rest) = word[end..].strip_prefix('.') {
        let more = label(rest);
        if more == 0 {
            break;
        }
        end += 1 + more;
        dots += 1;
    }
    (dots > 0).then(|| &word[..end])
}

/// A sentence goes on after a link: its punctuation is not part of it, nor are the parentheses around it.
fn without_trailing_punctuation(word: &str) -> &str {
    let opened = |text: &str| text.matches('(').count();
    let closed = |text: &str| text.matches(')').count();
    let mut word = word;
    loop {
        let shorter = word.trim_end_matches(['.', ',', ';', ':', '!', '?']);
        let shorter = match shorter.strip_suffix(')') {
            Some(inner) if opened(shorter) < closed(shorter) => inner,
            _ => shorter,
        };
        if shorter.len() == word.len() {
            return word;
        }
        word = shorter;
    }
}

/// Whether a server accepts `uri` as a link: it parses, has a host, and something follows the slashes.
fn is_link(uri: &str) -> bool {
    let after_slashes = uri.split_once("://").map_or("", |(_, rest)| rest);
    !after_slashes.is_empty()
        && !after_slashes.starts_with('/')
        && url::Url::parse(uri).is_ok_and(|url| url.has_host())
}

fn tags(text: &str) -> impl Iterator<Item = Span> {
    beginnings(text, false).filter_map(move |start| {
        let rest = text[start..].strip_prefix(['#', '＃'])?;
        let hash = text.len() - start - rest.len();
        if rest.starts_with('\u{fe0f}') {
            return None; // the keycap emoji #️⃣
        }
        let word = run(rest, |c| !is_space(c) && !is_invisible(c));
        if word
            .chars()
            .all(|c| c.is_ascii_digit() || is_punctuation(c))
        {
            return None;
        }
        let tag = word.trim_end_matches(is_punctuation);
        (tag.len() <= TAG_BYTES_MAX && graphemes(tag) <= TAG_GRAPHEMES_MAX).then(|| Span {
            start,
            end: start + hash + tag.len(),
            what: What::Tag(tag.to_owned()),
        })
    })
}

/// Characters without a glyph of their own, which end a tag.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{2060}' | '\u{200a}'..='\u{200d}' | '\u{20e2}'
    )
}

#[cfg(test)]
mod tests;
