//! Rules before work: violations, warnings, and the units that platforms count in.

use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

/// A rule that the post breaks; with one violation nothing is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Stable id, `platform.topic.fact`.
    pub rule: String,
    /// Where, relative to the target: `text`, `media.0.altText`, `options.langs`.
    pub path: String,
    /// What is wrong, with the number found and the number allowed.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
}

/// Something that will be published otherwise than the caller may expect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Warning {
    /// Stable id, `platform.topic.fact`.
    pub code: String,
    /// What is different, and why.
    pub message: String,
}

/// What preflight found: *all* violations and all warnings, in the order of the post's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Empty means: may be accepted.
    pub violations: Vec<Violation>,
    /// Do not stop anything.
    pub warnings: Vec<Warning>,
}

impl Report {
    /// Adds a violation.
    pub fn violate(
        &mut self,
        rule: impl Into<String>,
        path: impl Into<String>,
        message: impl Into<String>,
        remediation: impl Into<String>,
    ) {
        self.violations.push(Violation {
            rule: rule.into(),
            path: path.into(),
            message: message.into(),
            remediation: Some(remediation.into()),
        });
    }

    /// Adds a warning.
    pub fn warn(&mut self, code: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Warning {
            code: code.into(),
            message: message.into(),
        });
    }

    /// Whether the post may be accepted.
    pub fn passes(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Counts extended grapheme clusters: what a reader calls characters.
///
/// Source: UAX #29, the tables of the pinned `unicode-segmentation`.
pub fn graphemes(text: &str) -> usize {
    text.graphemes(true).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_and_a_flag_count_as_one_grapheme_each() {
        assert_eq!(graphemes("👨‍👩‍👧‍👦🇩🇪e\u{301}"), 3);
    }
}
