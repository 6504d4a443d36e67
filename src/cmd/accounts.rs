//! `postrider accounts list | show | disconnect`

use super::tenant;
use crate::{
    cli::{AccountVerb, DisconnectAccount, ListAccounts, ShowAccount},
    config::Config,
    confirm::{Plan, consent},
    exit::{Exit, Stop},
    output::{Output, cleaned, shortened, since, stamp, when},
    wiring,
};
use chrono::{DateTime, Utc};
use engine::{DisconnectError, DisconnectRequest, Ended};
use publisher::id::{AccountId, OrgId};
use serde_json::{Value, json};
use store::{AccountRow, BucketFilter, Store};

const REMEDY: &str = "`postrider accounts list` shows the ids";

/// An account with its organisation's id and name.
struct Owned {
    org: OrgId,
    organisation: String,
    row: AccountRow,
}

/// Runs the verb.
pub(crate) async fn run(
    verb: &AccountVerb,
    config: &Config,
    output: Output,
) -> anyhow::Result<Exit> {
    let store = wiring::store_for_command(config).await?;
    match verb {
        AccountVerb::List(ask) => list(ask, &store, output).await?,
        AccountVerb::Show(ask) => show(ask, &store, output).await?,
        AccountVerb::Disconnect(ask) => disconnect(ask, config, &store, output).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn list(ask: &ListAccounts, store: &Store, output: Output) -> anyhow::Result<()> {
    let mut orgs = tenant::all(store).await?;
    if let Some(name) = &ask.org {
        let only = tenant::named(store, name).await?;
        orgs.retain(|org, _| *org == only);
    }
    let mut accounts = Vec::new();
    for (org, organisation) in orgs {
        let rows = store
            .list_accounts(org, None, ask.platform.as_deref())
            .await?;
        let with = |row| Owned {
            org,
            organisation: organisation.clone(),
            row,
        };
        accounts.extend(rows.into_iter().map(with));
    }
    accounts.retain(|account| {
        ask.status
            .as_ref()
            .is_none_or(|status| *status == account.row.status)
    });
    if output.is_json() {
        let data: Vec<Value> = accounts.iter().map(document).collect();
        return output.document(&json!({ "data": data }));
    }
    if accounts.is_empty() {
        return output.line("No such accounts.");
    }
    let (_, now) = store.ping().await?;
    let rows = accounts.iter().map(|account| {
        vec![
            format!("{}\n{}", account.row.id, named(&account.row)),
            format!(
                "{}\n{}",
                account.row.platform,
                shortened(&account.organisation, 30)
            ),
            account.row.status.clone(),
            since(account.row.created_at, now),
        ]
    });
    output.table(
        &["account", "platform", "status", "connected"],
        rows.collect(),
    )
}

async fn show(ask: &ShowAccount, store: &Store, output: Output) -> anyhow::Result<()> {
    let account = located(store, ask.id).await?;
    let filter = BucketFilter {
        account: Some(ask.id),
        ..BucketFilter::default()
    };
    let buckets = store.list_buckets(&filter, None, 1).await?;
    let (queued, running) = buckets.first().map_or((0, 0), |b| (b.queued, b.running));
    if output.is_json() {
        let mut shown = document(&account);
        shown["posts"] = json!({ "queued": queued, "running": running });
        return output.document(&shown);
    }
    let (_, now) = store.ping().await?;
    let mut facts = facts(&account, now);
    facts.push(("posts", Some(format!("{queued} queued, {running} running"))));
    output.facts(&facts)
}

async fn disconnect(
    ask: &DisconnectAccount,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let account = located(store, ask.id).await?;
    let live = store.count_live(account.org, ask.id).await?;
    let what = format!("disconnects 1 account and cancels {}", posts(live.canceled));
    let mut touches = vec![format!(
        "{} on {}",
        named(&account.row),
        account.row.platform
    )];
    if live.unresolved > 0 {
        let sent = posts(live.unresolved);
        touches.push(format!(
            "{sent} being sent: nobody will find out what became of it"
        ));
    }
    let plan = Plan {
        what: &what,
        touches: &touches,
        undo: "it cannot be taken back: connected again, it is another account",
    };
    consent(ask.consent, &plan, output)?;
    let request = DisconnectRequest {
        org: account.org,
        account: ask.id,
        api_key: None,
        by: ask.actor.by.as_ref().unwrap_or(&config.operator),
    };
    let client = wiring::client_for_accounts(config, store.clone())?;
    let done = client
        .disconnect_account(request)
        .await
        .map_err(|error| match error {
            DisconnectError::Store(error) => anyhow::Error::from(error),
            DisconnectError::NotFound | DisconnectError::KeyRevoked => unknown(ask.id).into(),
        })?;
    let Ended {
        canceled,
        unresolved,
        published,
    } = done.ended;
    if output.is_json() {
        return output.document(&json!({
            "id": ask.id,
            "deleted": true,
            "canceledPosts": canceled,
            "unresolvedPosts": unresolved,
            "publishedPosts": published,
            "warnings": done.warning.iter().collect::<Vec<_>>(),
        }));
    }
    output.line(format_args!(
        "Disconnected; {} canceled. Its tokens and its profile are deleted.",
        posts(canceled)
    ))?;
    if unresolved > 0 {
        output.line(format_args!(
            "{} may be public: postrider dead-letters list --class ambiguous",
            posts(unresolved)
        ))?;
    }
    match done.warning {
        Some(warning) => output.line(format_args!("Warning: {}", cleaned(&warning.message))),
        None => Ok(()),
    }
}

/// An account, whose ever it is.
///
/// Errors: nobody has it.
async fn located(store: &Store, id: AccountId) -> anyhow::Result<Owned> {
    for (org, organisation) in tenant::all(store).await? {
        if let Some(row) = store.get_account(org, id, None).await? {
            return Ok(Owned {
                org,
                organisation,
                row,
            });
        }
    }
    Err(unknown(id).into())
}

fn unknown(id: AccountId) -> Stop {
    Stop::failed(format!("there is no account {id}"), REMEDY)
}

fn posts(count: i64) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} post{s}")
}

