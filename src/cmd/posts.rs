//! `postrider posts list | show | cancel | reschedule | edit | retry`

mod change;

use super::{paging, tenant, timeline};
use crate::{
    cli::{ListPosts, Posts, ShowPost},
    config::Config,
    exit::{Exit, Stop},
    output::{Output, cleaned, shortened, since, stamp, when},
    wiring,
};
use chrono::{DateTime, Utc};
use publisher::id::{OrgId, PostId};
use serde_json::{Value, json};
use store::{Cursor, LetterFilter, PostFilter, PostRow, Store};

/// More letters than any post gets.
const LETTERS_MAX: i32 = 1_000;

/// Runs the verb.
pub(crate) async fn run(posts: &Posts, config: &Config, output: Output) -> anyhow::Result<Exit> {
    let store = wiring::store_for_command(config).await?;
    match posts {
        Posts::List(ask) => list(ask, &store, output).await?,
        Posts::Show(ask) => show(ask, &store, output).await?,
        Posts::Cancel(ask) => change::cancel(ask, config, &store, output).await?,
        Posts::Reschedule(ask) => change::reschedule(ask, config, &store, output).await?,
        Posts::Edit(ask) => change::edit(ask, config, &store, output).await?,
        Posts::Retry(ask) => change::retry(ask, config, &store, output).await?,
    }
    store.close().await;
    Ok(Exit::Done)
}

async fn list(ask: &ListPosts, store: &Store, output: Output) -> anyhow::Result<()> {
    let after = paging::read(ask.page.cursor.as_deref())?;
    let org = tenant::named_or_only(store, ask.org.as_deref()).await?;
    tenant::known_platform(store, &ask.platform).await?;
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let filter = PostFilter {
        platforms: some(&ask.platform),
        statuses: some(&ask.status),
        ..PostFilter::default()
    };
    let mut posts = store
        .list_posts(org, &filter, after.as_ref(), ask.page.limit + 1)
        .await?;
    let next = next_cursor(&mut posts, ask.page.limit, |post| Cursor {
        at: post.created_at,
        id: post.id.uuid(),
    });
    if output.is_json() {
        let data: Vec<Value> = posts.iter().map(document).collect();
        return output.document(&json!({ "data": data, "nextCursor": next }));
    }
    if posts.is_empty() {
        return output.line("No such posts.");
    }
    let (_, now) = store.ping().await?;
    let rows = posts.iter().map(|post| {
        let waits = post
            .waiting_reason
            .as_ref()
            .map(|reason| format!(":\n{reason}"))
            .unwrap_or_default();
        vec![
            format!("{}\n{}", post.id, shortened(&post.text, 72)),
            format!("{} {}\n{}{waits}", post.platform, account(post), post.shown),
            since(post.created_at, now),
        ]
    });
    output.table(&["post", "account, status", "accepted"], rows.collect())?;
    match next {
        Some(next) => output.faint(format_args!("More: --cursor {next}")),
        None => Ok(()),
    }
}

/// Cuts what was read beyond the limit, to learn whether there is more.
pub(super) fn next_cursor<Row>(
    rows: &mut Vec<Row>,
    limit: i32,
    cursor: impl Fn(&Row) -> Cursor,
) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or_default();
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last().map(|last| paging::written(&cursor(last)))
}

async fn show(ask: &ShowPost, store: &Store, output: Output) -> anyhow::Result<()> {
    let (org, post) = located(store, ask.id, ask.of.org.as_deref()).await?;
    let attempts = store.list_attempts(org, post.id).await?;
    if output.is_json() {
        let mut post = document(&post);
        post["attempts"] = attempts.iter().map(timeline::document).collect();
        return output.document(&post);
    }
    let (_, now) = store.ping().await?;
    output.facts(&facts(&post, now))?;
    let filter = LetterFilter {
        org: Some(org),
        post: Some(post.id),
        ..LetterFilter::default()
    };
    let letters = store.list_letters(&filter, None, LETTERS_MAX).await?;
    timeline::print(&attempts, &letters, now, output)
}

