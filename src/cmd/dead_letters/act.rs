//! What an operator does about a dead letter: send it again, change and send it, or close it. Each says what it touches and asks.

use super::{document, found, named, not_found};
use crate::{
    cli::{Actor, Discard, EditLetter, Redrive},
    cmd::{content, tenant},
    config::Config,
    confirm::{Plan, consent},
    exit::Stop,
    output::{Output, shortened, stamp, when},
    wiring,
};
use chrono::{DateTime, Utc};
use engine::{
    Client, Console, DiscardError, DiscardRequest, Edit, EditLetterError, EditLetterRequest,
    RedriveError, RedriveRequest,
};
use serde_json::json;
use store::{LetterRow, Store};
use uuid::Uuid;

const HOW_ON: &str = "`postrider posts show POST` tells how it went on";
const CONNECT: &str = "connect the account, and send the content as a new post";

fn operator(actor: &Actor, config: &Config) -> String {
    actor.by.clone().unwrap_or_else(|| config.operator.clone())
}

pub(super) async fn redrive(
    ask: &Redrive,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let request = RedriveRequest {
        letter: ask.id,
        org: tenant::scope(store, ask.of.org.as_deref()).await?,
        by: operator(&ask.actor, config),
        blind: ask.i_checked_it_is_absent,
    };
    let refused = |error| not_redriven(error, ask.id);
    let (console, registry) = (Console::new(store.clone()), wiring::registry(config)?);
    let letter = console
        .check_redrive(&registry, &request)
        .await
        .map_err(refused)?;
    let undo = match (letter.sent_at, request.blind) {
        (Some(_), true) => {
            "Nobody asks the platform: if it is there after all, it is there twice then."
        }
        (Some(_), false) => "The platform is asked first; only what is not there is sent.",
        (None, _) => "`postrider posts cancel` stops it until it has begun.",
    };
    let plan = Plan {
        what: "sends 1 post again",
        touches: &[named(&letter)],
        undo,
    };
    consent(ask.consent, &plan, output)?;
    let redriven = console.redrive(&registry, request).await.map_err(refused)?;
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
    follow(output, redriven.post)
}

pub(super) async fn edit(
    ask: &EditLetter,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let org = tenant::scope(store, ask.of.org.as_deref()).await?;
    let letter = found(store, ask.id, org).await?;
    let client = wiring::client_for_posts(config, store.clone())?;
    let request = EditLetterRequest {
        letter: letter.id.uuid(),
        org,
        by: operator(&ask.actor, config),
        edit: wanted(ask, &letter, store).await?,
    };
    let refused = |error| not_edited(error, &letter);
    let (letter, post) = client.check_edit_letter(&request).await.map_err(refused)?;
    let (_, now) = store.ping().await?;
    let mut touches = vec![named(&letter)];
    touches.extend(changes(&request.edit, &post.text, now));
    let plan = Plan {
        what: "changes 1 post and sends it",
        touches: &touches,
        undo: "`postrider posts cancel` stops it until it has begun; the old content is not kept.",
    };
    consent(ask.consent, &plan, output)?;
    send_edited(&client, &request, &letter, output).await
}

async fn send_edited(
    client: &Client,
    request: &EditLetterRequest,
    letter: &LetterRow,
    output: Output,
) -> anyhow::Result<()> {
    let queued = client
        .edit_letter(request)
        .await
        .map_err(|error| not_edited(error, letter))?;
    if output.is_json() {
        let at = queued.scheduled_at.map(stamp);
        return output.document(&json!({ "postId": queued.post, "scheduledAt": at }));
    }
    output.line("Changed, and on its way as a new generation.")?;
    follow(output, queued.post)
}

/// The edit that is asked for; of a letter that is no post's, none.
async fn wanted(ask: &EditLetter, letter: &LetterRow, store: &Store) -> anyhow::Result<Edit> {
    match store
        .get_post(letter.org, letter.subject.into(), None)
        .await?
    {
        Some(post) => content::edit(&ask.content, ask.at, letter.org, &post, store).await,
        None => Ok(Edit::default()),
    }
}

/// What an edit makes of a post, one line for each of its fields.
fn changes(edit: &Edit, old: &str, now: DateTime<Utc>) -> Vec<String> {
    let text = edit
        .text
        .as_ref()
        .map(|new| format!("text: {} -> {}", shortened(old, 30), shortened(new, 30)));
    let media = edit.media.as_ref().map(|media| match media.len() {
        0 => "media: none".to_owned(),
        n => format!("media: {n}"),
    });
    let at = edit
        .scheduled_at
        .map(|at| format!("time: {}", when(at, now)));
    [text, media, at].into_iter().flatten().collect()
}

pub(super) async fn discard(
    ask: &Discard,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let org = tenant::scope(store, ask.of.org.as_deref()).await?;
    let letter = found(store, ask.id, org).await?;
    if letter.resolved_at.is_none() {
        let plan = Plan {
            what: "discards 1 dead letter",
            touches: &[named(&letter)],
            undo: "It cannot be taken back: its post stays as it ended.",
        };
        consent(ask.consent, &plan, output)?;
    }
    let request = DiscardRequest {
        letter: letter.id.uuid(),
        org,
        by: operator(&ask.actor, config),
        reason: ask.reason.clone(),
    };
    let letter =
        Console::new(store.clone())
            .discard(request)
            .await
            .map_err(|error| match error {
                DiscardError::NotFound => not_found(ask.id).into(),
                DiscardError::NotOpen(_) => Stop::refused(
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

fn follow(output: Output, post: publisher::id::PostId) -> anyhow::Result<()> {
    output.faint(format_args!("Follow it: postrider posts show {post}"))
}

fn not_redriven(error: RedriveError, id: Uuid) -> anyhow::Error {
    let what = error.to_string();
    match error {
        RedriveError::NotFound => not_found(id).into(),
        RedriveError::NotOpen(_) => Stop::refused(what, HOW_ON).into(),
        RedriveError::NotAPost { .. } => {
            Stop::refused(what, "the engine repeats that work by itself").into()
        }
        RedriveError::CannotLook { .. } => Stop::refused(
            what,
            "open the account on the platform and look for the text; if it is not there, repeat this with \
             --i-checked-it-is-absent; if it is, `postrider dead-letters discard`",
        )
        .into(),
        RedriveError::AccountMissing => Stop::refused(what, CONNECT).into(),
        RedriveError::Busy => Stop::refused(
            what,
            "the two could be taken for each other; try it again in a minute",
        )
        .into(),
        RedriveError::Store(error) => error.into(),
    }
}

fn not_edited(error: EditLetterError, letter: &LetterRow) -> anyhow::Error {
    let what = error.to_string();
    match error {
        EditLetterError::NotFound => not_found(letter.id.uuid()).into(),
        EditLetterError::NotOpen(_) => Stop::refused(what, HOW_ON).into(),
        EditLetterError::NotAPost { .. } => {
            Stop::refused(what, "the engine repeats that work by itself").into()
        }
        EditLetterError::Unresolved => Stop::refused(
            what,
            "`postrider dead-letters redrive` finds out, and sends it as it was only if it is not there; or look \
             yourself, discard the letter, and send the new content as a new post",
        )
        .into(),
        EditLetterError::AccountMissing => Stop::refused(what, CONNECT).into(),
        EditLetterError::Edit(error) => content::refused(error, HOW_ON),
    }
}
