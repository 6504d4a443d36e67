//! `postrider vault rotate | status`

use crate::{
    cli::{RotateKeys, VaultVerb},
    config::Config,
    exit::{Exit, Stop},
    output::{Output, since, stamp},
    wiring,
};
use chrono::{DateTime, Utc};
use engine::{Console, RotateError, RotateProgress, Rotated};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use store::{CanaryRow, KeyUseRow, Store};
use vault::Keyring;

const PROCEDURE: &str = "docs/operations/key-rotation.md has the steps";

/// Runs the verb.
pub(crate) async fn run(verb: &VaultVerb, config: &Config, output: Output) -> anyhow::Result<Exit> {
    let store = wiring::store_for_command(config).await?;
    let exit = match verb {
        VaultVerb::Rotate(ask) => rotate(ask, config, store.clone(), output).await?,
        VaultVerb::Status => status(config, &store, output).await?,
    };
    store.close().await;
    Ok(exit)
}

async fn rotate(
    ask: &RotateKeys,
    config: &Config,
    store: Store,
    output: Output,
) -> anyhow::Result<Exit> {
    let vault = wiring::vault(config)?;
    let bar = progress_bar(output);
    let tell = |progress: RotateProgress| show_progress(progress, bar.as_ref(), output);
    let rotated = Console::new(store).rotate(&vault, ask.batch, tell).await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let rotated = rotated.map_err(refusal)?;
    if output.is_json() {
        output.document(&json!({
            "activeKey": rotated.active.to_string(),
            "rewrapped": rotated.rewrapped,
            "unopened": rotated.unopened,
            "left": rotated.left,
            "retiredKeys": rotated.retired,
        }))?;
    } else {
        for line in told(&rotated) {
            output.line(line)?;
        }
    }
    Ok(if rotated.left == 0 && rotated.unopened == 0 {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// A bar on stderr, where that is a terminal and text is wanted.
fn progress_bar(output: Output) -> Option<ProgressBar> {
    if output.is_json() || !std::io::stderr().is_terminal() {
        return None;
    }
    let style = ProgressStyle::with_template("rewrapping {bar:30} {pos} of {len}, {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    Some(ProgressBar::new(0).with_style(style))
}

fn show_progress(progress: RotateProgress, bar: Option<&ProgressBar>, output: Output) {
    let RotateProgress { rewrapped, found } = progress;
    let found = found.max(rewrapped);
    let count = |values: i64| u64::try_from(values).unwrap_or_default();
    match bar {
        Some(bar) => {
            bar.set_length(count(found));
            bar.set_position(count(rewrapped));
        }
        None if output.is_json() => {}
        None => anstream::eprintln!("rewrapped {rewrapped} of {found}"),
    }
}

fn told(rotated: &Rotated) -> Vec<String> {
    let active = rotated.active;
    let mut lines = vec![match rotated.rewrapped {
        0 => format!("Nothing was left to rewrap; the active master key is `{active}`."),
        n => format!("Rewrapped {n} sealed values under master key `{active}`."),
    }];
    if rotated.left > 0 {
        lines.push(format!(
            "{} are under an old key still, because a process seals under it: restart every process with `{active}` in \
             front, then run this again.",
            rotated.left
        ));
    }
    if rotated.unopened > 0 {
        lines.push(format!(
            "{} do not open under the key they name and were left as they are; the log above names them.",
            rotated.unopened
        ));
    }
    for key in &rotated.retired {
        lines.push(format!(
            "Nothing names master key `{key}` any more; it may be dropped from POSTRIDER_MASTER_KEY."
        ));
    }
    lines
}

fn refusal(error: RotateError) -> anyhow::Error {
    let remedy = match &error {
        RotateError::NoNewKey { active } => format!(
            "put the new key in front and keep the old one behind it: export POSTRIDER_MASTER_KEY=<new id>:…,{active}:…; {PROCEDURE}"
        ),
        RotateError::MissingKey { key_id, .. } => format!(
            "add it behind the active key: export POSTRIDER_MASTER_KEY=<active id>:…,{key_id}:…; `postrider vault status` shows all"
        ),
        RotateError::Canary(wrong) if !matches!(wrong, engine::CanaryError::Store(_)) => {
            "use the keys that this database was written with; `postrider doctor` compares them"
                .to_owned()
        }
        _ => return error.into(),
    };
    Stop::refused(error.to_string(), remedy).into()
}

/// A master key with what is known of it.
struct Key {
    id: Option<String>,
    state: &'static str,
    first_seen: Option<DateTime<Utc>>,
    uses: [i64; 3],
}

async fn status(config: &Config, store: &Store, output: Output) -> anyhow::Result<Exit> {
    let vault = wiring::vault(config)?;
    let keys = keys(
        vault.keyring(),
        &store.list_canaries().await?,
        &store.count_key_uses().await?,
    );
    if output.is_json() {
        let data: Vec<Value> = keys.iter().map(document).collect();
        output.document(&json!({ "keys": data }))?;
        return Ok(Exit::Done);
    }
    let (_, now) = store.ping().await?;
    let rows = keys.iter().map(|key| {
        let seen = key
            .first_seen
            .map_or_else(|| "no process yet".to_owned(), |at| since(at, now));
        let mut row = vec![
            key.id.clone().unwrap_or_else(|| "(none)".to_owned()),
            key.state.to_owned(),
            seen,
        ];
        row.extend(key.uses.map(|uses| uses.to_string()));
        row
    });
    let heading = [
        "key",
        "state",
        "first seen",
        "tokens",
        "checkpoints",
        "letters",
    ];
    output.table(&heading, rows.collect())?;
    for key in &keys {
        if let (Some(id), Some(remedy)) = (&key.id, remedy(key)) {
            output.faint(format_args!("{id}: {remedy}"))?;
        }
    }
    Ok(Exit::Done)
}

/// The keys of the ring, the active one first; then those that only the database knows; then values that name none.
fn keys(ring: &Keyring, canaries: &[CanaryRow], uses: &[KeyUseRow]) -> Vec<Key> {
    let listed: Vec<String> = ring.ids().map(|id| id.to_string()).collect();
    let mut ids: Vec<Option<String>> = listed.iter().cloned().map(Some).collect();
    let stored = canaries.iter().map(|canary| Some(canary.key_id.clone()));
    for id in stored.chain(uses.iter().map(|used| used.key_id.clone())) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids.sort_by_key(Option::is_none);
    ids.into_iter()
        .map(|id| {
            let state = match &id {
                None => "damaged",
                Some(id) if listed.first() == Some(id) => "active",
                Some(id) if listed.contains(id) => "retired",
                Some(_) => "unknown",
            };
            let found = uses.iter().find(|row| row.key_id == id);
            Key {
                first_seen: canaries
                    .iter()
                    .find(|canary| Some(&canary.key_id) == id.as_ref())
                    .map(|canary| canary.created_at),
                uses: found.map_or([0; 3], |row| [row.tokens, row.checkpoints, row.letters]),
                id,
                state,
            }
        })
        .collect()
}

fn remedy(key: &Key) -> Option<&'static str> {
    let used = key.uses.iter().any(|uses| *uses > 0);
    match (key.state, used) {
        ("retired", true) => Some("rewrap what it seals: postrider vault rotate"),
        ("retired", false) if key.first_seen.is_some() => {
            Some("nothing names it; postrider vault rotate forgets it")
        }
        ("unknown", true) => Some("add it to POSTRIDER_MASTER_KEY, behind the active key"),
        ("unknown", false) => Some("nothing names it; postrider vault rotate forgets it"),
        _ => None,
    }
}

fn document(key: &Key) -> Value {
    let [tokens, checkpoints, letters] = key.uses;
    json!({
        "id": key.id,
        "state": key.state,
        "firstSeenAt": key.first_seen.map(stamp),
        "tokens": tokens,
        "checkpoints": checkpoints,
        "letters": letters,
    })
}
