//! The parts of a publication: the post, the further posts of its thread, its first comment.
//!
//! Each part is one irreversible request. A part with gates goes out together with them in one commit, so that there is no
//! moment in which it is public and open; a part without goes as a put.

use crate::options::{Options, attached};
use publisher::{Failure, Media, MediaKind, Post, Receipt, Role};

/// Points of the PDS's write budget: of a put, and of a creation in a batch.
pub(crate) const PUT_POINTS: u32 = 2;
const CREATE_POINTS: u32 = 3;

/// One part.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) place: Place,
    pub(crate) text: &'a str,
    /// Its files with their alt texts, in order; one that the library no longer has is only named.
    pub(crate) media: Vec<Result<Media, String>>,
    /// Who may reply is said with it.
    pub(crate) has_thread_gate: bool,
    /// Who may quote is said with it.
    pub(crate) has_post_gate: bool,
}

/// Which part it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The post itself.
    First,
    /// A further post of its thread, by its index in the option.
    Thread(usize),
    /// The first comment.
    Comment,
}

/// The parts of a publication, in the order in which they become public.
pub(crate) fn plan<'a>(post: &'a Post, options: &'a Options) -> Vec<Part<'a>> {
    let part = |place, text, media| Part {
        place,
        text,
        media,
        has_thread_gate: place == Place::First && options.reply_gate.is_some(),
        has_post_gate: options.quotes_disabled,
    };
    let first = part(
        Place::First,
        post.text.as_str(),
        post.media.iter().cloned().map(Ok).collect(),
    );
    let thread = options.thread.iter().enumerate().map(|(n, further)| {
        let media = further.media.iter();
        let media = media.map(|media| attached(media, post).ok_or_else(|| media.media_id.clone()));
        part(Place::Thread(n), further.text.as_str(), media.collect())
    });
    let comment = post.first_comment.as_ref();
    let comment = comment.map(|comment| part(Place::Comment, comment.text.as_str(), Vec::new()));
    std::iter::once(first)
        .chain(thread)
        .chain(comment)
        .collect()
}

/// How many parts are public already.
pub(crate) fn done(receipt: Option<&Receipt>) -> usize {
    receipt.map_or(0, |receipt| 1 + receipt.parts.len())
}

impl Part<'_> {
    /// The points that its request costs.
    pub(crate) fn points(&self) -> u32 {
        let gates = u32::from(self.has_thread_gate) + u32::from(self.has_post_gate);
        match gates {
            0 => PUT_POINTS,
            gates => CREATE_POINTS * (1 + gates),
        }
    }

    /// The same in puts, rounded up.
    pub(crate) fn units(&self) -> u32 {
        self.points().div_ceil(PUT_POINTS)
    }

    /// Its video, if it has one; preflight has seen to it that there is nothing beside it.
    pub(crate) fn film(&self) -> Option<&Media> {
        let first = self.media.first()?.as_ref().ok()?;
        (first.kind == MediaKind::Video).then_some(first)
    }

    /// Its files. Errors: one is no longer in the library; nothing goes out without a part of itself.
    pub(crate) fn files(&self) -> Result<Vec<&Media>, Failure> {
        let gone = |id: &String| {
            let message = format!("media {id} is no longer in the library");
            Failure::rejected("media.unknown", message).rule("media.unknown")
        };
        self.media
            .iter()
            .map(|media| media.as_ref().map_err(gone))
            .collect()
    }
}

impl Place {
    /// Where its fields stand in the target.
    pub(crate) fn path(self) -> String {
        match self {
            Self::First => String::new(),
            Self::Thread(n) => format!("options.thread.{n}."),
            Self::Comment => "firstComment.".to_owned(),
        }
    }

    /// As which the receipt lists it; none for the first, which is the receipt itself.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::First => None,
            Self::Thread(_) => Some(Role::Thread),
            Self::Comment => Some(Role::FirstComment),
        }
    }

    /// A failure of this part, in words that say which part it is: what is public already stays, and then this is a warning.
    pub(crate) fn named(self, mut failure: Failure) -> Failure {
        let (what, rule) = match self {
            Self::First => return failure,
            Self::Thread(n) => (
                format!("post {} of the thread (options.thread.{n})", n + 2),
                "bluesky.thread.incomplete",
            ),
            Self::Comment => ("the first comment".to_owned(), "first_comment_failed"),
        };
        failure.message = format!("{what} was not published: {}", failure.message);
        failure.rule(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use publisher::FirstComment;
    use serde_json::json;

    fn units(options: serde_json::Value, comment: bool) -> Vec<u32> {
        let post = Post {
            text: "first".to_owned(),
            first_comment: comment.then(|| FirstComment {
                text: "comment".to_owned(),
            }),
            options,
            ..Post::default()
        };
        let (options, report) = Options::read(&post.options);
        assert!(report.passes(), "{report:?}");
        plan(&post, &options).iter().map(Part::units).collect()
    }

    #[test]
    fn a_put_is_one_unit_and_a_batch_as_many_as_its_points_need() {
        assert_eq!(units(json!({}), false), [1]);
        assert_eq!(units(json!({ "replyGate": [] }), false), [3]);
        assert_eq!(
            units(json!({ "replyGate": [], "quotesDisabled": true }), false),
            [5]
        );
        let thread = json!({ "thread": [{ "text": "a" }, { "text": "b" }] });
        assert_eq!(units(thread, true), [1, 1, 1, 1]);
        let gated = json!({ "replyGate": ["mention"], "quotesDisabled": true, "thread": [{ "text": "a" }] });
        assert_eq!(units(gated, true), [5, 3, 3]);
    }

    #[test]
    fn a_failure_of_a_later_part_says_which() {
        let failure = Place::Thread(1).named(Failure::rejected("bluesky.put_record.refused", "no"));
        assert_eq!(
            failure.message,
            "post 3 of the thread (options.thread.1) was not published: no"
        );
        assert_eq!(failure.rule.as_deref(), Some("bluesky.thread.incomplete"));
        let failure = Place::First.named(Failure::rejected("a", "no"));
        assert_eq!((failure.message.as_str(), failure.rule), ("no", None));
    }
}
