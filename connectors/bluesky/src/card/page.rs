//! What a page says of itself in its head: Open Graph (ogp.me), the names that Twitter gave the same things, plain HTML.
//!
//! A page is a stranger's text. This reads tags and their attributes and nothing else, never fails, and gives back plain
//! text of bounded length.

use url::Url;

/// Characters of a title and of a description that are kept; ours.
const TITLE_CHARS_MAX: usize = 300;
const DESCRIPTION_CHARS_MAX: usize = 1_000;

/// What a page says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    /// Where its picture is.
    pub(super) picture: Option<Url>,
}

/// Where a fact was found: the earlier is the better source.
#[derive(Default)]
struct Found([Option<String>; 3]);

impl Found {
    fn note(&mut self, rank: usize, text: &str) {
        if let Some(place @ None) = self.0.get_mut(rank) {
            let text = text.trim();
            *place = (!text.is_empty()).then(|| text.to_owned());
        }
    }

    fn best(self) -> Option<String> {
        self.0.into_iter().flatten().next()
    }
}

impl Page {
    /// Reads the page that lies at `url`.
    pub(super) fn read(bytes: &[u8], url: &Url) -> Self {
        let text = decoded(bytes);
        let (mut title, mut description, mut picture) =
            (Found::default(), Found::default(), Found::default());
        let mut rest = text.as_str();
        while let Some(at) = rest.find('<') {
            rest = &rest[at + 1..];
            if let Some(comment) = rest.strip_prefix("!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let (name, attributes, after) = tag(rest);
            rest = after;
            match name.as_str() {
                "meta" => note(&attributes, &mut title, &mut description, &mut picture),
                "title" => title.note(2, &unescaped(until(&mut rest, "</title"))),
                "script" => drop(until(&mut rest, "</script")),
                "style" => drop(until(&mut rest, "</style")),
                "body" => break,
                _ => {}
            }
        }
        Self {
            title: title.best().map(|text| plain(&text, TITLE_CHARS_MAX)),
            description: description
                .best()
                .map(|text| plain(&text, DESCRIPTION_CHARS_MAX)),
            picture: picture.best().and_then(|to| url.join(&to).ok()),
        }
    }
}

/// UTF-8, or what every byte means in Latin-1.
fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn note(
    attributes: &[(String, String)],
    title: &mut Found,
    description: &mut Found,
    picture: &mut Found,
) {
    let value = |wanted: &str| {
        let found = attributes.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let (Some(name), Some(content)) = (value("property").or(value("name")), value("content"))
    else {
        return;
    };
    match name.to_ascii_lowercase().as_str() {
        "og:title" => title.note(0, content),
        "twitter:title" => title.note(1, content),
        "og:description" => description.note(0, content),
        "twitter:description" => description.note(1, content),
        "description" => description.note(2, content),
        "og:image:secure_url" => picture.note(0, content),
        "og:image" | "og:image:url" => picture.note(1, content),
        "twitter:image" | "twitter:image:src" => picture.note(2, content),
        _ => {}
    }
}

/// Name and attributes of the tag that begins here, and what follows it.
fn tag(text: &str) -> (String, Vec<(String, String)>, &str) {
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/');
    let (name, mut rest) = text.split_at(end.unwrap_or(text.len()));
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        if let Some(after) = rest.strip_prefix('>') {
            rest = after;
            break;
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'));
        // A name of at least one character, so that the loop ends.
        let least = rest.chars().next().map_or(0, char::len_utf8);
        let (attribute, after) = rest.split_at(end.unwrap_or(rest.len()).max(least));
        let (value, after) = attribute_value(after.trim_start());
        attributes.push((attribute.to_ascii_lowercase(), unescaped(value)));
        rest = after;
    }
    (name.to_ascii_lowercase(), attributes, rest)
}

/// The value behind an equals sign, and what follows it; empty if there is none.
fn attribute_value(text: &str) -> (&str, &str) {
    let Some(value) = text.strip_prefix('=') else {
        return ("", text);
    };
    let value = value.trim_start();
    for quote in ['"', '\''] {
        if let Some(quoted) = value.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    let end = value.find(|c: char| c.is_ascii_whitespace() || c == '>');
    value.split_at(end.unwrap_or(value.len()))
}

/// Everything up to a closing tag, which is looked for without regard to case.
fn until<'a>(rest: &mut &'a str, closing: &str) -> &'a str {
    let all = *rest;
    let bytes = closing.as_bytes();
    let found = all
        .as_bytes()
        .windows(bytes.len())
        .position(|window| window.eq_ignore_ascii_case(bytes));
    let (inside, after) = all.split_at(found.unwrap_or(all.len()));
    *rest = after;
    inside
}

/// The text with its character references replaced.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let reference = rest.split_once(';').filter(|(name, _)| name.len() <= 8);
        match reference.and_then(|(name, after)| Some((character(name)?, after))) {
            Some((found, after)) => {
                plain.push(found);
                rest = after;
            }
            None => plain.push('&'),
        }
    }
    plain + rest
}

fn character(name: &str) -> Option<char> {
    let number = name.strip_prefix('#');
    if let Some(number) = number {
        let hex = number.strip_prefix(['x', 'X']);
        let code = match hex {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        _ => return None,
    })
}

/// One line of text: white space made one, control characters gone, cut with an ellipsis.
fn plain(text: &str, chars_max: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    if line.chars().count() <= chars_max {
        return line;
    }
    line.chars().take(chars_max - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(html: &str) -> Page {
        Page::read(
            html.as_bytes(),
            &Url::parse("https://example.com/a/b").unwrap(),
        )
    }

    #[test]
    fn open_graph_comes_before_everything_else() {
        let page = read(
            r#"<!doctype html><head><!-- <meta property="og:title" content="no"> --><title>Tab &amp; title</title>
            <META NAME='description' content='plain'><meta content="Tom &quot;&#233;&#x1F600;" property=og:title>
            <script>"<meta property='og:description' content='script'>"</script>
            <meta property="og:description" content="about
            it"/><meta property="og:image" content="/i.png?a=1&amp;b=2"></head>
            <body><meta property="og:image:secure_url" content="https://evil.test/x"></body>"#,
        );
        assert_eq!(page.title.as_deref(), Some("Tom \"é😀"));
        assert_eq!(page.description.as_deref(), Some("about it"));
        assert_eq!(
            page.picture.unwrap().as_str(),
            "https://example.com/i.png?a=1&b=2"
        );
    }

    #[test]
    fn a_plain_page_has_its_title_and_description() {
        let page = read("<title> Just\n a page </title><meta name=description content=short>");
        assert_eq!(page.title.as_deref(), Some("Just a page"));
        assert_eq!(
            (page.description.as_deref(), page.picture),
            (Some("short"), None)
        );
        assert_eq!(read("no tags at all"), Page::default());
        assert_eq!(read("<title></title>"), Page::default());
    }

    #[test]
    fn bytes_that_are_no_utf8_are_read_as_latin_1() {
        let url = Url::parse("https://example.com/").unwrap();
        let page = Page::read(b"<title>caf\xe9</title>", &url);
        assert_eq!(page.title.as_deref(), Some("café"));
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let title = read(&format!("<title>{}</title>", "a".repeat(400)))
            .title
            .unwrap();
        assert_eq!(title.chars().count(), 300);
        assert!(title.ends_with('…'));
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(html in "(<|>|/|=|'|\"|meta|title|script|!--|&|;|#x|property|og:title|content|é| ){0,60}") {
            read(&html);
        }
    }
}