fn named(account: &AccountRow) -> String {
    match (&account.handle, &account.display_name) {
        (Some(handle), _) => format!("@{}", shortened(handle, 40)),
        (None, Some(name)) => shortened(name, 40),
        (None, None) => shortened(&account.platform_account_id, 40),
    }
}

fn facts(account: &Owned, now: DateTime<Utc>) -> Vec<(&'static str, Option<String>)> {
    let row = &account.row;
    vec![
        ("account", Some(row.id.to_string())),
        ("name", Some(named(row))),
        ("platform", Some(row.platform.clone())),
        ("its id there", Some(cleaned(&row.platform_account_id))),
        ("organisation", Some(cleaned(&account.organisation))),
        ("profile", Some(row.profile.to_string())),
        ("status", Some(row.status.clone())),
        ("why", row.status_reason.as_deref().map(cleaned)),
        (
            "scopes",
            (!row.scopes.is_empty()).then(|| cleaned(&row.scopes.join(" "))),
        ),
        ("token ends", row.token_expires_at.map(|at| when(at, now))),
        ("connected", Some(when(row.created_at, now))),
    ]
}

fn document(account: &Owned) -> Value {
    let row = &account.row;
    json!({
        "id": row.id,
        "organisation": { "id": account.org, "name": account.organisation },
        "profileId": row.profile,
        "platform": row.platform,
        "platformAccountId": row.platform_account_id,
        "displayName": row.display_name,
        "handle": row.handle,
        "status": row.status,
        "statusReason": row.status_reason,
        "scopes": row.scopes,
        "tokenExpiresAt": row.token_expires_at.map(stamp),
        "createdAt": stamp(row.created_at),
        "updatedAt": stamp(row.updated_at),
    })
}
