//! Reads the settings one by one from their layers, and collects what is wrong with all of them.
//!
//! A flag wins over the environment, the environment over the file, the file over the default. What is overridden is still
//! checked: a mistake in the file is a mistake, whoever overrides it.

use super::{
    InEffect,
    file::{Document, Entry, text_of},
    nearest::nearest,
    problem::{Effective, Problem, Source},
    setting::{About, Form, Setting, Unset},
};
use std::{ffi::OsString, path::Path};

/// What our own variables begin with.
const PREFIX: &str = "POSTRIDER_";

/// What the command line says about a setting: its variable, the flag, the value.
pub(super) type Flag = (&'static str, &'static str, String);

/// The environment of a process.
pub(super) struct Environment<'a> {
    /// A variable's value.
    pub(super) value: &'a dyn Fn(&str) -> Option<OsString>,
    /// The names of all of them.
    pub(super) names: Vec<String>,
}

/// From where settings are read.
pub(super) struct Layers<'a> {
    pub(super) flags: Vec<Flag>,
    pub(super) environment: Environment<'a>,
    pub(super) file: Document,
}

/// Reads settings; what cannot be read is noted and counts as not set.
pub(super) struct Reader<'a> {
    layers: Layers<'a>,
    effective: Vec<Effective>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(mut layers: Layers<'a>) -> Self {
        let problems = std::mem::take(&mut layers.file.problems);
        Self {
            layers,
            effective: Vec::new(),
            problems,
        }
    }

    /// The value of the highest layer that has one.
    pub(super) fn value<T>(&mut self, setting: &Setting<T>) -> T {
        let about = &setting.about;
        let mut chosen = None;
        for Entry { text, source } in self.said(about) {
            match (setting.parse)(&about.form, &text) {
                Ok(value) if chosen.is_none() => chosen = Some((value, source)),
                Ok(_) => {}
                Err(rule) => self.problem(about, source, rule, about.remedy()),
            }
        }
        let (value, source) = chosen.unwrap_or_else(|| (setting.fallback(), Source::Default));
        let shown = match (about.unset, &source) {
            (Unset::None { means, .. }, Source::Default) => format!("({means})"),
            _ => (setting.show)(&value),
        };
        self.effective.push(Effective {
            key: about.key,
            variable: about.variable,
            value: shown,
            source,
        });
        value
    }

    /// What each layer says, the highest first.
    fn said(&mut self, about: &About) -> Vec<Entry> {
        let flags = self.layers.flags.iter();
        let flag = flags
            .filter(|(variable, ..)| *variable == about.variable)
            .map(|(_, flag, text)| Entry {
                text: text.clone(),
                source: Source::Flag(flag),
            })
            .next();
        let variable = self.variable(about, about.variable);
        let mut said: Vec<Entry> = flag.into_iter().chain(variable).collect();
        match about.file_names() {
            None => {
                let entry = about.key.and_then(|key| self.layers.file.entries.get(key));
                said.extend(entry.cloned());
            }
            Some((key, variable)) => self.secret_files(about, key, &variable, &mut said),
        }
        said
    }

    /// A variable's text; none if it is not set or blank, which are the same.
    fn variable(&mut self, about: &About, name: &str) -> Option<Entry> {
        let value = (self.layers.environment.value)(name)?;
        let source = Source::Variable(name.to_owned());
        let Ok(text) = value.into_string() else {
            self.problem(about, source, "it is not UTF-8", "write it in UTF-8");
            return None;
        };
        let text = text.trim();
        (!text.is_empty()).then(|| Entry {
            text: text.to_owned(),
            source,
        })
    }

    /// A secret that lies in a file of its own, which the environment or the configuration file names.
    fn secret_files(
        &mut self,
        about: &About,
        key: Option<String>,
        variable: &str,
        said: &mut Vec<Entry>,
    ) {
        let by_variable = self.variable(about, variable);
        if by_variable.is_some() && !said.is_empty() {
            let rule = format!("{} is set, too", about.variable);
            let remedy = "unset one of the two";
            self.problem(about, Source::Variable(variable.to_owned()), rule, remedy);
        }
        let by_key = key.and_then(|key| self.layers.file.entries.get(&key).cloned());
        for Entry { text, source } in by_variable.into_iter().chain(by_key) {
            let remedy = "name a readable file that holds the secret and nothing else";
            match text_of(Path::new(&text)) {
                Ok(secret) if secret.trim().is_empty() => {
                    self.problem(about, source, format!("{text} is empty"), remedy);
                }
                Ok(secret) => said.push(Entry {
                    text: secret.trim().to_owned(),
                    source,
                }),
                Err((_, rule)) => self.problem(about, source, format!("{text}: {rule}"), remedy),
            }
        }
    }

    fn problem(
        &mut self,
        about: &About,
        source: Source,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem {
            key: about.key.map(str::to_owned),
            source,
            rule: rule.into(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn finish(self) -> (InEffect, Vec<Problem>) {
        let warnings = self.layers.environment.unread();
        let in_effect = InEffect {
            effective: self.effective,
            warnings,
            file: self.layers.file.name,
        };
        (in_effect, self.problems)
    }
}

impl Environment<'_> {
    /// Variables with our prefix that nobody reads, because of a typing error perhaps.
    fn unread(&self) -> Vec<Problem> {
        let known: Vec<String> = super::variables().collect();
        let stray = self.names.iter().filter(|name| {
            name.starts_with(PREFIX) && !known.contains(name) && !is_of_a_service(name)
        });
        let warning = |name: &String| Problem {
            key: None,
            source: Source::Variable(name.clone()),
            rule: "nobody reads this variable".to_owned(),
            remedy: match nearest(bare(name), known.iter().map(|known| bare(known))) {
                Some(near) => format!("did you mean {PREFIX}{near}? Else unset it"),
                None => "unset it".to_owned(),
            },
        };
        stray.map(warning).collect()
    }
}

/// A variable's name behind our prefix.
fn bare(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

/// Whether an orchestrator made this variable for a service of our name: `POSTRIDER_PORT_8080_TCP`, `POSTRIDER_SERVICE_HOST`.
fn is_of_a_service(name: &str) -> bool {
    ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT"]
        .iter()
        .any(|part| {
            name.find(part).is_some_and(|at| {
                let rest = &name[at + part.len()..];
                rest.is_empty() || rest.starts_with('_')
            })
        })
}

/// What is said when a secret is needed and nobody says it.
pub(super) fn missing(about: &About) -> Option<Problem> {
    let Form::Secret { missing, .. } = about.form else {
        return None;
    };
    Some(Problem {
        key: about.key.map(str::to_owned),
        source: Source::Variable(about.variable.to_owned()),
        rule: missing.to_owned(),
        remedy: about.remedy(),
    })
}
