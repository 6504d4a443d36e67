//! One dead letter: what happened, the whole way there, and what can be done.

use super::{account, document, found};
use crate::{
    cli::ShowLetter,
    cmd::{
        tenant,
        timeline::{self, dealt_with},
    },
    config::Config,
    output::{Output, cleaned, stamp, when},
    wiring,
};
use chrono::{DateTime, Utc};
use publisher::ReadBack;
use serde_json::{Value, json};
use store::{LetterFilter, LetterRow, Store};

/// More letters than any post gets.
const LETTERS_MAX: i32 = 1_000;

pub(super) async fn show(
    ask: &ShowLetter,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let letter = found(
        store,
        ask.id,
        tenant::scope(store, ask.of.org.as_deref()).await?,
    )
    .await?;
    let attempts = store
        .list_attempts(letter.org, letter.subject.into())
        .await?;
    let filter = LetterFilter {
        org: Some(letter.org),
        post: Some(letter.subject.into()),
        ..LetterFilter::default()
    };
    let mut letters = store.list_letters(&filter, None, LETTERS_MAX).await?;
    letters.reverse();
    if output.is_json() {
        let mut told = document(&letter);
        told["attempts"] = attempts.iter().map(timeline::document).collect();
        told["history"] = letters.iter().map(passed).collect();
        return output.document(&told);
    }
    let (_, now) = store.ping().await?;
    output.facts(&facts(&letter, now))?;
    timeline::print(&attempts, &letters, now, output)?;
    if letter.resolved_at.is_some() || letter.kind != "publish" {
        return Ok(());
    }
    let registry = wiring::registry(config)?;
    let can_look = registry
        .get(&letter.queue)
        .is_none_or(|connector| connector.habits.read_back != ReadBack::None);
    output.heading("WHAT CAN BE DONE")?;
    for (when, command) in advice(&letter, can_look) {
        output.indented(4, &when)?;
        // Not broken, so that it can be copied.
        output.line(format_args!("      {command}"))?;
    }
    Ok(())
}

fn passed(letter: &LetterRow) -> Value {
    json!({
        "id": letter.id,
        "class": letter.class,
        "generation": letter.generation,
        "createdAt": stamp(letter.created_at),
        "resolvedAt": letter.resolved_at.map(stamp),
        "resolvedBy": letter.resolved_by,
        "resolvedHow": letter.resolved_how,
        "resolvedNote": letter.resolved_note,
    })
}

fn facts(letter: &LetterRow, now: DateTime<Utc>) -> Vec<(&'static str, Option<String>)> {
    let said = |name: &str| letter.failure[name].as_str().map(cleaned);
    let state = letter.resolved_at.map_or_else(
        || "open".to_owned(),
        |at| format!("{}, {}", dealt_with(letter), when(at, now)),
    );
    vec![
        ("letter", Some(letter.id.to_string())),
        ("post", Some(letter.subject.to_string())),
        ("state", Some(state)),
        ("reason", letter.resolved_note.as_deref().map(cleaned)),
        ("class", Some(letter.class.clone())),
        ("ended", Some(when(letter.created_at, now))),
        (
            "sent",
            letter
                .sent_at
                .map(|at| format!("{}, with no answer: it may be public", when(at, now))),
        ),
        ("organisation", Some(cleaned(&letter.organisation))),
        (
            "account",
            Some(format!("{}, {}", letter.queue, account(letter))),
        ),
        ("text", letter.text.as_deref().map(cleaned)),
        ("code", said("code")),
        ("message", said("message")),
        ("rule", said("rule")),
        ("remedy", said("remediation")),
        ("fault", Some(cleaned(&letter.fingerprint))),
        (
            "counted",
            Some(format!(
                "claims {}, failures {}, looks {}, generation {}",
                letter.claim, letter.failures, letter.looks, letter.generation
            )),
        ),
    ]
}

/// What an operator may do about an open letter: when, and how.
fn advice(letter: &LetterRow, can_look: bool) -> Vec<(String, String)> {
    let id = letter.id;
    let redrive = format!("postrider dead-letters redrive {id}");
    let edit = format!("postrider dead-letters edit {id} --text TEXT");
    let discard = format!("postrider dead-letters discard {id} --reason TEXT");
    let told = |when: &str, command: String| (when.to_owned(), command);
    if !letter.connected {
        let when = "Its account is not connected any more: send the content as a new post, and close this.";
        return vec![told(when, discard)];
    }
    if letter.sent_at.is_some() && can_look {
        return vec![
            told(
                "Let the platform be asked, and what is not there be sent:",
                redrive,
            ),
            told("Or look for it yourself, and close this:", discard),
        ];
    }
    if letter.sent_at.is_some() {
        let look = format!(
            "{} cannot be asked. Open the account there and look for the text. If it is there:",
            letter.queue
        );
        let blind = format!("{redrive} --i-checked-it-is-absent");
        return vec![told(&look, discard), told("If it is not:", blind)];
    }
    let again = match letter.class.as_str() {
        "rejected" => "Send it as it was, where the platform's mind has changed:",
        "account_blocked" => "Send it when its owner has connected the account again:",
        "expired" => "Send it, if it is still wanted:",
        "poison" => "Workers died of it. Read their logs for its job, and only then send it again:",
        _ => "Send it again when the cause is gone:",
    };
    let mut all = vec![
        told(again, redrive),
        told("Change its content and send it:", edit),
        told("Close it; nothing is sent:", discard),
    ];
    if letter.class == "rejected" {
        all.swap(0, 1);
    }
    all
}
