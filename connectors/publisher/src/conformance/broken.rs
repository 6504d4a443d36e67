//! What a case says when it does not hold.

use crate::failure::Failure;

/// Why a case does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The subject does not give what the case needs.
    #[error("missing: {0}")]
    Missing(String),
    /// The connector does something else than it must.
    #[error("broken: {0}")]
    Broken(String),
}

impl Broken {
    /// The subject lacks something.
    pub fn missing(what: impl Into<String>) -> Self {
        Self::Missing(what.into())
    }

    /// The connector breaks a rule.
    pub fn because(what: impl Into<String>) -> Self {
        Self::Broken(what.into())
    }
}

/// The outcome of a check inside of a case.
pub(super) type Checked<T = ()> = Result<T, Broken>;

/// Breaks the case unless `holds`.
pub(super) fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds {
        Ok(())
    } else {
        Err(Broken::Broken(what()))
    }
}

/// Adds where it happened.
pub(super) trait Whereabouts<T> {
    fn at(self, place: &str) -> Checked<T>;
}

impl<T> Whereabouts<T> for Checked<T> {
    fn at(self, place: &str) -> Self {
        self.map_err(|broken| match broken {
            Broken::Missing(what) => Broken::Missing(what),
            Broken::Broken(what) => Broken::Broken(format!("{place}: {what}")),
        })
    }
}

impl<T> Whereabouts<T> for Result<T, Failure> {
    fn at(self, place: &str) -> Checked<T> {
        self.map_err(|failure| Broken::Broken(format!("{place}: {failure}")))
    }
}
