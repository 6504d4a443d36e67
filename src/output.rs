//! What commands print: tables and facts for people, one JSON document for scripts.
//!
//! Text fits the terminal, or 80 columns where there is none; colour appears on a terminal only (and never with NO_COLOR).
//! What users wrote is cleaned of control characters before it reaches a terminal.

mod time;

pub(crate) use time::{relative, since, stamp, when};

use anstyle::{AnsiColor, Style};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde::Serialize;
use std::{fmt::Display, io::Write as _, os::fd::AsFd};
use unicode_width::UnicodeWidthStr as _;

const HEADING: Style = Style::new().bold();
pub(crate) const FAINT: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// Width where there is no terminal.
const COLUMNS: u16 = 80;
/// Tables do not get narrower than this, whatever the terminal says.
const COLUMNS_MIN: u16 = 60;
/// Nor wider.
const COLUMNS_MAX: u16 = 160;

/// An id with the space around it.
const ID_COLUMNS: u16 = 38;

/// An instant with the space around it.
const INSTANT_COLUMNS: u16 = 22;

/// Where a command's result goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    columns: u16,
}

impl Output {
    /// For the terminal that stdout is, if it is one.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            columns: columns_of(std::io::stdout()),
        }
    }

    /// Whether one JSON document is wanted instead of text.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints the JSON document.
    pub(crate) fn document(self, document: &impl Serialize) -> anyhow::Result<()> {
        debug_assert!(self.json, "a document nobody asked for");
        let mut stdout = anstream::stdout();
        serde_json::to_writer(&mut stdout, document)?;
        writeln!(stdout)?;
        Ok(stdout.flush()?)
    }

    /// Prints a line of text.
    pub(crate) fn line(self, line: impl Display) -> anyhow::Result<()> {
        debug_assert!(!self.json, "stdout is for the document alone");
        writeln!(anstream::stdout(), "{line}")?;
        Ok(())
    }

    /// Prints a line that matters less.
    pub(crate) fn faint(self, line: impl Display) -> anyhow::Result<()> {
        self.line(format_args!("{FAINT}{line}{FAINT:#}"))
    }

    /// Prints a table.
    pub(crate) fn table(self, heading: &[&str], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
        let mut lines = table(heading, rows, self.columns).into_iter();
        if let Some(heading) = lines.next() {
            self.line(format_args!("{HEADING}{heading}{HEADING:#}"))?;
        }
        lines.try_for_each(|line| self.line(line))
    }

    /// Prints names with their values, one below the other; what has no value is left out. A value is broken between words
    /// only, so that addresses can be copied.
    pub(crate) fn facts(self, facts: &[(&str, Option<String>)]) -> anyhow::Result<()> {
        let width = facts
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        for (name, value) in facts {
            let Some(value) = value else { continue };
            let label = format!("{HEADING}{name:<width$}{HEADING:#}  ");
            self.behind(&label, width + 2, value)?;
        }
        Ok(())
    }

    /// Prints text behind a label that takes `columns` of the first line; the others begin below it.
    pub(crate) fn behind(self, label: &str, columns: usize, text: &str) -> anyhow::Result<()> {
        let lines = wrapped(text, usize::from(self.columns).saturating_sub(columns));
        let text = lines.join(&format!("\n{:columns$}", ""));
        self.line(format_args!("{label}{text}"))
    }

    /// Prints a line; one that is too wide is a label, and below it the text.
    pub(crate) fn entry(self, label: &str, text: &str) -> anyhow::Result<()> {
        let line = format!("{label} {text}");
        if line.width() <= usize::from(self.columns) {
            return self.line(line);
        }
        self.line(label)?;
        self.indented(4, text)
    }

    /// Prints a heading over what follows.
    pub(crate) fn heading(self, heading: impl Display) -> anyhow::Result<()> {
        self.line(format_args!("\n{HEADING}{heading}{HEADING:#}"))
    }

    /// Prints text behind an indentation, broken between words where a line is full.
    pub(crate) fn indented(self, indent: usize, text: &str) -> anyhow::Result<()> {
        for line in wrapped(text, usize::from(self.columns).saturating_sub(indent)) {
            self.line(format_args!("{:indent$}{line}", ""))?;
        }
        Ok(())
    }
}

