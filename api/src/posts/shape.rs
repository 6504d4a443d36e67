//! The rules about a request that need nobody's answer: presence, lengths, formats, contradictions.

mod change;
mod media;
mod target;

pub(super) use change::{Change, judge_change, judge_time};

use super::draft::{CommentDraft, Draft, TargetDraft};
use crate::{json::Object, problem::Violation, wire::unknown_field};
use chrono::{DateTime, TimeDelta, Utc};
use publisher::{
    Caption, MediaKind, Registry, Warning,
    id::{AccountId, ProfileId},
};
use serde_json::{Map, Value};
use std::time::Duration;

const TARGETS_MAX: usize = 25;

/// Of one `metadata` object, written as JSON.
const METADATA_BYTES_MAX: usize = 4096;

const PUBLISH_WITHIN_SECONDS: std::ops::RangeInclusive<i64> = 60..=604_800;

/// A post scheduled closer than this is not scheduled.
const SCHEDULE_AHEAD: TimeDelta = TimeDelta::seconds(1);

/// A request, as far as its shape is sound.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) targets: Vec<Wanted>,
    pub(super) scheduled_at: Option<DateTime<Utc>>,
    pub(super) profile: Option<ProfileId>,
    pub(super) metadata: Map<String, Value>,
    /// Files that came inside the request.
    pub(super) inline: Vec<Vec<u8>>,
    pub(super) warnings: Vec<Warning>,
}

/// One target of a request.
#[derive(Debug)]
pub(super) struct Wanted {
    /// None if it is not said, or not soundly.
    pub(super) choice: Option<Choice>,
    /// None where the platform's rules cannot judge it, because something about it is broken already.
    pub(super) content: Option<Content>,
    /// `options.platform`.
    pub(super) options_for: Option<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) publish_within: Option<Duration>,
    pub(super) warnings: Vec<Warning>,
}

/// How a target names its account.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// By id; the platform, if it is given too, must be the account's.
    Account(AccountId, Option<&'static str>),
    /// The only account of a platform.
    Platform(&'static str),
}

/// What is to be published.
#[derive(Clone, Debug)]
pub(super) struct Content {
    /// Empty where media says it all.
    pub(super) text: String,
    pub(super) media: Vec<Item>,
    pub(super) first_comment: Option<String>,
    /// Without `platform`.
    pub(super) options: Map<String, Value>,
}

/// One attached file.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: MediaKind,
    pub(super) alt_text: Option<String>,
    /// Of a video: files of the library.
    pub(super) captions: Vec<Caption>,
    pub(super) source: Source,
}

impl Item {
    /// Every file of the library that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let captions = self
            .captions
            .iter()
            .map(|caption| caption.media_id.as_str());
        self.source.in_library().into_iter().chain(captions)
    }
}

/// Where a file is.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// In the library.
    Library(String),
    /// In this request: an index of [`Request::inline`].
    Inline(usize),
}

impl Source {
    /// The library's id; none if it is not there yet.
    pub(super) fn in_library(&self) -> Option<&str> {
        match self {
            Self::Library(id) => Some(id),
            Self::Inline(_) => None,
        }
    }
}

/// Judges the shape of a whole request; `now` is needed where it is scheduled.
pub(super) fn judge(
    draft: Draft,
    unknown: &[String],
    registry: &Registry,
    now: Option<DateTime<Utc>>,
) -> (Request, Vec<Violation>) {
    let mut shape = Shape {
        registry,
        found: Vec::new(),
        inline: Vec::new(),
    };
    let profile = shape.profile(draft.profile_id.as_deref());
    let targets = shape.targets(draft.targets);
    let scheduled_at = shape.scheduled_at(
        draft.scheduled_at.as_deref(),
        draft.publish_now == Some(true),
        now,
    );
    let defaults = Defaults {
        text: shape.text(draft.text, "text"),
        media: draft.media.map(|items| shape.media(items, "media")),
        first_comment: draft
            .first_comment
            .map(|comment| shape.comment(comment, "firstComment")),
        publish_within: shape.publish_within(draft.publish_within, "publishWithin"),
    };
    let metadata = shape.metadata(draft.metadata, "metadata");
    let mut targets: Vec<Wanted> = targets
        .into_iter()
        .enumerate()
        .map(|(at, Object(target))| shape.target(at, target, &defaults))
        .collect();
    let warnings = warn(unknown, &mut targets);
    (
        Request {
            targets,
            scheduled_at,
            profile,
            metadata,
            inline: shape.inline,
            warnings,
        },
        shape.found,
    )
}

/// Shares the unknown fields out: what stands in a target is that target's.
fn warn(unknown: &[String], targets: &mut [Wanted]) -> Vec<Warning> {
    let mut whole = Vec::new();
    for path in unknown {
        let at = path
            .strip_prefix("targets.")
            .and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        match at.and_then(|at| targets.get_mut(at)) {
            Some(target) => target.warnings.push(unknown_field(path)),
            None => whole.push(unknown_field(path)),
        }
    }
    whole
}

