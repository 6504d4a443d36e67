//! `postrider dead-letters list | show | redrive | edit | discard`

mod act;
mod show;

use super::{paging, posts::next_cursor, tenant, timeline::dealt_with};
use crate::{
    cli::{DeadLetters, ListLetters},
    config::Config,
    exit::{Exit, Stop},
    output::{Output, cleaned, shortened, since, stamp},
    wiring,
};
use publisher::id::OrgId;
use serde_json::{Value, json};
use store::{Cursor, LetterFilter, LetterRow, Store};
use uuid::Uuid;

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
        DeadLetters::Show(ask) => show::show(ask, config, &store, output).await?,
        DeadLetters::Redrive(ask) => Box::pin(act::redrive(ask, config, &store, output)).await?,
        DeadLetters::Edit(ask) => Box::pin(act::edit(ask, config, &store, output)).await?,
        DeadLetters::Discard(ask) => act::discard(ask, config, &store, output).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

/// A letter by its id or its post's.
///
/// Errors: there is none, or it is another organisation's.
async fn found(store: &Store, id: Uuid, org: Option<OrgId>) -> anyhow::Result<LetterRow> {
    store
        .get_letter(id, org)
        .await?
        .ok_or_else(|| not_found(id).into())
}

fn not_found(id: Uuid) -> Stop {
    let what = format!("there is no dead letter {id}, and no post {id} has one");
    Stop::failed(what, REMEDY)
}

async fn list(ask: &ListLetters, store: &Store, output: Output) -> anyhow::Result<()> {
    let after = paging::read(ask.page.cursor.as_deref())?;
    let org = tenant::scope(store, ask.org.as_deref()).await?;
    tenant::known_platform(store, ask.platform.as_slice()).await?;
    let (_, now) = store.ping().await?;
    let at = |moment: Option<crate::cli::Moment>| moment.map(|moment| moment.seen_from(now));
    let filter = LetterFilter {
        org,
        platform: ask.platform.clone(),
        account: ask.account,
        class: ask.class.clone(),
        fingerprint: ask.fingerprint.clone(),
        post: None,
        since: at(ask.since),
        until: at(ask.until),
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
            "No such dead letters."
        } else {
            "No such open dead letters; --all shows those that somebody has dealt with, too."
        });
    }
    let rows = letters.iter().map(|letter| {
        let text = shortened(letter.text.as_deref().unwrap_or_default(), 72);
        let dealt = match letter.resolved_at {
            Some(_) => format!(",\n{}", dealt_with(letter)),
            None => String::new(),
        };
        vec![
            format!("{}\n{text}", letter.id),
            format!(
                "{} {}\n{}{dealt}",
                letter.queue,
                account(letter),
                letter.class
            ),
            since(letter.created_at, now),
        ]
    });
    output.table(&["letter", "account, class", "ended"], rows.collect())?;
    match next {
        Some(next) => output.faint(format_args!("More: --cursor {next}")),
        None => {
            output.faint("What happened, and what can be done: postrider dead-letters show LETTER")
        }
    }
}

/// The account as people know it.
fn account(letter: &LetterRow) -> String {
    match (&letter.handle, &letter.display_name) {
        (Some(handle), _) => format!("@{}", shortened(handle, 40)),
        (None, Some(name)) => shortened(name, 40),
        (None, None) if letter.connected => {
            letter.account.map_or_else(String::new, |id| id.to_string())
        }
        (None, None) => "(disconnected)".to_owned(),
    }
}

/// Which letter a verb is about, on one line.
fn named(letter: &LetterRow) -> String {
    let text = shortened(letter.text.as_deref().unwrap_or_default(), 40);
    format!(
        "{} of {}, {}: {text}",
        letter.class,
        letter.queue,
        account(letter)
    )
}

fn document(letter: &LetterRow) -> Value {
    json!({
        "id": letter.id,
        "organisation": { "id": letter.org, "name": letter.organisation },
        "job": letter.job,
        "kind": letter.kind,
        "postId": letter.subject,
        "platform": letter.queue,
        "account": {
            "id": letter.account,
            "displayName": letter.display_name.as_deref().map(cleaned),
            "handle": letter.handle,
            "connected": letter.connected,
        },
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
    })
}