/// How wide a terminal is; 80 columns for what is none.
pub(crate) fn columns_of(stream: impl AsFd) -> u16 {
    match rustix::termios::tcgetwinsize(stream) {
        Ok(size) if size.ws_col > 0 => size.ws_col.clamp(COLUMNS_MIN, COLUMNS_MAX),
        _ => COLUMNS,
    }
}

/// The lines of a text, none wider than `columns` but for a word that is. Line breaks stay.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > columns {
                lines.push(std::mem::take(&mut line));
            } else if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// `ok` in green or `wrong` in red, in equal width.
pub(crate) fn verdict(ok: bool) -> String {
    if ok {
        format!("{GOOD}ok   {GOOD:#}")
    } else {
        format!("{BAD}wrong{BAD:#}")
    }
}

/// The text of what a person wrote, on one line of at most `max` characters and without control characters.
pub(crate) fn shortened(text: &str, max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = cleaned(&line);
    if clean.chars().count() <= max {
        return clean;
    }
    clean
        .chars()
        .take(max.saturating_sub(1))
        .chain(['…'])
        .collect()
}

/// The text of what a person wrote, without control characters but for its line breaks.
pub(crate) fn cleaned(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn is_id(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok()
}

/// Whether a cell begins with an instant, as [`since`] writes it.
fn is_instant(cell: &str) -> bool {
    let line = cell.lines().next().unwrap_or_default();
    line.len() == 20 && line.ends_with('Z') && line.as_bytes()[10] == b' '
}

fn table(heading: &[&str], rows: Vec<Vec<String>>, columns: u16) -> Vec<String> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(columns);
    if !heading.is_empty() {
        table.set_header(heading.iter().map(|name| name.to_uppercase()));
    }
    let has_ids = rows
        .iter()
        .filter_map(|row| row.first())
        .any(|cell| cell.lines().next().is_some_and(is_id));
    let instants: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .filter(|n| rows.iter().any(|row| is_instant(&row[*n])))
        .collect();
    table.add_rows(rows);
    // Whole, so that it can be copied.
    let ids = has_ids.then_some((0, ID_COLUMNS));
    let whole = instants.into_iter().map(|n| (n, INSTANT_COLUMNS));
    for (n, columns) in ids.into_iter().chain(whole) {
        if let Some(column) = table.column_mut(n) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(columns)));
        }
    }
    table
        .trim_fmt()
        .lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Vec<String> {
        vec![
            format!(
                "0199f0a1-1111-7222-8333-444455556666\n{}",
                shortened(&"lorem ipsum ".repeat(30), 72)
            ),
            "bluesky @a-rather-long-handle.bsky.social\naccount_blocked".to_owned(),
            "2026-11-21 03:22:10Z\n3 min ago".to_owned(),
        ]
    }

    #[test]
    fn a_table_is_readable_at_80_columns() {
        let lines = table(
            &["post", "account", "accepted"],
            vec![row(), row()],
            COLUMNS,
        );
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{lines:#?}"
        );
        assert!(lines[0].starts_with("POST"), "{lines:#?}");
        assert!(
            lines
                .iter()
                .any(|line| line.contains("0199f0a1-1111-7222-8333-444455556666")),
            "ids stay whole: {lines:#?}"
        );
        assert!(
            lines
                .iter()
                .any(|line| line.contains("2026-11-21 03:22:10Z")),
            "instants stay whole: {lines:#?}"
        );
    }

    #[test]
    fn a_table_without_rows_is_its_heading() {
        assert_eq!(
            table(&["post", "status"], vec![], COLUMNS),
            ["POST  STATUS"]
        );
    }

    #[test]
    fn a_value_is_broken_between_words_and_only_there() {
        let address = "https://example.com/".repeat(5);
        let text = format!("one two three {address} four\nfive");
        let lines = wrapped(&text, 10);
        assert_eq!(lines, ["one two", "three", &address, "four", "five"]);
        assert_eq!(
            wrapped("漢字 漢字 漢字", 10),
            ["漢字 漢字", "漢字"],
            "two columns each"
        );
        assert_eq!(wrapped("", 10), Vec::<String>::new());
    }

    #[test]
    fn long_text_is_cut_and_cannot_move_the_cursor() {
        assert_eq!(shortened("a\u{1b}[31mb\nc", 10), "a\u{fffd}[31mb c");
        assert_eq!(shortened("abcdef", 4), "abc…");
        assert_eq!(cleaned("a\nb\u{7}"), "a\nb\u{fffd}");
    }
}
