//! `postrider buckets list | show | pause | resume`

mod show;

use super::{paging, posts::next_cursor, tenant};
use crate::{
    cli::{BucketVerb, InOrg, ListBuckets, PauseBucket, ResumeBucket, WhichBucket},
    config::Config,
    confirm::{Plan, consent},
    exit::{Exit, Stop},
    output::{Output, cleaned, relative, shortened, stamp},
    wiring,
};
use chrono::{DateTime, Utc};
use engine::{Console, Paused, Resumed};
use serde_json::{Value, json};
use store::{BucketFilter, BucketRow, Cursor, Store};

/// Of a platform's accounts no more are counted before it is paused.
const PAUSED_SHOWN: i32 = 1_000;

const REMEDY: &str = "`postrider buckets list` shows accounts and platforms";

/// Runs the verb.
pub(crate) async fn run(
    verb: &BucketVerb,
    config: &Config,
    output: Output,
) -> anyhow::Result<Exit> {
    let store = wiring::store_for_command(config).await?;
    match verb {
        BucketVerb::List(ask) => list(ask, &store, output).await?,
        BucketVerb::Show(ask) => show::show(ask, &store, output).await?,
        BucketVerb::Pause(ask) => pause(ask, config, &store, output).await?,
        BucketVerb::Resume(ask) => resume(ask, config, &store, output).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn list(ask: &ListBuckets, store: &Store, output: Output) -> anyhow::Result<()> {
    let after = paging::read(ask.page.cursor.as_deref())?;
    let org = tenant::scope(store, ask.org.as_deref()).await?;
    let filter = BucketFilter {
        org,
        platform: ask.platform.clone(),
        account: None,
    };
    tenant::known_platform(store, ask.platform.as_slice()).await?;
    let mut buckets = store
        .list_buckets(&filter, after.as_ref(), ask.page.limit + 1)
        .await?;
    let next = next_cursor(&mut buckets, ask.page.limit, |bucket| Cursor {
        at: bucket.created_at,
        id: bucket.account.uuid(),
    });
    if output.is_json() {
        let data: Vec<Value> = buckets.iter().map(document).collect();
        return output.document(&json!({ "data": data, "nextCursor": next }));
    }
    if buckets.is_empty() {
        return output.line("No accounts are connected.");
    }
    let (_, now) = store.ping().await?;
    let rows = buckets.iter().map(|bucket| {
        vec![
            format!("{}\n{}", bucket.account, named(bucket)),
            format!("{}\n{}", bucket.queue, shortened(&bucket.organisation, 30)),
            standing(bucket, now),
            format!("{} queued\n{} running", bucket.queued, bucket.running),
        ]
    });
    output.table(&["account", "platform", "state", "posts"], rows.collect())?;
    match next {
        Some(next) => output.faint(format_args!("More: --cursor {next}")),
        None => Ok(()),
    }
}

fn named(bucket: &BucketRow) -> String {
    let name = bucket.handle.as_ref().or(bucket.display_name.as_ref());
    match (name, &bucket.handle) {
        (Some(name), Some(_)) => format!("@{}", shortened(name, 40)),
        (Some(name), None) => shortened(name, 40),
        (None, _) => bucket.account.to_string(),
    }
}

fn standing(bucket: &BucketRow, now: DateTime<Utc>) -> String {
    let platform = if bucket.queue_paused {
        " (platform)"
    } else {
        ""
    };
    let reason = bucket.reason.as_ref().map_or_else(String::new, |reason| {
        format!(": {}", shortened(&cleaned(reason), 30))
    });
    let until = bucket
        .until
        .map_or_else(String::new, |at| format!("\nopens {}", relative(at, now)));
    format!("{}{platform}{reason}{until}", bucket.state)
}

fn document(bucket: &BucketRow) -> Value {
    json!({
        "accountId": bucket.account,
        "organisation": { "id": bucket.org, "name": bucket.organisation },
        "platform": bucket.queue,
        "displayName": bucket.display_name,
        "handle": bucket.handle,
        "accountStatus": bucket.account_status,
        "state": bucket.state,
        "reason": bucket.reason,
        "platformPaused": bucket.queue_paused,
        "until": bucket.until.map(stamp),
        "queued": bucket.queued,
        "running": bucket.running,
    })
}

async fn pause(
    ask: &PauseBucket,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let by = ask.actor.by.as_ref().unwrap_or(&config.operator);
    let waits = waiting(&ask.which, &ask.of, store).await?;
    let what = match (&ask.which.platform, waits.len()) {
        (Some(platform), 1) => format!("pauses {} with its 1 account", cleaned(platform)),
        (Some(platform), n) => format!("pauses {} with its {n} accounts", cleaned(platform)),
        (None, _) => "pauses 1 account".to_owned(),
    };
    let plan = Plan {
        what: &what,
        touches: &waits,
        undo: "`postrider buckets resume` lets it go on; a post whose deadline passes meanwhile fails",
    };
    consent(ask.consent, &plan, output)?;
    let console = Console::new(store.clone());
    let paused = match (&ask.which.platform, ask.which.account) {
        (Some(platform), _) => console.pause_platform(platform, by).await?,
        (None, Some(account)) => console.pause_account(account, by).await?,
        (None, None) => Paused::Unknown,
    };
    match paused {
        Paused::Now => {}
        Paused::Already(who) => {
            let who = who.map_or_else(String::new, |who| format!(", by {}", cleaned(&who)));
            return Err(Stop::refused(
                format!("{} is paused already{who}", subject(&ask.which)),
                "nothing is left to do; `postrider buckets resume` lets it go on",
            )
            .into());
        }
        Paused::Unknown => return Err(unknown(&ask.which).into()),
    }
    if output.is_json() {
        return output.document(&changed(&ask.which, true, by));
    }
    output.line(format_args!(
        "Paused {}: nothing of it is begun; what runs ends, and a post whose deadline passes meanwhile fails.",
        subject(&ask.which)
    ))
}

/// The accounts that a pause would stop, with what waits in each.
///
/// Errors: there is no such account (in this organisation), or no such platform.
async fn waiting(which: &WhichBucket, of: &InOrg, store: &Store) -> anyhow::Result<Vec<String>> {
    let org = tenant::scope(store, of.org.as_deref()).await?;
    let filter = BucketFilter {
        org,
        platform: which.platform.clone(),
        account: which.account,
    };
    let buckets = store.list_buckets(&filter, None, PAUSED_SHOWN).await?;
    let known = match &which.platform {
        Some(platform) => store
            .list_queues()
            .await?
            .iter()
            .any(|queue| queue.name == *platform),
        None => !buckets.is_empty(),
    };
    if !known {
        return Err(unknown(which).into());
    }
    Ok(buckets
        .iter()
        .map(|bucket| {
            format!(
                "{} {}: {} queued, {} running",
                bucket.queue,
                named(bucket),
                bucket.queued,
                bucket.running
            )
        })
        .collect())
}

async fn resume(
    ask: &ResumeBucket,
    config: &Config,
    store: &Store,
    output: Output,
) -> anyhow::Result<()> {
    let by = ask.actor.by.as_ref().unwrap_or(&config.operator);
    waiting(&ask.which, &ask.of, store).await?;
    let console = Console::new(store.clone());
    let resumed = match (&ask.which.platform, ask.which.account) {
        (Some(platform), _) => console.resume_platform(platform).await?,
        (None, Some(account)) => console.resume_account(account).await?,
        (None, None) => Resumed::Unknown,
    };
    let subject = subject(&ask.which);
    match resumed {
        Resumed::Now => tracing::info!(%subject, by, "resumed"),
        Resumed::NotPaused => {
            return Err(Stop::refused(
                format!("{subject} is not paused"),
                "`postrider buckets list` says what it waits for",
            )
            .into());
        }
        Resumed::NeedsOwner => {
            return Err(Stop::refused(
                format!("{subject} needs its owner"),
                "connect the account again; it goes on by itself then",
            )
            .into());
        }
        Resumed::Unknown => return Err(unknown(&ask.which).into()),
    }
    if output.is_json() {
        return output.document(&changed(&ask.which, false, by));
    }
    output.line(format_args!("Resumed {subject}; the workers were told."))
}

fn subject(which: &WhichBucket) -> String {
    match (&which.platform, which.account) {
        (Some(platform), _) => format!("platform {}", cleaned(platform)),
        (None, Some(account)) => format!("account {account}"),
        (None, None) => "nothing".to_owned(),
    }
}

fn unknown(which: &WhichBucket) -> Stop {
    Stop::failed(format!("there is no {}", subject(which)), REMEDY)
}

fn changed(which: &WhichBucket, paused: bool, by: &str) -> Value {
    json!({
        "accountId": which.account,
        "platform": which.platform,
        "paused": paused,
        "by": by,
    })
}