/// A post with its organisation; without a name all are asked.
///
/// Errors: nobody has it.
async fn located(store: &Store, id: PostId, org: Option<&str>) -> anyhow::Result<(OrgId, PostRow)> {
    let orgs: Vec<OrgId> = match org {
        Some(name) => vec![tenant::named(store, name).await?],
        None => tenant::all(store).await?.into_keys().collect(),
    };
    for org in orgs {
        if let Some(post) = store.get_post(org, id, None).await? {
            return Ok((org, post));
        }
    }
    let remedy = "`postrider posts list --org NAME` shows the ids";
    Err(Stop::failed(format!("there is no post {id}"), remedy).into())
}

fn facts(post: &PostRow, now: DateTime<Utc>) -> Vec<(&'static str, Option<String>)> {
    let at = |instant: Option<DateTime<Utc>>| instant.map(|instant| when(instant, now));
    let waits = post
        .waiting_reason
        .as_ref()
        .map(|reason| match post.waiting_until {
            Some(until) => format!("{reason}, until {}", when(until, now)),
            None => reason.clone(),
        });
    let said = |value: &Value| value.as_str().map(cleaned);
    let error = post.error.as_ref();
    vec![
        ("post", Some(post.id.to_string())),
        ("status", Some(post.shown.clone())),
        ("waits for", waits),
        ("platform", Some(post.platform.clone())),
        ("account", Some(account(post))),
        ("text", Some(cleaned(&post.text))),
        ("accepted", at(Some(post.created_at))),
        ("scheduled", at(post.scheduled_at)),
        ("published", at(post.published_at)),
        ("uri", received(post, "uri").map(cleaned)),
        ("address", received(post, "url").map(cleaned)),
        ("error", error.and_then(|error| said(&error["message"]))),
        ("rule", error.and_then(|error| said(&error["rule"]))),
        (
            "remedy",
            error.and_then(|error| said(&error["remediation"])),
        ),
    ]
}

fn account(post: &PostRow) -> String {
    match (&post.handle, &post.display_name) {
        (Some(handle), _) => format!("@{}", shortened(handle, 40)),
        (None, Some(name)) => shortened(name, 40),
        (None, None) => post
            .platform_account_id
            .as_ref()
            .map_or_else(|| "(disconnected)".to_owned(), |id| shortened(id, 40)),
    }
}

/// One fact of a published post's receipt.
fn received<'a>(post: &'a PostRow, fact: &str) -> Option<&'a str> {
    post.receipt.as_ref()?[fact].as_str()
}

fn document(post: &PostRow) -> Value {
    let waiting = post.waiting_reason.as_ref().map(|reason| {
        json!({ "reason": reason, "since": post.waiting_since.map(stamp), "until": post.waiting_until.map(stamp) })
    });
    json!({
        "id": post.id,
        "batchId": post.batch,
        "profileId": post.profile,
        "account": {
            "id": post.account,
            "platformAccountId": post.platform_account_id,
            "displayName": post.display_name,
            "handle": post.handle,
        },
        "platform": post.platform,
        "status": post.shown,
        "text": post.text,
        "media": post.media,
        "options": post.options,
        "metadata": post.metadata,
        "scheduledAt": post.scheduled_at.map(stamp),
        "publishedAt": post.published_at.map(stamp),
        "uri": received(post, "uri"),
        "cid": received(post, "cid"),
        "url": received(post, "url"),
        "warnings": post.warnings,
        "error": post.error,
        "waiting": waiting,
        "createdAt": stamp(post.created_at),
        "updatedAt": stamp(post.updated_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_list_goes_on_only_if_there_is_more() {
        let cursor = |id: &Uuid| Cursor {
            at: DateTime::UNIX_EPOCH,
            id: *id,
        };
        let mut rows = vec![Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
        assert_eq!(next_cursor(&mut rows, 3, cursor), None);
        let last = rows[1];
        assert_eq!(
            next_cursor(&mut rows, 2, cursor),
            Some(paging::written(&cursor(&last)))
        );
        assert_eq!(rows.len(), 2);
    }
}
