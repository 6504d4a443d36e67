//! Wrong use of the command line, told as everything else is: text for people, one JSON document where `--json` was asked for.
//!
//! Where the words cannot be read there is no parsed flag yet, so `--json` is looked for among the words themselves.

use crate::exit::Exit;
use clap::error::ErrorKind;
use serde_json::{Value, json};
use std::{ffi::OsString, process::ExitCode};

/// Says what is wrong with the words of the command line, or prints the help that was asked for.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    let asked = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if !asked && wants_json(std::env::args_os()) {
        anstream::eprintln!("{}", document(error));
        return Exit::WrongUse.into();
    }
    // A reader that closed our output early got what it wanted.
    let _ = error.print();
    if asked { Exit::Done } else { Exit::WrongUse }.into()
}

fn wants_json(mut words: impl Iterator<Item = OsString>) -> bool {
    words.any(|word| word == "--json")
}

/// What clap says, with what it advises apart.
fn document(error: &clap::Error) -> Value {
    let said = error.render().to_string();
    let mut what = Vec::new();
    let mut advice = Vec::new();
    for line in said.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            advice.push(tip.to_owned());
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            advice.push(format!("use it so: {usage}"));
        } else if line.starts_with("For more information") {
            advice.push("--help says more".to_owned());
        } else if advice.is_empty() {
            what.push(line.trim_start_matches("error: ").to_owned());
        }
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        what = vec!["a verb is missing".to_owned()];
        advice = vec!["--help lists the verbs".to_owned()];
    }
    json!({ "error": {
        "message": what.join(" "),
        "remedy": advice.join("; "),
        "exit": Exit::WrongUse as u8,
    } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::Parser as _;

    fn told(line: &str) -> (String, String) {
        let error = Cli::try_parse_from(line.split_whitespace()).unwrap_err();
        let document = document(&error);
        assert_eq!(document["error"]["exit"], 2);
        let word = |name: &str| document["error"][name].as_str().unwrap().to_owned();
        (word("message"), word("remedy"))
    }

    #[test]
    fn wrong_words_make_a_document_of_what_is_wrong_and_what_to_do() {
        let (what, remedy) = told("postrider posts show 17 --json");
        assert!(
            what.contains("'17'") && what.contains("no post id"),
            "{what}"
        );
        assert!(what.contains("postrider posts list"), "{what}");
        assert_eq!(remedy, "--help says more");
        let (what, remedy) = told("postrider posts lits --json");
        assert!(what.contains("unrecognized subcommand 'lits'"), "{what}");
        assert!(remedy.contains("'list'"), "{remedy}");
        let (what, remedy) = told("postrider dead-letters discard --json");
        assert!(what.contains("--reason <TEXT>"), "{what}");
        assert!(
            remedy.contains("use it so: postrider dead-letters discard"),
            "{remedy}"
        );
        let (what, _) = told("postrider");
        assert_eq!(what, "a verb is missing");
    }

    #[test]
    fn json_is_asked_for_by_its_flag_alone() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(wants_json(
            words("postrider posts --json nonsense").into_iter()
        ));
        assert!(!wants_json(words("postrider posts json").into_iter()));
    }
}
