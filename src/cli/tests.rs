//! The command line as a whole.

use super::{values::name, *};
use clap::{CommandFactory as _, error::ErrorKind};

fn refused(line: &str) -> (ErrorKind, String) {
    let error = Cli::try_parse_from(line.split_whitespace()).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_verb_and_flag_has_a_help_text() {
    fn walk(command: &clap::Command) {
        assert!(
            command.get_about().is_some(),
            "{} has no help",
            command.get_name()
        );
        for argument in command.get_arguments() {
            assert!(
                argument.get_help().is_some(),
                "{} of {}",
                argument.get_id(),
                command.get_name()
            );
        }
        command.get_subcommands().for_each(walk);
    }
    let mut command = Cli::command();
    command.build();
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        walk(verb);
    }
}

#[test]
fn wrong_use_exits_with_2_and_says_what_to_do() {
    for line in [
        "postrider",
        "postrider nonsense",
        "postrider keys create",
        "postrider posts list --status lost",
        "postrider buckets pause",
        "postrider vault rotate --batch 0",
    ] {
        assert_eq!(
            Cli::try_parse_from(line.split_whitespace())
                .unwrap_err()
                .exit_code(),
            2,
            "{line}"
        );
    }
    assert!(
        refused("postrider posts show 17")
            .1
            .contains("postrider posts list")
    );
    assert!(
        refused("postrider keys revoke lmp_live_x")
            .1
            .contains("postrider keys list")
    );
    assert!(
        refused("postrider dead-letters redrive x")
            .1
            .contains("postrider dead-letters list")
    );
    assert_eq!(
        refused("postrider posts list --limit 0").0,
        ErrorKind::ValueValidation
    );
}

#[test]
fn global_flags_stand_before_or_behind_the_verb() {
    for line in [
        "postrider --json keys list",
        "postrider keys list --json",
        "postrider keys --json list",
    ] {
        assert!(
            Cli::try_parse_from(line.split_whitespace())
                .unwrap()
                .global
                .json,
            "{line}"
        );
    }
}

#[test]
fn a_name_cannot_be_empty_or_endless() {
    assert_eq!(name::<5>("  Ada "), Ok("Ada".to_owned()));
    assert!(
        name::<5>("  ").is_err() && name::<5>("Adaaaa").is_err() && name::<5>("A\u{0}").is_err()
    );
}
