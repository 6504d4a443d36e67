//! `postrider completions SHELL`

use crate::{
    cli::{Cli, CompletionsArgs},
    exit::Exit,
    output::Output,
};
use clap::CommandFactory as _;
use serde_json::json;

/// Prints the script of a shell.
pub(crate) fn run(ask: &CompletionsArgs, output: Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(ask.shell, &mut Cli::command(), "postrider", &mut script);
    let script = String::from_utf8(script)?;
    if output.is_json() {
        output.document(&json!({ "shell": ask.shell.to_string(), "script": script }))?;
    } else {
        output.line(script.trim_end())?;
    }
    Ok(Exit::Done)
}
