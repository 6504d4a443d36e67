//! The voice of the demo: what happens, with the command that would do the same.

use crate::output::Output;
use anstyle::{AnsiColor, Style};
use std::{fmt::Display, io::Write as _};

const TITLE: Style = Style::new().bold();
const COMMAND: Style = AnsiColor::Cyan.on_default();
const DONE: Style = AnsiColor::Green.on_default();
const FAINT: Style = Style::new().dimmed();

/// Tells on stdout, or on stderr when stdout is for JSON. That nobody listens any more is no reason to stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrator {
    aside: bool,
}

impl Narrator {
    pub(super) fn new(output: Output) -> Self {
        Self {
            aside: output.is_json(),
        }
    }

    /// One line.
    pub(super) fn line(self, line: impl Display) {
        let _ = if self.aside {
            writeln!(anstream::stderr(), "{line}")
        } else {
            writeln!(anstream::stdout(), "{line}")
        };
    }

    /// A heading.
    pub(super) fn title(self, title: &str) {
        self.line(format_args!("\n{TITLE}{title}{TITLE:#}"));
    }

    /// Something that has been done.
    pub(super) fn done(self, what: &str) {
        self.line(format_args!("  {DONE}✓{DONE:#} {what}"));
    }

    /// A command that the reader can type.
    pub(super) fn command(self, command: &str) {
        for line in command.lines() {
            self.line(format_args!("  {COMMAND}{line}{COMMAND:#}"));
        }
    }

    /// A remark.
    pub(super) fn remark(self, remark: &str) {
        self.line(format_args!("  {FAINT}{remark}{FAINT:#}"));
    }
}
