//! The platform's rules, judged without asking it. All violations at once, in the order of the post's fields.

use publisher::{Post, Report};

/// Judges the whole post. To do: every rule of the fact sheet, and a warning for all that would be ignored.
pub(crate) fn judge(post: &Post) -> Report {
    let mut report = Report::default();
    if post.text.trim().is_empty() {
        report.violate(
            "skeleton.text.non_empty",
            "text",
            "the text is empty or white space",
            "Add a character that is not white space.",
        );
    }
    report
}
