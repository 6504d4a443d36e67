//! The options of a Bluesky post, typed: what a caller may ask for beside text and media.
//!
//! Read once, by preflight and by publishing alike, so that both mean the same. Reading reports everything that is wrong at
//! once, each with its path, and warns of every key that nobody knows, however deep it lies. `null` counts as not given.

mod read;
mod refs;
mod thread;

use crate::wire;
use publisher::{Failure, OptionMedia, Report, ThreadPart};
use read::{Fields, list, unknown, wrong};
pub(crate) use refs::StrongRef;
use refs::{at_uri, pair};
use serde_json::{Value, json};
pub(crate) use thread::attached;
use thread::thread;
use url::Url;

/// Languages of a post (lexicon `app.bsky.feed.post`).
const LANGS_MAX: usize = 3;

/// What an author may say about a post of their own (lexicon `com.atproto.label.defs`, and the official client).
const LABELS: [&str; 5] = [
    "sexual",
    "nudity",
    "porn",
    "graphic-media",
    "!no-unauthenticated",
];

/// Rules of a thread gate (lexicon `app.bsky.feed.threadgate`).
const GATE_RULES_MAX: usize = 5;

/// Every option there is.
const KNOWN: [&str; 13] = [
    "platform",
    "langs",
    "labels",
    "replyToUri",
    "replyToCid",
    "replyRootUri",
    "replyRootCid",
    "quoteUri",
    "quoteCid",
    "link",
    "replyGate",
    "quotesDisabled",
    "thread",
];

/// Everything that was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Of every post of the publication.
    pub(crate) langs: Vec<String>,
    /// Of every post of the publication.
    pub(crate) labels: Vec<String>,
    /// Where the first post stands.
    pub(crate) reply: Option<ReplyTo>,
    /// What the first post quotes.
    pub(crate) quote: Option<StrongRef>,
    /// The first post's card.
    pub(crate) link: Option<Link>,
    /// Who may reply; everyone if none is said, nobody if it is empty.
    pub(crate) reply_gate: Option<Vec<GateRule>>,
    /// Whether nobody may quote the posts of the publication.
    pub(crate) quotes_disabled: bool,
    /// The posts below the first.
    pub(crate) thread: Vec<ThreadPart>,
}

/// The post that is replied to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplyTo {
    pub(crate) parent: StrongRef,
    /// The top of its thread; read from the parent if it was not said.
    pub(crate) root: Option<StrongRef>,
}

/// A link that is shown as a card.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) url: Url,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    /// The library's id of the card's picture.
    pub(crate) thumb: Option<String>,
}

/// Who may reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GateRule {
    /// Accounts that the post mentions.
    Mention,
    /// Accounts that follow the author.
    Follower,
    /// Accounts that the author follows.
    Following,
    /// Accounts of a list, by its address.
    List(String),
}

impl GateRule {
    /// As it stands in a gate.
    pub(crate) fn record(&self) -> Value {
        const GATE: &str = "app.bsky.feed.threadgate";
        match self {
            Self::Mention => json!({ "$type": format!("{GATE}#mentionRule") }),
            Self::Follower => json!({ "$type": format!("{GATE}#followerRule") }),
            Self::Following => json!({ "$type": format!("{GATE}#followingRule") }),
            Self::List(list) => json!({ "$type": format!("{GATE}#listRule"), "list": list }),
        }
    }

    fn read(word: &str) -> Option<Self> {
        match word {
            "mention" => Some(Self::Mention),
            "follower" => Some(Self::Follower),
            "following" => Some(Self::Following),
            list => {
                let uri = list.strip_prefix("list:")?;
                at_uri(uri, Some("app.bsky.graph.list")).then(|| Self::List(uri.to_owned()))
            }
        }
    }
}

impl Options {
    /// Reads what was asked for, as far as it is sound, and reports what is not.
    pub(crate) fn read(options: &Value) -> (Self, Report) {
        let mut report = Report::default();
        let fields = Fields::of(options);
        let parent = pair(&fields, "replyTo", Some(wire::COLLECTION), &mut report);
        let root = pair(&fields, "replyRoot", Some(wire::COLLECTION), &mut report);
        let has = |name: &str| fields.get(name).is_some();
        if (has("replyRootUri") || has("replyRootCid")) && !(has("replyToUri") || has("replyToCid"))
        {
            report.violate(
                "bluesky.reply.root_alone",
                "options.replyToUri",
                "a root of a thread is named, but no post that is replied to",
                "Name the post in replyToUri and replyToCid, or leave the root out.",
            );
        }
        let read = Self {
            langs: langs(&fields, &mut report),
            labels: labels(&fields, &mut report),
            reply: parent.map(|parent| ReplyTo { parent, root }),
            quote: pair(&fields, "quote", None, &mut report),
            link: link(&fields, &mut report),
            reply_gate: reply_gate(&fields, &mut report),
            quotes_disabled: quotes_disabled(&fields, &mut report),
            thread: thread(&fields, &mut report),
        };
        unknown(&fields, &KNOWN, "options", &mut report);
        (read, report)
    }

    /// Reads what preflight accepted. Errors: it is not sound after all, and nothing of the post goes out without it.
    pub(crate) fn accepted(options: &Value) -> Result<Self, Failure> {
        let (read, report) = Self::read(options);
        match report.violations.into_iter().next() {
            None => Ok(read),
            Some(broken) => Err(Failure::rejected(
                "bluesky.options.broken",
                format!("{}: {}", broken.path, broken.message),
            )
            .rule(broken.rule)),
        }
    }