/// What targets inherit. A broken default is `Some(Err)`: reported once, and no target is judged by it.
struct Defaults {
    text: Option<Result<String, Broken>>,
    media: Option<Result<Vec<Item>, Broken>>,
    first_comment: Option<Result<String, Broken>>,
    publish_within: Option<Duration>,
}

/// Something was reported about this already.
#[derive(Clone, Copy, Debug)]
struct Broken;

struct Shape<'a> {
    registry: &'a Registry,
    found: Vec<Violation>,
    inline: Vec<Vec<u8>>,
}

impl Shape<'_> {
    fn find(&mut self, violation: Violation) {
        self.found.push(violation);
    }

    fn targets(&mut self, targets: Option<Vec<Object<TargetDraft>>>) -> Vec<Object<TargetDraft>> {
        let Some(targets) = targets else {
            self.find(Violation::at("targets", "Required").remedy("Name at least one target."));
            return Vec::new();
        };
        if targets.is_empty() {
            let message = "Array must contain at least 1 element(s)";
            self.find(Violation::at("targets", message).remedy("Name at least one target."));
        }
        if targets.len() > TARGETS_MAX {
            let message = format!(
                "There are {} targets; at most {TARGETS_MAX} are allowed.",
                targets.len()
            );
            let violation = Violation::new("targets.max", "targets", message);
            self.find(violation.remedy("Split the request."));
            return Vec::new();
        }
        targets
    }

    fn profile(&mut self, id: Option<&str>) -> Option<ProfileId> {
        let parsed = id?.parse().ok();
        if parsed.is_none() {
            self.find(Violation::at("profileId", "Invalid uuid"));
        }
        parsed
    }

    fn scheduled_at(
        &mut self,
        text: Option<&str>,
        now_wanted: bool,
        now: Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        let text = text?;
        if now_wanted {
            self.find(
                Violation::new(
                    "mode_conflict",
                    "scheduledAt",
                    "publishNow and scheduledAt contradict each other.",
                )
                .remedy("Send one of them."),
            );
        }
        let parsed = text
            .ends_with('Z')
            .then(|| DateTime::parse_from_rfc3339(text).ok())
            .flatten();
        let Some(at) = parsed.map(|at| at.to_utc()) else {
            self.find(
                Violation::at("scheduledAt", "Invalid datetime")
                    .remedy("Write the instant in UTC with a Z at the end: 2026-01-31T12:00:00Z."),
            );
            return None;
        };
        if now.is_some_and(|now| at < now + SCHEDULE_AHEAD) {
            self.find(
                Violation::new(
                    "scheduledAt.future",
                    "scheduledAt",
                    "scheduledAt is not at least one second in the future.",
                )
                .remedy("Choose a later instant, or leave scheduledAt out to publish now."),
            );
        }
        Some(at)
    }

    fn text(&mut self, text: Option<String>, path: &str) -> Option<Result<String, Broken>> {
        let text = text?;
        if text.is_empty() {
            self.find(Violation::at(
                path,
                "String must contain at least 1 character(s)",
            ));
            return Some(Err(Broken));
        }
        Some(Ok(text))
    }

    fn comment(
        &mut self,
        Object(comment): Object<CommentDraft>,
        path: &str,
    ) -> Result<String, Broken> {
        let path = format!("{path}.text");
        if let Some(text) = self.text(comment.text, &path) {
            return text;
        }
        self.find(Violation::at(path, "Required"));
        Err(Broken)
    }

    fn metadata(&mut self, metadata: Option<Map<String, Value>>, path: &str) -> Map<String, Value> {
        let metadata = metadata.unwrap_or_default();
        let bytes = serde_json::to_vec(&metadata).map_or(usize::MAX, |json| json.len());
        if bytes > METADATA_BYTES_MAX {
            let message = format!(
                "metadata has {bytes} bytes as JSON; at most {METADATA_BYTES_MAX} are allowed."
            );
            self.find(Violation::at(path, message).remedy("Keep ids in it rather than content."));
        }
        metadata
    }

    fn publish_within(&mut self, seconds: Option<i64>, path: &str) -> Option<Duration> {
        let seconds = seconds?;
        if !PUBLISH_WITHIN_SECONDS.contains(&seconds) {
            let (least, most) = (PUBLISH_WITHIN_SECONDS.start(), PUBLISH_WITHIN_SECONDS.end());
            self.find(Violation::at(
                path,
                format!("publishWithin is {seconds} seconds; {least} to {most} are allowed."),
            ));
            return None;
        }
        u64::try_from(seconds).ok().map(Duration::from_secs)
    }
}
