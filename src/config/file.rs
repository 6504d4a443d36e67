//! The configuration file: found, read, taken apart key by key.
//!
//! Every problem of it is noted with its line and column, those of its syntax included. What is quoted from it is the name
//! of a key, never a value, because anything may stand in a place where it does not belong.

use super::{
    nearest::nearest,
    problem::{Problem, Source},
    setting::{About, Form},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{ErrorKind, Read as _},
    ops::Range,
    path::Path,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Most bytes of the configuration file, and of a file with a secret.
pub(super) const BYTES_MAX: u64 = 256 * 1024;

/// A value of the file, in the environment's notation, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) source: Source,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// As it was named; none if there is no file.
    pub(super) name: Option<String>,
    /// By key; a secret's by the key that names its file.
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) problems: Vec<Problem>,
}

impl Document {
    /// Reads the file; one that `must_exist` and does not is a problem, another one is as good as empty.
    pub(super) fn read(path: &Path, must_exist: bool, known: &[&About]) -> Self {
        let name = path.display().to_string();
        match text_of(path) {
            Ok(text) => Self::parse(path, &text, known),
            Err((ErrorKind::NotFound, _)) if !must_exist => Self::default(),
            Err((_, rule)) => Self {
                problems: vec![Problem {
                    key: None,
                    source: Source::WholeFile(name.clone()),
                    rule,
                    remedy: "name a readable TOML file with --config or POSTRIDER_CONFIG; `postrider config example` prints one"
                        .to_owned(),
                }],
                name: Some(name),
                ..Self::default()
            },
        }
    }

    /// Takes a text apart as if it were read from `path`.
    pub(super) fn parse(path: &Path, text: &str, known: &[&About]) -> Self {
        let name = path.display().to_string();
        let mut walk = Walk {
            name: &name,
            text,
            folder: path.parent().unwrap_or(Path::new("")),
            known,
            entries: BTreeMap::new(),
            problems: Vec::new(),
            broken: BTreeSet::new(),
        };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            let remedy = match error.message() {
                "duplicate key" => "keep one of the two",
                _ => "correct the syntax; `postrider config example` prints a correct file",
            };
            walk.problem(None, at, error.message(), remedy);
        }
        walk.broken = walk
            .problems
            .iter()
            .map(|problem| line_of(&problem.source))
            .collect();
        walk.table("", table.get_ref());
        let (entries, mut problems) = (walk.entries, walk.problems);
        problems.sort_by_key(|problem| line_of(&problem.source));
        Self {
            name: Some(name),
            entries,
            problems,
        }
    }
}

/// The text of a file of bounded size. Errors: what kind of error it is, and the rule that the file breaks.
pub(super) fn text_of(path: &Path) -> Result<String, (ErrorKind, String)> {
    let cannot = |e: std::io::Error| (e.kind(), format!("it cannot be read: {e}"));
    let file = File::open(path).map_err(cannot)?;
    if file.metadata().map_err(cannot)?.is_dir() {
        return Err((ErrorKind::IsADirectory, "it is a directory".to_owned()));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > BYTES_MAX {
        let rule = format!("it is longer than {} KiB", BYTES_MAX / 1024);
        return Err((ErrorKind::FileTooLarge, rule));
    }
    String::from_utf8(bytes).map_err(|e| {
        let upto = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = upto.split(|byte| *byte == b'\n').count();
        let rule = format!("it is not UTF-8: the first wrong byte is in line {line}");
        (ErrorKind::InvalidData, rule)
    })
}

struct Walk<'a> {
    name: &'a str,
    text: &'a str,
    folder: &'a Path,
    known: &'a [&'a About],
    entries: BTreeMap<String, Entry>,
    problems: Vec<Problem>,
    /// Lines whose syntax is wrong: what else seems wrong there follows from that.
    broken: BTreeSet<usize>,
}

