//! The shape of one target: whom it is for, what is to be published, within which time.

use super::{Broken, Choice, Content, Defaults, Item, Shape, Wanted};
use crate::{json::segment, posts::draft::TargetDraft, problem::Violation};
use serde_json::{Map, Value};

impl Shape<'_> {
    pub(super) fn target(&mut self, at: usize, target: TargetDraft, defaults: &Defaults) -> Wanted {
        let before = self.found.len();
        let path = |field: &str| format!("targets.{at}.{field}");
        let choice = self.choice(at, target.account_id.as_deref(), target.platform.as_deref());
        let text = self
            .text(target.text, &path("text"))
            .or_else(|| defaults.text.clone());
        let media = target
            .media
            .map(|items| self.media(items, &path("media")))
            .or_else(|| defaults.media.clone());
        let comment = target
            .first_comment
            .map(|comment| self.comment(comment, &path("firstComment")));
        let first_comment = comment.or_else(|| defaults.first_comment.clone());
        let mut options = target.options.unwrap_or_default();
        let options_for = self.options_platform(&mut options, &path("options"));
        self.require_content(text.is_some(), media.as_ref(), at);
        self.refuse_after(target.after, &path("after"));
        let publish_within = self
            .publish_within(target.publish_within, &path("publishWithin"))
            .or(defaults.publish_within);
        let metadata = self.metadata(target.metadata, &path("metadata"));
        for violation in &mut self.found[before..] {
            violation.target = Some(at);
        }
        let content = match (
            text.transpose(),
            media.transpose(),
            first_comment.transpose(),
        ) {
            (Ok(text), Ok(media), Ok(first_comment)) if text.is_some() || media.is_some() => {
                Some(Content {
                    text: text.unwrap_or_default(),
                    media: media.unwrap_or_default(),
                    first_comment,
                    options,
                })
            }
            _ => None,
        };
        Wanted {
            choice,
            content,
            options_for,
            metadata,
            publish_within,
            warnings: Vec::new(),
        }
    }

    fn require_content(
        &mut self,
        has_text: bool,
        media: Option<&Result<Vec<Item>, Broken>>,
        at: usize,
    ) {
        let has_media = media.is_some_and(|media| !matches!(media, Ok(items) if items.is_empty()));
        if has_text || has_media {
            return;
        }
        let message = "This target has neither text nor media.";
        let path = format!("targets.{at}.text");
        self.find(
            Violation::new("targets.text.required", path, message)
                .remedy("Give the target a text, or a default text beside targets."),
        );
    }

    fn refuse_after(&mut self, after: Option<Value>, path: &str) {
        if after.is_none_or(|after| after.is_null()) {
            return;
        }
        let message = "This server cannot wait for another post yet.";
        let violation = Violation::new("targets.after.unsupported", path, message);
        self.find(
            violation
                .remedy("Leave `after` out, and send this post when the other one is published."),
        );
    }

    fn choice(
        &mut self,
        at: usize,
        account: Option<&str>,
        platform: Option<&str>,
    ) -> Option<Choice> {
        let before = self.found.len();
        let id = account.and_then(|id| {
            let parsed = id.parse().ok();
            if parsed.is_none() {
                self.find(Violation::at(
                    format!("targets.{at}.accountId"),
                    "Invalid uuid",
                ));
            }
            parsed
        });
        let named = platform.and_then(|name| {
            let known = self.registry.get(name).map(|connector| connector.platform);
            if known.is_none() {
                let all: Vec<_> = self
                    .registry
                    .platforms()
                    .iter()
                    .map(|id| format!("'{id}'"))
                    .collect();
                let message = format!(
                    "Invalid enum value. Expected {}, received '{}'",
                    all.join(" | "),
                    segment(name)
                );
                let violation = Violation::at(format!("targets.{at}.platform"), message);
                self.find(violation.remedy("Name one of the platforms that this server has."));
            }
            known
        });
        if account.is_none() && platform.is_none() {
            let violation = Violation::at(
                format!("targets.{at}"),
                "A target needs an accountId or a platform.",
            );
            self.find(
                violation.remedy("Name the account by accountId; GET /v1/accounts lists them."),
            );
        }
        if self.found.len() > before {
            return None;
        }
        id.map(|id| Choice::Account(id, named))
            .or(named.map(Choice::Platform))
    }

    /// Takes `platform` out of the options.
    fn options_platform(&mut self, options: &mut Map<String, Value>, path: &str) -> Option<String> {
        if options.is_empty() {
            return None;
        }
        match options.remove("platform") {
            Some(Value::String(name)) => Some(
                self.registry
                    .get(&name)
                    .map_or(name, |known| known.platform.to_owned()),
            ),
            Some(_) => {
                self.find(Violation::at(
                    format!("{path}.platform"),
                    "`platform` must be a string.",
                ));
                None
            }
            None => {
                let violation = Violation::at(format!("{path}.platform"), "Required");
                self.find(
                    violation.remedy("Say in options.platform which platform the options are for."),
                );
                None
            }
        }
    }
}
