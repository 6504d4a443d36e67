//! Asking before a verb sends something, ends something or stops something.
//!
//! What it will touch is said first, with how many, on stderr; then a yes is asked for. Where nobody can be asked, only
//! `--yes` gives it: a script never waits for an answer, and never acts on one that it did not give.

use crate::{
    cli::Consent,
    exit::Stop,
    output::{FAINT, Output},
};
use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
};

/// At most so many lines are shown of what is touched; the count says the rest.
const SHOWN_MAX: usize = 10;

/// What a verb is about to do.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Behind "This": `cancels 1 post`, with the number of what it touches.
    pub(crate) what: &'a str,
    /// What it touches, one line each.
    pub(crate) touches: &'a [String],
    /// How it is taken back, or that it cannot be.
    pub(crate) undo: &'a str,
}

/// Returns when there is a yes to this plan: given before with `--yes`, or now at the terminal.
///
/// Errors: the answer was no (exit 1); nobody can be asked and `--yes` was not given (exit 2). Nothing was done then.
pub(crate) fn consent(given: Consent, plan: &Plan<'_>, output: Output) -> anyhow::Result<()> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let asks = terminal && !given.yes;
    if asks || !output.is_json() {
        tell(plan)?;
    }
    decide(given, terminal, plan, || {
        anstream::eprint!("Go on? [y/N] ");
        anstream::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer)
    })
}

fn tell(plan: &Plan<'_>) -> io::Result<()> {
    let mut stderr = anstream::stderr();
    writeln!(stderr, "This {}:", plan.what)?;
    let mut line = |line: &dyn Display| writeln!(stderr, "  {line}");
    for touched in plan.touches.iter().take(SHOWN_MAX) {
        line(touched)?;
    }
    if plan.touches.len() > SHOWN_MAX {
        line(&format_args!("and {} more", plan.touches.len() - SHOWN_MAX))?;
    }
    line(&format_args!("{FAINT}{}{FAINT:#}", plan.undo))
}

fn decide(
    given: Consent,
    terminal: bool,
    plan: &Plan<'_>,
    ask: impl FnOnce() -> io::Result<String>,
) -> anyhow::Result<()> {
    if given.yes {
        return Ok(());
    }
    if !terminal {
        return Err(Stop::wrong_use(
            format!("this {}, and there is no terminal to ask on", plan.what),
            "add --yes to have it done without a question",
        )
        .into());
    }
    if is_yes(&ask()?) {
        return Ok(());
    }
    Err(Stop::failed(
        "the answer was not yes",
        "nothing was done; answer y to go on",
    )
    .into())
}

fn is_yes(answer: &str) -> bool {
    let answer = answer.trim();
    answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::code_of;

    fn decided(yes: bool, terminal: bool, answer: Option<&str>) -> Option<u8> {
        let plan = Plan {
            what: "cancels 1 post",
            touches: &[],
            undo: "it cannot be taken back",
        };
        let ask = || Ok(answer.expect("nobody is to be asked").to_owned());
        let decision = decide(Consent { yes }, terminal, &plan, ask);
        decision.err().map(|error| code_of(&error) as u8)
    }

    #[test]
    fn only_a_yes_goes_on_and_only_a_terminal_is_asked() {
        assert_eq!(decided(true, true, None), None);
        assert_eq!(decided(true, false, None), None);
        assert_eq!(decided(false, false, None), Some(2));
        for yes in ["y\n", "Y\n", " yes \n", "YES"] {
            assert_eq!(decided(false, true, Some(yes)), None, "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yep\n", "cancel\n", "y n\n"] {
            assert_eq!(decided(false, true, Some(no)), Some(1), "{no:?}");
        }
    }
}