    /// Every file of the library that is named, with its place.
    pub(crate) fn media(&self) -> Vec<OptionMedia> {
        let thumb = self.link.as_ref().and_then(|link| link.thumb.clone());
        let thumb = thumb.map(|id| OptionMedia {
            path: "options.link.thumbMediaId".to_owned(),
            id,
        });
        let posts = self.thread.iter().enumerate();
        let attached = posts.flat_map(|(n, post)| {
            let media = post.media.iter().enumerate();
            media.map(move |(m, media)| OptionMedia {
                path: format!("options.thread.{n}.media.{m}.mediaId"),
                id: media.media_id.clone(),
            })
        });
        thumb.into_iter().chain(attached).collect()
    }
}

fn langs(fields: &Fields<'_>, report: &mut Report) -> Vec<String> {
    let Some(value) = fields.get("langs") else {
        return Vec::new();
    };
    let tags: Option<Vec<&str>> =
        list(value).and_then(|tags| tags.iter().map(Value::as_str).collect());
    match tags {
        Some(tags) if tags.len() <= LANGS_MAX && tags.iter().all(|tag| is_language(tag)) => {
            tags.into_iter().map(language).collect()
        }
        _ => {
            report.violate(
                "bluesky.options.langs",
                "options.langs",
                format!("langs must be a list of at most {LANGS_MAX} language tags such as en, pt-BR or zh-Hant"),
                "Correct the list, or leave it out.",
            );
            Vec::new()
        }
    }
}

/// Language, script and region of BCP 47: what posts are tagged with. Variants and extensions are not accepted.
pub(crate) fn is_language(tag: &str) -> bool {
    let alphabetic = |part: &str, lengths: &[usize]| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let mut parts = tag.split('-').peekable();
    let language = parts.next().is_some_and(|part| alphabetic(part, &[2, 3]));
    parts.next_if(|part| alphabetic(part, &[4]));
    parts.next_if(|part| {
        alphabetic(part, &[2]) || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
    });
    language && parts.next().is_none()
}

/// A language tag with its first part in lower case: tags mean the same in any case, but a PDS refuses `DE` and `EN-gb`.
pub(crate) fn language(tag: &str) -> String {
    let end = tag.find('-').unwrap_or(tag.len());
    tag[..end].to_ascii_lowercase() + &tag[end..]
}

fn labels(fields: &Fields<'_>, report: &mut Report) -> Vec<String> {
    let Some(value) = fields.get("labels") else {
        return Vec::new();
    };
    let mut read: Vec<String> = Vec::new();
    for (n, value) in list(value).into_iter().flatten().enumerate() {
        match value.as_str().filter(|label| LABELS.contains(label)) {
            Some(label) if read.iter().any(|known| known == label) => {}
            Some(label) => read.push(label.to_owned()),
            None => wrong(
                "bluesky.options.labels",
                format!("options.labels.{n}"),
                &format!("an author's own labels are {}", LABELS.join(", ")),
                report,
            ),
        }
    }
    if list(value).is_none() {
        wrong(
            "bluesky.options.labels",
            "options.labels".to_owned(),
            "labels must be a list",
            report,
        );
    }
    read
}

fn link(fields: &Fields<'_>, report: &mut Report) -> Option<Link> {
    let link = fields.object("link", "bluesky.link.url", report)?;
    let url = link
        .text("url", "options.link.url", report)
        .and_then(|text| web(&text));
    if url.is_none() {
        wrong(
            "bluesky.link.url",
            "options.link.url".to_owned(),
            "url must be a complete address that begins with https:// or http://",
            report,
        );
    }
    let title = link.text("title", "options.link.title", report);
    let description = link.text("description", "options.link.description", report);
    let thumb = link.text("thumbMediaId", "options.link.thumbMediaId", report);
    unknown(
        &link,
        &["url", "title", "description", "thumbMediaId"],
        "options.link",
        report,
    );
    Some(Link {
        url: url?,
        title,
        description,
        thumb,
    })
}

/// An address that a card may lead to.
fn web(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "https" | "http") && url.has_host() && plain).then_some(url)
}

fn reply_gate(fields: &Fields<'_>, report: &mut Report) -> Option<Vec<GateRule>> {
    let value = fields.get("replyGate")?;
    let words: Option<Vec<GateRule>> = list(value)
        .filter(|rules| rules.len() <= GATE_RULES_MAX)
        .and_then(|rules| {
            rules
                .iter()
                .map(|rule| GateRule::read(rule.as_str()?))
                .collect()
        });
    if words.is_none() {
        report.violate(
            "bluesky.reply_gate.rules",
            "options.replyGate",
            format!("replyGate must be a list of at most {GATE_RULES_MAX} of mention, follower, following and list:at://…/app.bsky.graph.list/…"),
            "Correct the list; an empty one lets nobody reply, and without it everyone may.",
        );
    } else if fields.get("replyToUri").is_some() || fields.get("replyToCid").is_some() {
        report.violate(
            "bluesky.reply_gate.root_only",
            "options.replyGate",
            "only the first post of a thread can say who may reply, and this post is a reply itself",
            "Leave replyGate out, or send a post that is no reply.",
        );
    }
    words
}

fn quotes_disabled(fields: &Fields<'_>, report: &mut Report) -> bool {
    match fields.get("quotesDisabled") {
        None => false,
        Some(Value::Bool(disabled)) => *disabled,
        Some(_) => {
            let path = "options.quotesDisabled".to_owned();
            wrong(
                "bluesky.options.quotes_disabled",
                path,
                "quotesDisabled must be true or false",
                report,
            );
            false
        }
    }
}

#[cfg(test)]
mod tests;
