//! The whole configuration: the only code that reads the environment and `postrider.toml`.
//!
//! Every setting is declared once, in `settings.rs`. They are read once, as a whole, from flags, environment and file, and
//! *every* problem is reported at once with its place, rule and remedy. What is secret is wrapped where it is read and shown
//! by nobody: [`Config`]'s `Debug` and [`Config::effective`] are redacted.
//!
//! It does not know what the numbers do; the structs that they end in say so.

mod file;
mod nearest;
mod problem;
mod reader;
mod reference;
mod setting;
mod settings;
mod values;

pub(crate) use self::{
    problem::{Effective, Problem, Problems, Source},
    reference::{example, reference},
    settings::Config,
};

use self::{
    file::Document,
    reader::{Environment, Flag, Layers, Reader, missing},
    setting::ReadBy,
    settings::ALL,
};
use crate::{cli::Global, fault::Fault};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Names the configuration file, if `--config` does not.
const CONFIG: &str = "POSTRIDER_CONFIG";

/// Is read if nobody names another file.
const CONFIG_HERE: &str = "postrider.toml";

/// A configuration file that says nothing, for a process that must not read another one.
pub(crate) const NO_FILE: (&str, &str) = (CONFIG, "/dev/null");

/// Which of the variables without a default a verb cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// None.
    Nothing,
    /// `DATABASE_URL`.
    Database,
    /// `DATABASE_URL` and `POSTRIDER_MASTER_KEY`.
    DatabaseAndMasterKey,
}

/// What is in effect, for people.
#[derive(Debug)]
struct InEffect {
    effective: Vec<Effective>,
    warnings: Vec<Problem>,
    file: Option<String>,
}

/// Every variable that is read. The demo hands none of the caller's own to the processes that it starts.
pub(crate) fn variables() -> impl Iterator<Item = String> {
    let each = ALL.iter().flat_map(|about| {
        let file = about.file_names().map(|(_, variable)| variable);
        file.into_iter().chain([about.variable.to_owned()])
    });
    each.chain([CONFIG.to_owned()])
}

impl Config {
    /// Reads file and environment of this process under the flags of its command line.
    ///
    /// Errors: every problem there is.
    pub(crate) fn load(flags: &Global, needs: Needs) -> Result<Self, Problems> {
        let (config, problems) = Self::read(layers(flags), needs);
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(Problems(problems))
        }
    }

    /// Reads it as far as it can be read, and says what is wrong with the rest.
    pub(crate) fn load_as_it_is(flags: &Global) -> (Self, Vec<Problem>) {
        Self::read(layers(flags), Needs::DatabaseAndMasterKey)
    }

    fn read(layers: Layers<'_>, needs: Needs) -> (Self, Vec<Problem>) {
        let (mut config, mut problems) = Self::read_all(Reader::new(layers));
        let lacks = |about: &setting::About| match about.read_by {
            ReadBy::EverythingNeeded => config.database_url.is_none() && needs != Needs::Nothing,
            ReadBy::ProcessesNeeded => {
                config.vault.is_none() && needs == Needs::DatabaseAndMasterKey
            }
            _ => false,
        };
        for about in ALL.iter().filter(|about| lacks(about)) {
            let known = |problem: &Problem| problem.key.as_deref() == about.key;
            if !problems.iter().any(known) {
                problems.extend(missing(about));
            }
        }
        config.park(&mut problems);
        (config, problems)
    }

    /// A parked fault writes a file.
    fn park(&mut self, problems: &mut Vec<Problem>) {
        let Some(Fault::Park { reached, .. }) = &mut self.fault else {
            return;
        };
        if let Some(file) = &self.fault_file {
            reached.clone_from(file);
            return;
        }
        self.fault = None;
        problems.push(Problem {
            key: None,
            source: Source::Variable("POSTRIDER_FAULT_FILE".to_owned()),
            rule: "it is not set, and a parked fault writes a file".to_owned(),
            remedy: "name a file to be written".to_owned(),
        });
    }

    /// Every setting with its value and where that was written, in the order of the reference; redacted.
    pub(crate) fn effective(&self) -> &[Effective] {
        &self.in_effect.effective
    }

    /// What was said to nobody: variables with our prefix that nobody reads.
    pub(crate) fn warnings(&self) -> &[Problem] {
        &self.in_effect.warnings
    }

    /// The configuration file that was read, if there is one.
    pub(crate) fn file(&self) -> Option<&str> {
        self.in_effect.file.as_deref()
    }

    /// The database's address without its password, for people.
    pub(crate) fn database_shown(&self) -> Option<String> {
        self.database_url.as_ref().map(values::database_shown)
    }
}

/// From where this process reads its settings.
fn layers(flags: &Global) -> Layers<'static> {
    let named = flags
        .config
        .clone()
        .or_else(|| variable(CONFIG).map(PathBuf::from))
        .filter(|path| !path.as_os_str().is_empty());
    let path = named.as_deref().unwrap_or(Path::new(CONFIG_HERE));
    Layers {
        flags: said_by(flags),
        environment: Environment {
            value: &variable,
            names: names(),
        },
        file: Document::read(path, named.is_some(), ALL),
    }
}

/// The settings that the command line speaks of.
fn said_by(flags: &Global) -> Vec<Flag> {
    let levels = flags
        .log
        .clone()
        .map(|levels| ("POSTRIDER_LOG", "--log", levels));
    let format = flags.log_format.map(|format| {
        (
            "POSTRIDER_LOG_FORMAT",
            "--log-format",
            format.word().to_owned(),
        )
    });
    levels.into_iter().chain(format).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the environment"
)]
fn names() -> Vec<String> {
    std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .collect()
}

#[cfg(test)]
mod tests;
