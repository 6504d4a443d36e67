//! Reading variables one by one and collecting what is wrong with all of them.

use serde::Serialize;
use std::{collections::BTreeSet, ffi::OsString, fmt, ops::RangeInclusive, time::Duration};

/// What is wrong with one variable. Never repeats the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Which one.
    pub(crate) variable: &'static str,
    /// What rule it breaks.
    pub(crate) rule: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {}\n  remedy: {}",
            self.variable, self.rule, self.remedy
        )
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "the configuration cannot be used\n{}", lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Reads variables; what cannot be read is noted and counts as not set.
pub(super) struct Reader<'a> {
    environment: &'a dyn Fn(&str) -> Option<OsString>,
    given: BTreeSet<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self {
            environment,
            given: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// A variable's text; none if it is not set or blank, which are the same.
    pub(super) fn text(&mut self, variable: &'static str) -> Option<String> {
        let value = (self.environment)(variable)?;
        let Ok(text) = value.into_string() else {
            self.problem(variable, "it is not UTF-8", "write it in UTF-8");
            return None;
        };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        self.given.insert(variable);
        Some(text.to_owned())
    }

    /// A variable's value.
    pub(super) fn parsed<T>(
        &mut self,
        variable: &'static str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(variable)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(rule) => {
                self.problem(variable, rule, remedy);
                None
            }
        }
    }

    /// A variable's whole number, within its bounds.
    fn number(
        &mut self,
        variable: &'static str,
        default: u64,
        bounds: RangeInclusive<u64>,
        unit: &str,
    ) -> u64 {
        let (least, most) = (*bounds.start(), *bounds.end());
        let remedy =
            format!("write a whole number from {least} to {most}, or leave it out for {default}");
        let parse = |text: &str| match text.parse() {
            Ok(number) if bounds.contains(&number) => Ok(number),
            Ok(number) => Err(format!(
                "{number} {unit} is out of bounds: {least} to {most} are allowed"
            )),
            Err(_) => Err(format!("`{text}` is no whole number of {unit}")),
        };
        self.parsed(variable, &remedy, parse).unwrap_or(default)
    }

    /// The same, in the type in which it is used.
    pub(super) fn count(
        &mut self,
        variable: &'static str,
        default: u32,
        bounds: RangeInclusive<u64>,
        unit: &str,
    ) -> u32 {
        let number = self.number(variable, default.into(), bounds, unit);
        u32::try_from(number).unwrap_or(default)
    }

    /// A time in milliseconds.
    pub(super) fn millis(
        &mut self,
        variable: &'static str,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_millis(self.number(variable, default, bounds, "milliseconds"))
    }

    pub(super) fn problem(
        &mut self,
        variable: &'static str,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem {
            variable,
            rule: rule.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn has_problem_with(&self, variable: &str) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.variable == variable)
    }

    pub(super) fn finish(self) -> (BTreeSet<&'static str>, Vec<Problem>) {
        (self.given, self.problems)
    }
}
