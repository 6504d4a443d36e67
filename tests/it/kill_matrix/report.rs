//! What a cell of the kill matrix came to, and the table of all of them.

use crate::ending::Ending;
use publisher::fake::Entry;
use std::{collections::BTreeMap, time::Duration};

/// What the worker had done when it died.
#[derive(Debug)]
pub(super) struct AtDeath {
    /// `job:claim` of every claim that it left behind.
    pub(super) claims: Vec<String>,
    /// Jobs with a send mark.
    pub(super) marked: i64,
    /// Posts that were public by then.
    pub(super) effective: usize,
}

/// One line of the table.
pub(super) struct Row {
    pub(super) platform: &'static str,
    pub(super) point: &'static str,
    pub(super) at_death: AtDeath,
    pub(super) endings: BTreeMap<String, usize>,
    pub(super) outcomes: BTreeMap<String, usize>,
    pub(super) sends: usize,
    pub(super) took: Duration,
}

pub(super) fn row(
    platform: &'static str,
    point: &'static str,
    at_death: AtDeath,
    endings: &[Ending],
    entries: &[Entry],
    took: Duration,
) -> Row {
    let mut row = Row {
        platform,
        point,
        at_death,
        endings: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        sends: entries.len(),
        took,
    };
    for ending in endings {
        *row.endings.entry(ending.word()).or_default() += 1;
        for outcome in ending.outcomes() {
            *row.outcomes.entry(outcome.to_owned()).or_default() += 1;
        }
    }
    row
}

pub(super) fn table(rows: &[Row]) -> String {
    let counted = |counts: &BTreeMap<String, usize>| {
        let each: Vec<String> = counts
            .iter()
            .map(|(word, n)| format!("{n} {word}"))
            .collect();
        each.join(", ")
    };
    let mut text = format!(
        "\n{:<10} {:<21} {:>7} {:>6} {:>6} | {:<28} {:>5} {:>5} | {}\n",
        "platform",
        "killed at",
        "running",
        "marked",
        "public",
        "posts in the end",
        "sends",
        "took",
        "attempts"
    );
    for row in rows {
        let AtDeath {
            claims,
            marked,
            effective,
        } = &row.at_death;
        let line = format!(
            "{:<10} {:<21} {:>7} {marked:>6} {effective:>6} | {:<28} {:>5} {:>4}s | {}\n",
            row.platform,
            row.point,
            claims.len(),
            counted(&row.endings),
            row.sends,
            row.took.as_secs(),
            counted(&row.outcomes),
        );
        text.push_str(&line);
    }
    text
}
