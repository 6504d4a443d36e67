//! The whole story of a post as its ledger and its letters tell it: every attempt, and who dealt with what came of them.

use crate::output::{Output, cleaned, stamp, when};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use store::{AttemptRow, LetterRow};

/// Of a platform's answer no more characters are shown; `--json` has all of it.
const ANSWER_SHOWN: usize = 600;

/// Columns in front of what is told of an entry.
const INDENT: usize = 4;

struct Entry {
    at: DateTime<Utc>,
    number: Option<usize>,
    title: String,
    told: Vec<String>,
}

/// Prints all attempts of a post and the ends of its letters, oldest first.
pub(crate) fn print(
    attempts: &[AttemptRow],
    letters: &[LetterRow],
    now: DateTime<Utc>,
    output: Output,
) -> anyhow::Result<()> {
    if attempts.is_empty() && letters.is_empty() {
        return output.heading("No attempts yet.");
    }
    let mut entries: Vec<Entry> = attempts
        .iter()
        .enumerate()
        .map(|(n, row)| attempted(n + 1, row))
        .chain(letters.iter().flat_map(ended))
        .collect();
    entries.sort_by_key(|entry| entry.at);
    let title = match (attempts.len(), letters.is_empty()) {
        (0, _) => "NO ATTEMPTS, AND WHAT CAME OF THEM".to_owned(),
        (n, true) => format!("ATTEMPTS ({n})"),
        (n, false) => format!("ATTEMPTS ({n}), AND WHAT CAME OF THEM"),
    };
    output.heading(title)?;
    for entry in entries {
        let number = entry
            .number
            .map_or_else(|| "·".to_owned(), |number| number.to_string());
        let at = when(entry.at, now);
        output.line(format_args!("{number:>2}  {at}  {}", entry.title))?;
        for told in entry.told {
            output.indented(INDENT, &told)?;
        }
    }
    Ok(())
}

fn attempted(number: usize, row: &AttemptRow) -> Entry {
    let millis = (row.ended_at - row.started_at).num_milliseconds();
    let mut told = vec![format!("claim {}, {millis} ms", row.claim)];
    let words = [
        row.class.as_deref(),
        row.code.as_deref(),
        row.rule.as_deref(),
    ];
    let mut words: Vec<&str> = words.into_iter().flatten().collect();
    words.dedup();
    if !words.is_empty() {
        told[0] = format!("{}: {}", told[0], words.join(" "));
    }
    if let Some(status) = row.http_status {
        told[0] = format!("{}, HTTP {status}", told[0]);
    }
    told.extend(row.message.as_deref().map(cleaned));
    told.extend(row.platform_response.as_ref().map(answer));
    Entry {
        at: row.started_at,
        number: Some(number),
        title: format!("{}, then {}", row.outcome, row.settlement.replace('_', " ")),
        told,
    }
}

/// A letter is told twice: when the post ended, and when somebody dealt with it.
fn ended(letter: &LetterRow) -> Vec<Entry> {
    let mut entries = vec![Entry {
        at: letter.created_at,
        number: None,
        title: format!("dead letter, {}", letter.class),
        told: vec![letter.id.to_string()],
    }];
    entries.extend(letter.resolved_at.map(|at| {
        Entry {
            at,
            number: None,
            title: dealt_with(letter),
            told: letter
                .resolved_note
                .iter()
                .map(|note| cleaned(note))
                .collect(),
        }
    }));
    entries
}

/// `redriven by ada`
pub(crate) fn dealt_with(letter: &LetterRow) -> String {
    let how = letter.resolved_how.as_deref().unwrap_or("open");
    match &letter.resolved_by {
        Some(by) => format!("{} by {}", how.replace('_', " "), cleaned(by)),
        None => how.to_owned(),
    }
}

fn answer(response: &Value) -> String {
    let text = match response {
        Value::String(text) => cleaned(text),
        other => cleaned(&other.to_string()),
    };
    if text.chars().count() <= ANSWER_SHOWN {
        return format!("answer: {text}");
    }
    let beginning: String = text.chars().take(ANSWER_SHOWN).collect();
    format!("answer: {beginning}… (--json has all of it)")
}

/// An attempt for scripts.
pub(crate) fn document(attempt: &AttemptRow) -> Value {
    json!({
        "job": attempt.job,
        "claim": attempt.claim,
        "startedAt": stamp(attempt.started_at),
        "endedAt": stamp(attempt.ended_at),
        "outcome": attempt.outcome,
        "settlement": attempt.settlement,
        "class": attempt.class,
        "code": attempt.code,
        "message": attempt.message,
        "rule": attempt.rule,
        "httpStatus": attempt.http_status,
        "platformResponse": attempt.platform_response,
    })
}
