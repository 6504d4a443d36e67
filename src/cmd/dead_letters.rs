//! `postrider dead-letters list | show | redrive | discard`

use super::{paging, posts::next_cursor, tenant};
use crate::{
    cli::{DeadLetters, Discard, ListLetters, Redrive, ShowLetter},
    config::Config,
    confirm::{Plan, consent},
    exit::{Exit, Stop},
    output::{Output, cleaned, relative, shortened, since, stamp, when},
    wiring,
};
use chrono::{DateTime, Utc};
use engine::{Console, DiscardError, DiscardRequest, RedriveError, RedriveRequest};
use serde_json::{Value, json};
use store::{Cursor, LetterFilter, LetterRow, Store};

const REMEDY: &str = "`postrider dead-letters list` shows the ids";

/// Runs the verb.
pub(crate) async fn run(
    letters: &DeadLetters,
    config: &Config,
    output: Output,
) -> anyhow::Result<Exit> {
    let store = wiring::store_for_command(config).await?;
    match letters {
        DeadLetters::List(ask) => list(ask, &store, output).await?,
        DeadLetters::Show(ask) => show(ask, &store, output).await?,
        DeadLetters::Discard(ask) => discard(ask, config, store.clone(), output).await?,
        DeadLetters::Redrive(ask) => redrive(ask, config, store.clone(), output).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn list(ask: &ListLetters, store: &Store, output: Output) -> anyhow::Result<()> {
    let after = paging::read(ask.page.cursor.as_deref())?;
    let org = match &ask.org {
        Some(name) => Some(tenant::named(store, name).await?),
        None => None,
    };
    let filter = LetterFilter {
        org,
        platform: ask.platform.clone(),
        class: ask.class.clone(),
        open_only: !ask.all,
    };
    let mut letters = store
        .list_letters(&filter, after.as_ref(), ask.page.limit + 1)
        .await?;
    let next = next_cursor(&mut letters, ask.page.limit, |letter| Cursor {
        at: letter.created_at,
        id: letter.id.uuid(),
    });
    if output.is_json() {
        let data: Vec<Value> = letters.iter().map(document).collect();
        return output.document(&json!({ "data": data, "nextCursor": next }));
    }
    if letters.is_empty() {
        return output.line(if ask.all {
            "No dead letters."
        } else {
            "No open dead letters; --all shows the others."
        });
    }
    let (_, now) = store.ping().await?;
    let rows = letters.iter().map(|letter| {
        let account = letter
            .handle
            .as_ref()
            .map(|handle| format!("\n@{}", shortened(handle, 40)))
            .unwrap_or_default();
        vec![
            format!(
                "{}\n{}",
                letter.id,
                shortened(letter.text.as_deref().unwrap_or_default(), 72)
            ),
            format!("{}\n{}", letter.class, standing(letter)),
            format!("{}{account}", letter.queue),
            since(letter.created_at, now),
        ]
    });
    output.table(&["letter", "class", "account", "ended"], rows.collect())?;
    match next {
        Some(next) => output.faint(format_args!("More: --cursor {next}")),
        None => output.faint("Send an open one again: postrider dead-letters redrive LETTER"),
    }
}

fn standing(letter: &LetterRow) -> &str {
    letter.resolved_how.as_deref().unwrap_or("open")
}

async fn show(ask: &ShowLetter, store: &Store, output: Output) -> anyhow::Result<()> {
    let Some(letter) = store.get_letter(ask.id, None).await? else {
        return Err(Stop::failed(
            format!(
                "there is no dead letter {0}, and no post {0} has one",
                ask.id
            ),
            REMEDY,
        )
        .into());
    };
    if output.is_json() {
        return output.document(&document(&letter));
    }
    let (_, now) = store.ping().await?;
    output.facts(&facts(&letter, now))
}

fn facts(letter: &LetterRow, now: DateTime<Utc>) -> Vec<(&'static str, Option<String>)> {
    let said = |name: &str| letter.failure[name].as_str().map(cleaned);
    let resolved = letter.resolved_at.map(|at| {
        format!(
            "{} by {}, {}",
            standing(letter),
            cleaned(letter.resolved_by.as_deref().unwrap_or("nobody")),
            relative(at, now)
        )
    });
    let ambiguous = "it may be public already: a redrive asks the platform first";
    vec![
        ("letter", Some(letter.id.to_string())),
        ("post", Some(letter.subject.to_string())),
        ("class", Some(letter.class.clone())),
        (
            "note",
            (letter.class == "ambiguous").then(|| ambiguous.to_owned()),
        ),
        ("state", Some(resolved.unwrap_or_else(|| "open".to_owned()))),
        ("reason", letter.resolved_note.as_deref().map(cleaned)),
        ("platform", Some(letter.queue.clone())),
        (
            "account",
            letter
                .handle
                .as_ref()
                .map(|handle| format!("@{}", cleaned(handle))),
        ),
        ("text", letter.text.as_deref().map(cleaned)),
        ("code", said("code")),
        ("message", said("message")),
        ("rule", said("rule")),
        ("remedy", said("remediation")),
        (
            "failures",
            Some(format!(
                "{} (claims {}, looks {})",
                letter.failures, letter.claim, letter.looks
            )),
        ),
        (
            "sent",
            letter
                .sent_at
                .map(|at| format!("{}, with no answer", when(at, now))),
        ),
        ("ended", Some(when(letter.created_at, now))),
    ]
}

async fn redrive(
    ask: &Redrive,
    config: &Config,
    store: Store,
    output: Output,
) -> anyhow::Result<()> {
    let by = ask
        .actor
        .by
        .clone()
        .unwrap_or_else(|| config.operator.clone());
    let letter = store.get_letter(ask.id, None).await?;
    if let Some(letter) = letter.filter(|letter| letter.resolved_at.is_none()) {
        let undo = match (letter.sent_at, ask.i_checked_it_is_absent) {
            (Some(_), true) => {
                "nobody asks the platform first: if it is there already, it is there twice then"
            }
            (Some(_), false) => "the platform is asked first; only what is not there is sent",
            (None, _) => "`postrider posts cancel` stops it until it has begun",
        };
        let plan = Plan {
            what: "sends 1 post again",
            touches: &[named(&letter)],
            undo,
        };
        consent(ask.consent, &plan, output)?;
    }
    let request = RedriveRequest {
        letter: ask.id,
        org: None,
        by,
        blind: ask.i_checked_it_is_absent,
    };
    let redriven = Console::new(store)
        .redrive(request)
        .await
        .map_err(|error| match error {
            RedriveError::NotFound => Stop::failed(error.to_string(), REMEDY).into(),
            RedriveError::NotOpen { .. } => Stop::refused(
                error.to_string(),
                "`postrider posts show POST` tells how it went on",
            )
            .into(),
            RedriveError::NotAPost { .. } => {
                Stop::refused(error.to_string(), "the engine repeats that work by itself").into()
            }
            RedriveError::AccountMissing => Stop::refused(
                error.to_string(),
                "connect the account, and send the content anew; `postrider dead-letters discard` closes the letter",
            )
            .into(),
            RedriveError::Store(error) => anyhow::Error::from(error),
        })?;
    if output.is_json() {
        return output
            .document(&json!({ "postId": redriven.post, "looksFirst": redriven.looks_first }));
    }
    let first = if redriven.looks_first {
        "; the platform is asked first whether it is there already"
    } else {
        ""
    };
    output.line(format_args!("On its way again{first}."))?;
    output.faint(format_args!(
        "Follow it: postrider posts show {}",
        redriven.post
    ))
}

async fn discard(
    ask: &Discard,
    config: &Config,
    store: Store,
    output: Output,
) -> anyhow::Result<()> {
    let letter = store.get_letter(ask.id, None).await?;
    if let Some(letter) = letter.filter(|letter| letter.resolved_at.is_none()) {
        let plan = Plan {
            what: "discards 1 dead letter",
            touches: &[named(&letter)],
            undo: "it cannot be taken back: its post stays as it ended",
        };
        consent(ask.consent, &plan, output)?;
    }
    let request = DiscardRequest {
        letter: ask.id,
        org: None,
        by: ask
            .actor
            .by
            .clone()
            .unwrap_or_else(|| config.operator.clone()),
        reason: ask.reason.clone(),
    };
    let letter = Console::new(store)
        .discard(request)
        .await
        .map_err(|error| match error {
            DiscardError::NotFound => Stop::failed(error.to_string(), REMEDY).into(),
            DiscardError::NotOpen { .. } => Stop::refused(
                error.to_string(),
                "`postrider dead-letters show ID` tells the whole of it",
            )
            .into(),
            DiscardError::Store(error) => anyhow::Error::from(error),
        })?;
    if output.is_json() {
        return output.document(&document(&letter));
    }
    output.line("Discarded; nothing is sent.")
}

/// Which letter a verb is about, on one line.
fn named(letter: &LetterRow) -> String {
    let text = shortened(letter.text.as_deref().unwrap_or_default(), 50);
    format!("{} of {}: {text}", letter.class, letter.queue)
}

fn document(letter: &LetterRow) -> Value {
    json!({
        "id": letter.id,
        "organisationId": letter.org,
        "job": letter.job,
        "kind": letter.kind,
        "postId": letter.subject,
        "platform": letter.queue,
        "class": letter.class,
        "fingerprint": letter.fingerprint,
        "failure": letter.failure,
        "failures": letter.failures,
        "looks": letter.looks,
        "claims": letter.claim,
        "sentAt": letter.sent_at.map(stamp),
        "stage": letter.stage,
        "generation": letter.generation,
        "createdAt": stamp(letter.created_at),
        "resolvedAt": letter.resolved_at.map(stamp),
        "resolvedBy": letter.resolved_by,
        "resolvedHow": letter.resolved_how,
        "resolvedNote": letter.resolved_note,
        "text": letter.text,
        "handle": letter.handle,
    })
}
