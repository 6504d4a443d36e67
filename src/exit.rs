//! How the program ends: four exit codes, and the one error type that chooses among them.
//!
//! An error that is no [`Stop`] ends with [`Exit::Failed`]; its chain of causes is printed once, by `main`.

use crate::config::Problems;
use publisher::Violation;
use std::{io, process::ExitCode};

/// The exit codes that scripts may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Tried and failed, or found something wrong.
    Failed = 1,
    /// Called wrongly: flags, arguments or configuration.
    WrongUse = 2,
    /// Understood, and refused in this state: already revoked, already redriven, the schema is newer.
    Refused = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An end that its reader can do something about.
#[derive(Debug)]
pub(crate) struct Stop {
    /// With which code.
    pub(crate) exit: Exit,
    /// What is the matter, in a sentence without its full stop.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
    /// The rules that the input breaks, where there are several to name.
    pub(crate) violations: Vec<Violation>,
}

impl Stop {
    /// Ends with this code.
    pub(crate) fn new(exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            remedy: remedy.into(),
            violations: Vec::new(),
        }
    }

    /// Ends with [`Exit::WrongUse`], because what was given breaks these rules.
    pub(crate) fn broken(violations: Vec<Violation>) -> Self {
        let what = match violations.len() {
            1 => "the post would break a rule of its platform".to_owned(),
            n => format!("the post would break {n} rules of its platform"),
        };
        Self {
            violations,
            ..Self::wrong_use(what, "nothing was changed; mend what is named")
        }
    }

    /// Ends with [`Exit::Failed`].
    pub(crate) fn failed(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Failed, what, remedy)
    }

    /// Ends with [`Exit::WrongUse`].
    pub(crate) fn wrong_use(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::WrongUse, what, remedy)
    }

    /// Ends with [`Exit::Refused`].
    pub(crate) fn refused(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Exit::Refused, what, remedy)
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Stop {}

/// The code that an error ends with. A reader that closed our output early got what it wanted.
pub(crate) fn code_of(error: &anyhow::Error) -> Exit {
    if is_closed_output(error) {
        return Exit::Done;
    }
    if error.is::<Problems>() {
        return Exit::WrongUse;
    }
    error
        .downcast_ref::<Stop>()
        .map_or(Exit::Failed, |stop| stop.exit)
}

/// What an error says, with its causes; what an effect has repeated from its cause already is said once.
pub(crate) fn told(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.ends_with(&cause) {
            continue;
        }
        if !told.is_empty() {
            told.push_str(": ");
        }
        told.push_str(&cause);
    }
    told
}

/// Whether writing our own output failed. A broken pipe deeper down is another's: a database or a server that went away.
fn is_closed_output(error: &anyhow::Error) -> bool {
    let text = error.downcast_ref().map(io::Error::kind);
    let document = error.downcast_ref::<serde_json::Error>();
    let kind = text.or_else(|| document.and_then(serde_json::Error::io_error_kind));
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn each_error_ends_with_its_code_however_it_is_wrapped() {
        let cases = [
            (Stop::failed("a", "b"), 1),
            (Stop::wrong_use("a", "b"), 2),
            (Stop::refused("a", "b"), 3),
        ];
        for (stop, code) in cases {
            let wrapped = Err::<(), _>(anyhow::Error::from(stop))
                .context("while trying")
                .unwrap_err();
            assert_eq!(code_of(&wrapped) as u8, code);
        }
        assert_eq!(code_of(&Problems(Vec::new()).into()), Exit::WrongUse);
        assert_eq!(code_of(&anyhow::anyhow!("anything else")), Exit::Failed);
    }

    #[test]
    fn a_closed_output_is_no_failure() {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(code_of(&anyhow::Error::from(closed())), Exit::Done);
        let document = serde_json::Error::io(closed());
        assert_eq!(code_of(&anyhow::Error::from(document)), Exit::Done);
    }

    #[test]
    fn a_cause_that_was_repeated_is_told_once() {
        let twice = deep_down(io::Error::other("no such role")).context("the database refused");
        assert_eq!(told(&twice), "the database refused: no such role");
    }

    #[test]
    fn a_connection_that_broke_is_a_failure() {
        let broken = deep_down(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(code_of(&broken), Exit::Failed);
    }

    /// An error with `cause` in its chain, as a database's or an HTTP client's is.
    fn deep_down(cause: io::Error) -> anyhow::Error {
        io::Error::other(cause).into()
    }
}
