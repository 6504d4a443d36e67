//! The shape of a change to one post: the rules of a request, for the three fields that may change.

use super::{Item, Shape};
use crate::{posts::draft::ChangeDraft, problem::Violation};
use chrono::{DateTime, Utc};
use publisher::Registry;

/// A change, as far as its shape is sound.
#[derive(Debug)]
pub(in crate::posts) struct Change {
    pub(in crate::posts) scheduled_at: Option<DateTime<Utc>>,
    /// None: it stays, or is not sound.
    pub(in crate::posts) text: Option<String>,
    /// None: they stay, or are not sound.
    pub(in crate::posts) media: Option<Vec<Item>>,
    /// Files that came inside the request.
    pub(in crate::posts) inline: Vec<Vec<u8>>,
}

/// Judges the shape of a change.
pub(in crate::posts) fn judge_change(
    draft: ChangeDraft,
    registry: &Registry,
    now: DateTime<Utc>,
) -> (Change, Vec<Violation>) {
    let mut shape = Shape {
        registry,
        found: Vec::new(),
        inline: Vec::new(),
    };
    if draft.scheduled_at.is_none() && draft.text.is_none() && draft.media.is_none() {
        let message = "Send at least one of scheduledAt, text, or media.";
        shape.find(Violation::at("body", message).remedy("Name what is to change."));
    }
    let scheduled_at = shape.scheduled_at(draft.scheduled_at.as_deref(), false, Some(now));
    let text = shape.text(draft.text, "text").and_then(Result::ok);
    let media = draft
        .media
        .and_then(|items| shape.media(items, "media").ok());
    let change = Change {
        scheduled_at,
        text,
        media,
        inline: shape.inline,
    };
    (change, shape.found)
}

/// Judges the time that a retry asks for.
pub(in crate::posts) fn judge_time(
    text: Option<&str>,
    registry: &Registry,
    now: DateTime<Utc>,
) -> (Option<DateTime<Utc>>, Vec<Violation>) {
    let mut shape = Shape {
        registry,
        found: Vec::new(),
        inline: Vec::new(),
    };
    let at = shape.scheduled_at(text, false, Some(now));
    (at, shape.found)
}
