//! `postrider posts cancel | reschedule | edit | retry`

use super::{account, document, located};
use crate::{
    cli::{CancelPost, EditPost, ReschedulePost, RetryPost},
    cmd::content,
    config::Config,
    confirm::{Plan, consent},
    exit::Stop,
    output::{Output, cleaned, shortened, stamp, when},
    wiring,
};
use engine::{Client, Edit, RetryError};
use serde_json::json;
use store::{PostRow, Store};

const FOLLOW: &str = "`postrider posts show POST` tells how it goes on";

fn client(config: &Config, store: &Store) -> anyhow::Result<Client> {
    wiring::client_for_posts(config, store.clone())
}

/// Which post a verb is about, on one line.
fn named(post: &PostRow) -> String {
    let text = shortened(&post.text, 50);
    format!("{} of {}: {text}", post.platform, account(post))
}

pub(super) async fn cancel(
    ask: &CancelPost,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let (org, post) = located(store, ask.id, ask.of.org.as_deref()).await?;
    if post.shown != "queued" {
        return Err(not_canceled(&post.shown).into());
    }
    let plan = Plan {
        what: "cancels 1 post",
        touches: &[named(&post)],
        undo: "`postrider posts retry` queues it again",
    };
    consent(ask.consent, &plan, output)?;
    if !client(config, store)?.cancel_post(org, post.id).await? {
        let (_, now) = located(store, ask.id, ask.of.org.as_deref()).await?;
        return Err(not_canceled(&now.shown).into());
    }
    if output.is_json() {
        return output.document(&json!({ "id": post.id, "status": "canceled" }));
    }
    output.line("Canceled.")?;
    output.faint(format_args!("Undo it: postrider posts retry {}", post.id))
}

pub(super) async fn reschedule(
    ask: &ReschedulePost,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let (org, post) = located(store, ask.id, ask.of.org.as_deref()).await?;
    let edit = Edit {
        scheduled_at: Some(ask.at),
        ..Edit::default()
    };
    let client = client(config, store)?;
    let moved = Box::pin(client.edit_post(org, post.id, &edit))
        .await
        .map_err(|error| content::refused(error, FOLLOW))?;
    if output.is_json() {
        let at = moved.scheduled_at.map(stamp);
        return output
            .document(&json!({ "id": moved.id, "status": moved.shown, "scheduledAt": at }));
    }
    let (_, now) = store.ping().await?;
    output.line(format_args!("It goes {}.", when(ask.at, now)))
}

pub(super) async fn edit(
    ask: &EditPost,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let (org, post) = located(store, ask.id, ask.of.org.as_deref()).await?;
    let edit = content::edit(&ask.content, ask.at, org, &post, store).await?;
    let client = client(config, store)?;
    let edited = Box::pin(client.edit_post(org, post.id, &edit))
        .await
        .map_err(|error| content::refused(error, FOLLOW))?;
    if output.is_json() {
        return output.document(&document(&edited));
    }
    let (_, now) = store.ping().await?;
    let at = edited.scheduled_at.unwrap_or(now);
    output.line(format_args!("Changed; it goes {}.", when(at, now)))?;
    for warning in edited.warnings.as_array().into_iter().flatten() {
        let said = warning["message"].as_str().unwrap_or_default();
        output.indented(2, &format!("warning: {}", cleaned(said)))?;
    }
    Ok(())
}

pub(super) async fn retry(
    ask: &RetryPost,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let (org, post) = located(store, ask.id, ask.of.org.as_deref()).await?;
    let by = ask.actor.by.as_deref().unwrap_or(&config.operator);
    if !matches!(post.shown.as_str(), "failed" | "rejected" | "canceled") {
        return Err(not_retried(RetryError::Status { status: post.shown }));
    }
    let plan = Plan {
        what: "sends 1 post",
        touches: &[named(&post)],
        undo: "`postrider posts cancel` stops it until it has begun",
    };
    consent(ask.consent, &plan, output)?;
    let client = client(config, store)?;
    let queued = client
        .retry_post(org, post.id, by, ask.at)
        .await
        .map_err(not_retried)?;
    if output.is_json() {
        let at = queued.scheduled_at.map(stamp);
        return output
            .document(&json!({ "id": queued.post, "status": "queued", "scheduledAt": at }));
    }
    output.line("Queued again; what may be public already is looked for first.")?;
    output.faint(format_args!(
        "Follow it: postrider posts show {}",
        queued.post
    ))
}

fn not_canceled(status: &str) -> Stop {
    let what = format!("only a queued post can be canceled; this one is {status}");
    Stop::refused(what, FOLLOW)
}

fn not_retried(error: RetryError) -> anyhow::Error {
    let what = error.to_string();
    match error {
        RetryError::NotFound => Stop::failed(what, "`postrider posts list` shows the ids").into(),
        RetryError::TooSoon => content::too_soon(what).into(),
        RetryError::CannotLook { .. } => Stop::refused(
            what,
            "`postrider dead-letters show POST` says what can be done",
        )
        .into(),
        RetryError::LooksFirst => Stop::refused(what, "leave --at out").into(),
        RetryError::AccountMissing => {
            Stop::refused(what, "connect the account, and send the content anew").into()
        }
        RetryError::Discarded => Stop::refused(
            what,
            "`postrider dead-letters show POST` tells by whom and why",
        )
        .into(),
        RetryError::Status { .. } | RetryError::Raced => Stop::refused(what, FOLLOW).into(),
        RetryError::PlatformGone { .. } => {
            Stop::failed(what, "`postrider doctor` shows the platforms").into()
        }
        RetryError::Store(error) => error.into(),
    }
}
