//! `postrider keys create | list | revoke`

use super::tenant;
use crate::{
    cli::{CreateKey, Keys, ListKeys, RevokeKey},
    config::Config,
    confirm::{Plan, consent},
    exit::{Exit, Stop},
    output::{Output, cleaned, relative, since, stamp},
    wiring,
};
use chrono::{DateTime, Utc};
use engine::{Environment, NewKeyRequest};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::{KeyRow, Store};

/// Runs the verb.
pub(crate) async fn run(keys: &Keys, config: &Config, output: Output) -> anyhow::Result<Exit> {
    let store = wiring::store_for_command(config).await?;
    match keys {
        Keys::Create(ask) => create(ask, config, store.clone(), output).await?,
        Keys::List(ask) => list(ask, &store, output).await?,
        Keys::Revoke(ask) => revoke(ask, &store, output).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn create(
    ask: &CreateKey,
    config: &Config,
    store: Store,
    output: Output,
) -> anyhow::Result<()> {
    let client = wiring::client_for_keys(config, store)?;
    let organisation = client.organisation(&ask.org).await?;
    let environment = if ask.test {
        Environment::Test
    } else {
        Environment::Live
    };
    let request = NewKeyRequest {
        org: organisation.id,
        name: &ask.name,
        environment,
        profile: None,
    };
    let made = client.create_key(request).await?;
    if output.is_json() {
        return output.document(&json!({
            "id": made.id,
            "organisation": { "id": organisation.id, "name": organisation.name },
            "name": ask.name,
            "key": made.key.expose_secret(),
            "createdAt": stamp(made.created_at),
        }));
    }
    // The key stands alone on stdout, for `KEY=$(postrider keys create …)`.
    anstream::eprintln!(
        "Key `{}` of {} ({}); it is shown this once:",
        ask.name,
        cleaned(&organisation.name),
        made.id
    );
    output.line(made.key.expose_secret())
}

async fn list(ask: &ListKeys, store: &Store, output: Output) -> anyhow::Result<()> {
    let org = tenant::scope(store, ask.org.as_deref()).await?;
    let keys = store.list_keys(org).await?;
    if output.is_json() {
        let data: Vec<Value> = keys.iter().map(document).collect();
        return output.document(&json!({ "data": data }));
    }
    if keys.is_empty() {
        return output.line("There are no keys yet; make one: postrider keys create --org NAME");
    }
    let (_, now) = store.ping().await?;
    let rows = keys.iter().map(|key| {
        let state = key.revoked_at.map_or_else(
            || used(key, now),
            |at| format!("revoked {}", relative(at, now)),
        );
        vec![
            format!("{}\n{}…{}", key.id, key.prefix, key.last4),
            format!(
                "{}\n{}\n{state}",
                cleaned(&key.organisation),
                cleaned(&key.name)
            ),
            since(key.created_at, now),
        ]
    });
    output.table(&["key", "organisation, name", "made"], rows.collect())
}

fn used(key: &KeyRow, now: DateTime<Utc>) -> String {
    key.last_used_at.map_or_else(
        || "never used".to_owned(),
        |at| format!("used {}", relative(at, now)),
    )
}

fn document(key: &KeyRow) -> Value {
    json!({
        "id": key.id,
        "organisation": { "id": key.org, "name": key.organisation },
        "name": key.name,
        "prefix": key.prefix,
        "last4": key.last4,
        "scopes": key.scopes,
        "profileId": key.profile,
        "createdAt": stamp(key.created_at),
        "lastUsedAt": key.last_used_at.map(stamp),
        "expiresAt": key.expires_at.map(stamp),
        "revokedAt": key.revoked_at.map(stamp),
    })
}

async fn revoke(ask: &RevokeKey, store: &Store, output: Output) -> anyhow::Result<()> {
    let org = tenant::scope(store, ask.of.org.as_deref()).await?;
    let known = store.list_keys(org).await?;
    let Some(key) = known.into_iter().find(|key| key.id == ask.id) else {
        let what = format!("there is no key {}", ask.id);
        return Err(Stop::failed(what, "`postrider keys list` shows the ids").into());
    };
    let already = |at| {
        let what = format!("the key {} was revoked already, {}", ask.id, stamp(at));
        Stop::refused(what, "nothing is left to do")
    };
    if let Some(at) = key.revoked_at {
        return Err(already(at).into());
    }
    let (_, now) = store.ping().await?;
    let plan = Plan {
        what: "revokes 1 key",
        touches: &[format!(
            "{} of {}, {}…{}, {}",
            cleaned(&key.name),
            cleaned(&key.organisation),
            key.prefix,
            key.last4,
            used(&key, now)
        )],
        undo: "it cannot be taken back: whoever uses it is refused at once",
    };
    consent(ask.consent, &plan, output)?;
    let Some(at) = store.revoke_key(ask.id, org).await? else {
        return Err(already(now).into());
    };
    if output.is_json() {
        return output.document(&json!({ "id": ask.id, "revokedAt": stamp(at) }));
    }
    output.line(format_args!(
        "Revoked {}; requests with it are refused from now on.",
        ask.id
    ))
}
