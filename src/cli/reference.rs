//! `docs/reference/cli.md` as the definition of the command line makes it, and the test that holds it there.

use super::Cli;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use std::{fmt::Write as _, fs, path::Path};

const PAGE: &str = "docs/reference/cli.md";

const RENEW: &str = "RENEW_DOCS=1 cargo test -p postrider --bin postrider reference";

const BEGINNING: &str = "\
# The command line

Written from the definition in `src/cli/` by `src/cli/reference.rs`; do not edit it by hand.
Renew it with `RENEW_DOCS=1 cargo test -p postrider --bin postrider reference`.

Every verb takes `--json`: one JSON document on stdout, and on stderr `{\"error\": {\"message\", \"remedy\", \"exit\"}}` where it fails, \
wrong flags included; broken rules come as `error.violations`.
Instants in JSON are UTC with milliseconds; text shows them in UTC and relative to the database's clock.

| exit code | means |
|---|---|
| 0 | done |
| 1 | tried and failed, not found, or answered with no |
| 2 | wrong use: flags, arguments, content, configuration; nothing was changed |
| 3 | understood, and refused in this state |

## Verbs that ask

A verb that sends, ends or stops something says what it touches, with how many, and asks `Go on? [y/N]` on the terminal.
With `--yes` nobody is asked; where there is no terminal to ask on, it is needed (exit 2 without it), so a script neither hangs nor acts on an answer it did not give.
What can be repeated or taken back without a trace (`reschedule`, `posts edit`, `resume`, `vault rotate`) does not ask.
";

fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = BEGINNING.to_owned();
    page.push_str("\n## Options of every verb\n\n");
    for arg in root.get_arguments().filter(|arg| arg.is_global_set()) {
        option(&mut page, arg);
    }
    for verb in root.get_subcommands().filter(|verb| is_shown(verb)) {
        section(&mut page, verb, "postrider", 2);
    }
    page
}

fn is_shown(verb: &Command) -> bool {
    !verb.is_hide_set() && verb.get_name() != "help"
}

fn section(page: &mut String, verb: &Command, parent: &str, depth: usize) {
    let name = format!("{parent} {}", verb.get_name());
    let about = verb
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let _ = write!(page, "\n{} {name}\n\n{about}.\n", "#".repeat(depth));
    let long = verb.get_long_about().map(ToString::to_string);
    for more in long.iter().flat_map(|long| long.split("\n\n").skip(1)) {
        let _ = write!(page, "\n{}\n", sentences(more));
    }
    let own: Vec<&Arg> = verb
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    if !verb.has_subcommands() {
        let usage = verb.clone().render_usage().to_string();
        let _ = write!(
            page,
            "\n```\n{}\n```\n",
            usage.trim_start_matches("Usage: ")
        );
    }
    if !own.is_empty() {
        page.push('\n');
    }
    for arg in own {
        option(page, arg);
    }
    for verb in verb.get_subcommands().filter(|verb| is_shown(verb)) {
        section(page, verb, &name, depth + 1);
    }
}

/// One sentence per line, as all pages have it; not within code.
fn sentences(text: &str) -> String {
    let mut lines = String::new();
    let mut in_code = false;
    let mut after_stop = false;
    for c in text.chars() {
        if c == '`' {
            in_code = !in_code;
        }
        if after_stop && c == ' ' && !in_code {
            lines.push('\n');
        } else {
            lines.push(c);
        }
        after_stop = c == '.';
    }
    lines
}

fn option(page: &mut String, arg: &Arg) {
    let values: Vec<String> = arg
        .get_value_names()
        .into_iter()
        .flatten()
        .map(|name| format!("<{name}>"))
        .collect();
    let takes = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    let value = if takes {
        format!(" {}", values.join(" "))
    } else {
        String::new()
    };
    let name = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}{value}"),
        (None, Some(long)) => format!("--{long}{value}"),
        _ => value.trim().to_owned(),
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "- `{name}`: {help}");
    let possible: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if takes && !possible.is_empty() {
        let _ = write!(page, "; one of {}", possible.join(", "));
    }
    let default: Vec<String> = arg
        .get_default_values()
        .iter()
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if takes && !default.is_empty() {
        let _ = write!(page, "; default {}", default.join(", "));
    }
    page.push('\n');
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "whether the page is to be renewed"
)]
fn the_reference_is_what_the_definition_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = page();
    if std::env::var_os("RENEW_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == page,
        "{PAGE} is not what src/cli/ says; renew it: {RENEW}"
    );
}
