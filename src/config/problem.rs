//! What is wrong with the configuration, and where that was written.

use serde::{Serialize, Serializer};
use std::fmt;

/// Where a value comes from. As text: `default`, a flag, a variable, or `<file>:<line>:<column>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// A flag of the command line.
    Flag(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A place in the configuration file, both numbers from 1; columns count characters.
    File {
        /// As it was named.
        file: String,
        /// Its line.
        line: usize,
        /// Its column.
        column: usize,
    },
    /// The configuration file as a whole.
    WholeFile(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Variable(name) | Self::WholeFile(name) => f.write_str(name),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What is wrong with one setting, or one place of the file. Never repeats the value of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// The key that it is about, as the file has it or would have it; none where there is none.
    pub(crate) key: Option<String>,
    /// Where it was written, or should have been.
    pub(crate) source: Source,
    /// What rule it breaks.
    pub(crate) rule: String,
    /// What to do.
    pub(crate) remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        if let (Some(key), Source::File { .. }) = (&self.key, &self.source) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.rule)
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for problem in &self.0 {
            write!(f, "\n{problem}\n  remedy: {}", problem.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// One setting with the value that is in effect; a secret is described, not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Effective {
    /// Its name in the file; none if it comes from the environment alone.
    pub(crate) key: Option<&'static str>,
    /// Its name in the environment.
    pub(crate) variable: &'static str,
    /// Its value, redacted.
    pub(crate) value: String,
    /// Where that was written.
    pub(crate) source: Source,
}