impl Walk<'_> {
    /// Every key of a table; `section` is blank at the top.
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = match section {
                "" => key.get_ref().to_string(),
                section => format!("{section}.{}", key.get_ref()),
            };
            self.key(&path, key.span(), value);
        }
    }

    fn key(&mut self, path: &str, at: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let known = self.known;
        for about in known {
            let Some(key) = about.key else { continue };
            let secret = matches!(about.form, Form::Secret { .. });
            if key == path && secret {
                let rule = "a secret does not belong in this file";
                let remedy = format!(
                    "delete it here, and set {variable} or {variable}_FILE in the environment, or name a file that holds nothing else as {key}_file",
                    variable = about.variable
                );
                return self.problem(Some(path), at.start, rule, remedy);
            }
            if key == path {
                return self.value(path, about.form, value);
            }
            if secret && path.strip_suffix("_file") == Some(key) {
                return self.value(path, Form::Path, value);
            }
        }
        let is_section = known
            .iter()
            .any(|about| about.key.is_some_and(|key| section_of(key) == path));
        match value.get_ref() {
            DeValue::Table(table) if is_section => self.table(path, table),
            other if is_section => {
                let rule = format!("it is a section, and here it is {}", kind_of(other));
                self.problem(
                    Some(path),
                    at.start,
                    rule,
                    format!("write [{path}], and its keys below"),
                );
            }
            other => {
                let is_table = matches!(other, DeValue::Table(_));
                self.unknown(path, at.start, is_table);
            }
        }
    }

    fn unknown(&mut self, path: &str, at: usize, is_table: bool) {
        let keys = self.known.iter().filter_map(|about| {
            let key = about.key?;
            Some(match about.file_names() {
                Some((Some(file), _)) => file,
                _ => key.to_owned(),
            })
        });
        let candidates: Vec<String> = if is_table {
            keys.map(|key| section_of(&key).to_owned()).collect()
        } else {
            keys.collect()
        };
        let rule = if is_table {
            "there is no such section"
        } else {
            "there is no such key"
        };
        let remedy = match nearest(path, candidates.iter().map(String::as_str)) {
            Some(near) => format!(
                "did you mean {near}? Else delete it; `postrider config reference` lists all"
            ),
            None => "delete it; `postrider config reference` lists all".to_owned(),
        };
        self.problem(Some(path), at, rule, remedy);
    }

    /// A known key: its value must have the form that is written down for it.
    fn value(&mut self, path: &str, form: Form, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        match in_notation(form, value.get_ref()) {
            Ok(text) if text.trim().is_empty() => {
                self.problem(
                    Some(path),
                    at,
                    "it is empty",
                    "write a value, or leave the key out",
                );
            }
            Ok(text) => {
                let text = match form {
                    Form::Path => self.folder.join(text).display().to_string(),
                    _ => text,
                };
                let source = self.place(at);
                self.entries.insert(path.to_owned(), Entry { text, source });
            }
            Err(remedy) => {
                let rule = format!("it is {}", kind_of(value.get_ref()));
                self.problem(Some(path), at, rule, remedy);
            }
        }
    }

    fn problem(
        &mut self,
        key: Option<&str>,
        at: usize,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let source = self.place(at);
        if self.broken.contains(&line_of(&source)) {
            return;
        }
        self.problems.push(Problem {
            key: key.map(str::to_owned),
            source,
            rule: rule.into(),
            remedy: remedy.into(),
        });
    }

    fn place(&self, at: usize) -> Source {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Source::File {
            file: self.name.to_owned(),
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

fn line_of(source: &Source) -> usize {
    match source {
        Source::File { line, .. } => *line,
        _ => 0,
    }
}

fn section_of(key: &str) -> &str {
    key.split_once('.').map_or("", |(section, _)| section)
}

/// A value as the environment would write it. Errors: what to write instead.
fn in_notation(form: Form, value: &DeValue<'_>) -> Result<String, &'static str> {
    match (form, value) {
        (Form::Whole { .. }, DeValue::Integer(number)) => {
            let digits = number.as_str().replace('_', "");
            i128::from_str_radix(&digits, number.radix())
                .map(|number| number.to_string())
                .or(Ok(digits))
        }
        (Form::Whole { .. }, _) => Err("write a whole number, without quotes"),
        (Form::List(_), DeValue::Array(all)) => all
            .iter()
            .map(|one| one.get_ref().as_str())
            .collect::<Option<Vec<_>>>()
            .map(|all| all.join(","))
            .ok_or("write an array of strings"),
        (Form::List(_), _) => Err("write an array of strings, such as [\"one\", \"two\"]"),
        (Form::Text(_) | Form::Path | Form::Secret { .. }, DeValue::String(text)) => {
            Ok(text.to_string())
        }
        (Form::Text(_) | Form::Path | Form::Secret { .. }, _) => Err("write a string, in quotes"),
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a section",
    }
}
