//! `postrider config`: checks the configuration, and prints an example and the reference of it.

use crate::{
    cli::ConfigVerb,
    config::{self, Config, Effective, Problem, Problems},
    exit::Exit,
    output::Output,
};
use serde_json::json;

/// Runs one of the verbs; `problems` is what is wrong with `config`.
pub(crate) fn run(
    verb: ConfigVerb,
    config: &Config,
    problems: Vec<Problem>,
    output: Output,
) -> anyhow::Result<Exit> {
    match verb {
        ConfigVerb::Check => return check(config, problems, output),
        ConfigVerb::Example if output.is_json() => {
            output.document(&json!({ "example": config::example() }))?;
        }
        ConfigVerb::Example => output.line(config::example().trim_end())?,
        ConfigVerb::Reference if output.is_json() => {
            output.document(&json!({ "reference": config::reference() }))?;
        }
        ConfigVerb::Reference => output.line(config::reference().trim_end())?,
    }
    Ok(Exit::Done)
}

fn check(config: &Config, problems: Vec<Problem>, output: Output) -> anyhow::Result<Exit> {
    if output.is_json() {
        let exit = if problems.is_empty() {
            Exit::Done
        } else {
            Exit::WrongUse
        };
        output.document(&json!({
            "ok": problems.is_empty(),
            "file": config.file(),
            "settings": config.effective(),
            "problems": problems,
            "warnings": config.warnings(),
        }))?;
        return Ok(exit);
    }
    for warning in config.warnings() {
        output.line(format_args!("warning: {warning}. {}", warning.remedy))?;
    }
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    output.faint(match config.file() {
        Some(file) => format!("the file is {file}"),
        None => "there is no configuration file".to_owned(),
    })?;
    for setting in config.effective() {
        entry(setting, output)?;
    }
    Ok(Exit::Done)
}

/// A setting with its value and where that was written.
pub(crate) fn entry(setting: &Effective, output: Output) -> anyhow::Result<()> {
    let name = setting.key.unwrap_or(setting.variable);
    let value = format!("{}  ({})", setting.value, setting.source);
    output.entry(&format!("{name} ="), &value)
}
