//! Which organisation a command is about.

use crate::{exit::Stop, output::cleaned};
use publisher::id::OrgId;
use std::collections::BTreeMap;
use store::Store;

/// The named organisation.
///
/// Errors: there is none of this name or id.
pub(crate) async fn named(store: &Store, name_or_id: &str) -> anyhow::Result<OrgId> {
    if let Some(found) = store.find_organisation(name_or_id).await? {
        return Ok(found.id);
    }
    let known: Vec<String> = all(store).await?.into_values().collect();
    Err(Stop::failed(
        format!("there is no organisation `{name_or_id}`"),
        remedy(&known),
    )
    .into())
}

/// The named organisation, or none for all.
///
/// Errors: there is none of this name or id.
pub(crate) async fn scope(
    store: &Store,
    name_or_id: Option<&str>,
) -> anyhow::Result<Option<OrgId>> {
    match name_or_id {
        Some(name) => Ok(Some(named(store, name).await?)),
        None => Ok(None),
    }
}

/// The named organisation, or the only one.
///
/// Errors: there is none, or there are several and none was named.
pub(crate) async fn named_or_only(
    store: &Store,
    name_or_id: Option<&str>,
) -> anyhow::Result<OrgId> {
    if let Some(name) = name_or_id {
        return named(store, name).await;
    }
    let all = all(store).await?;
    let mut ids = all.keys();
    if let (Some(only), None) = (ids.next(), ids.next()) {
        return Ok(*only);
    }
    let known: Vec<String> = all.into_values().collect();
    let what = if known.is_empty() {
        "there is no organisation yet"
    } else {
        "there are several organisations"
    };
    Err(Stop::wrong_use(what, remedy(&known)).into())
}

/// Every organisation that has a key, with its name. Those without one can have neither accounts nor posts.
pub(crate) async fn all(store: &Store) -> anyhow::Result<BTreeMap<OrgId, String>> {
    Ok(store
        .list_keys(None)
        .await?
        .into_iter()
        .map(|key| (key.org, key.organisation))
        .collect())
}

/// Lets the names of platforms pass that this database knows; all, where no process has declared any yet.
///
/// Errors: one of them is no platform here.
pub(crate) async fn known_platform(store: &Store, names: &[String]) -> anyhow::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let known: Vec<String> = store
        .list_queues()
        .await?
        .into_iter()
        .map(|queue| queue.name)
        .collect();
    let stranger = names.iter().find(|name| !known.contains(name));
    match stranger {
        Some(name) if !known.is_empty() => Err(Stop::wrong_use(
            format!("--platform: there is no platform `{}`", cleaned(name)),
            format!("name one of: {}", known.join(", ")),
        )
        .into()),
        _ => Ok(()),
    }
}

fn remedy(known: &[String]) -> String {
    if known.is_empty() {
        return "make one with its first key: postrider keys create --org NAME".to_owned();
    }
    format!("name one with --org: {}", known.join(", "))
}
