//! The toys' rules before work.

use super::Toy;
use crate::{post::Post, preflight};

const GRAPHEMES_MAX: usize = 500;

impl Toy {
    pub(super) fn preflight(&self, post: &Post) -> preflight::Report {
        let mut report = preflight::Report::default();
        if post.text.trim().is_empty() {
            report.violate(
                self.code("text.empty"),
                "text",
                "the text is empty",
                "Write at least one visible character.",
            );
        }
        let graphemes = preflight::graphemes(&post.text);
        if graphemes > GRAPHEMES_MAX {
            report.violate(
                self.code("text.too_long"),
                "text",
                format!("the text has {graphemes} characters; at most {GRAPHEMES_MAX} are allowed"),
                "Shorten the text.",
            );
        }
        if !post.media.is_empty() {
            report.violate(
                self.code("media.unsupported"),
                "media",
                format!(
                    "{} media are attached; this platform takes none",
                    post.media.len()
                ),
                "Remove the media.",
            );
        }
        if post.first_comment.is_some() {
            report.warn(
                self.code("first_comment.ignored"),
                "this platform has no comments",
            );
        }
        for name in post
            .options
            .as_object()
            .into_iter()
            .flat_map(|options| options.keys())
        {
            report.warn(
                self.code("options.ignored"),
                format!("this platform does not know the option `{name}`"),
            );
        }
        report
    }
}
