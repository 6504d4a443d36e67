//! `postrider buckets show`: why an account's posts go, or do not go, in words and figures.

use super::{document, named, unknown};
use crate::{
    cli::{ShowBucket, WhichBucket},
    cmd::tenant,
    output::{Output, cleaned, shortened, stamp, when},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use store::{BucketDetail, BucketFilter, BucketLimit, BucketPost, BucketRow, Store};

/// What keeps a bucket closed: by whom, why, until when it lasts by itself, and what a person can do.
struct Closed {
    by: &'static str,
    what: String,
    until: Option<DateTime<Utc>>,
    remedy: String,
}

pub(super) async fn show(ask: &ShowBucket, store: &Store, output: Output) -> anyhow::Result<()> {
    let org = tenant::scope(store, ask.of.org.as_deref()).await?;
    let filter = BucketFilter {
        org,
        platform: None,
        account: Some(ask.account),
    };
    let nobody = || {
        unknown(&WhichBucket {
            account: Some(ask.account),
            platform: None,
        })
    };
    let found = store.list_buckets(&filter, None, 1).await?.pop();
    let bucket = found.ok_or_else(nobody)?;
    let detail = store.read_bucket(bucket.org, bucket.account).await?;
    let detail = detail.ok_or_else(nobody)?;
    let limits = store.list_bucket_limits(bucket.org, bucket.account).await?;
    let posts = store
        .list_bucket_posts(bucket.org, bucket.account, ask.posts)
        .await?;
    let closed = closed(&bucket, &detail, &limits);
    if output.is_json() {
        return output.document(&whole(&bucket, &detail, &closed, &limits, &posts));
    }
    let (_, now) = store.ping().await?;
    output.facts(&facts(&bucket, &detail, now))?;
    tell(&bucket, &detail, &closed, now, output)?;
    print_limits(&limits, now, output)?;
    print_posts(&posts, &bucket, now, output)
}

fn facts(
    bucket: &BucketRow,
    detail: &BucketDetail,
    now: DateTime<Utc>,
) -> Vec<(&'static str, Option<String>)> {
    let counted = |count: i64, what: &str, at: Option<DateTime<Utc>>| {
        (count > 0).then(|| {
            let at = at.map_or_else(String::new, |at| format!(", {what} {}", when(at, now)));
            format!("{count}{at}")
        })
    };
    vec![
        ("account", Some(bucket.account.to_string())),
        ("name", Some(format!("{}, {}", bucket.queue, named(bucket)))),
        ("organisation", Some(cleaned(&bucket.organisation))),
        ("status", Some(bucket.account_status.clone())),
        ("note", detail.status_reason.as_deref().map(cleaned)),
        ("state", Some(bucket.state.clone())),
        ("running", Some(bucket.running.to_string())),
        (
            "due",
            Some(
                counted(detail.due, "the first since", detail.due_since)
                    .unwrap_or_else(|| "0".to_owned()),
            ),
        ),
        ("later", counted(detail.later, "the next", detail.next_at)),
        ("held", counted(detail.held, "", None)),
        ("workers", Some(detail.workers.to_string())),
    ]
}

/// Everything that keeps the bucket closed now, what a person did first.
fn closed(bucket: &BucketRow, detail: &BucketDetail, limits: &[BucketLimit]) -> Vec<Closed> {
    let mut all = Vec::new();
    let account = bucket.account;
    let said = |word: &Option<String>| cleaned(word.as_deref().unwrap_or("nobody knows"));
    if bucket.account_status == "needs_reauth" {
        all.push(Closed {
            by: "owner",
            what: "the account needs its owner".to_owned(),
            until: None,
            remedy: "its owner connects it again; it goes on by itself then".to_owned(),
        });
    } else if detail.paused {
        all.push(Closed {
            by: "person",
            what: format!("the account was paused by {}", said(&detail.paused_by)),
            until: None,
            remedy: format!("postrider buckets resume {account}"),
        });
    }
    if detail.platform_paused {
        all.push(Closed {
            by: "person",
            what: format!(
                "all of {} was paused by {}",
                bucket.queue,
                said(&detail.platform_paused_by)
            ),
            until: None,
            remedy: format!("postrider buckets resume --platform {}", bucket.queue),
        });
    }
    let platform = [
        ("the account", detail.blocked_until, &detail.blocked_by),
        (
            "the platform for all accounts",
            detail.platform_blocked_until,
            &detail.platform_blocked_by,
        ),
    ];
    for (what, until, by) in platform {
        let Some(until) = until else { continue };
        all.push(Closed {
            by: "platform",
            what: format!("{} closed {what}: {}", bucket.queue, said(by)),
            until: Some(until),
            remedy: "nothing: it opens by itself".to_owned(),
        });
    }
    all.extend(
        detail
            .limited_by
            .as_deref()
            .map(|limit| limited(limit, bucket, detail, limits)),
    );
    all
}

/// What a limit, or the send that is unresolved, keeps waiting.
fn limited(
    limit: &str,
    bucket: &BucketRow,
    detail: &BucketDetail,
    limits: &[BucketLimit],
) -> Closed {
    if limit == "verifying" {
        let post = detail
            .unresolved
            .map_or_else(|| "another post".to_owned(), |post| format!("post {post}"));
        return Closed {
            by: "unresolved",
            what: format!(
                "{post} may be public and is being looked for; two at once could be taken for each other"
            ),
            until: bucket.until,
            remedy: "nothing: it goes on when that is known".to_owned(),
        };
    }
    let what = match limits.iter().find(|row| row.name == limit) {
        Some(row) => format!("the limit {limit} is used up: {}", used(row)),
        None if limit == "slots" => "as many run as may run at once".to_owned(),
        None => format!("the limit {limit} is used up"),
    };
    Closed {
        by: "limit",
        what,
        until: bucket.until,
        remedy: "nothing: it opens by itself".to_owned(),
    }
}

fn used(limit: &BucketLimit) -> String {
    let counts = if limit.kind == "slots" {
        "slots"
    } else {
        limit.counts.as_str()
    };
    let taken = limit.dated + limit.reserved;
    match limit.window_ms {
        Some(ms) => format!(
            "{taken} of {} {counts} in any {}",
            limit.max_units,
            span(ms)
        ),
        None => format!("{taken} of {} {counts}", limit.max_units),
    }
}

/// A length of time in its largest whole unit.
fn span(ms: i64) -> String {
    match ms {
        ms if ms % 3_600_000 == 0 => format!("{} h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{} min", ms / 60_000),
        ms => format!("{} s", ms / 1_000),
    }
}

fn tell(
    bucket: &BucketRow,
    detail: &BucketDetail,
    closed: &[Closed],
    now: DateTime<Utc>,
    output: Output,
) -> anyhow::Result<()> {
    if closed.is_empty() {
        output.heading("IT IS OPEN")?;
        let why = if detail.due == 0 && detail.later == 0 && bucket.running == 0 {
            "Nothing waits.".to_owned()
        } else if detail.due == 0 {
            "Nothing is due now.".to_owned()
        } else if detail.workers == 0 {
            format!("No worker serves {}: postrider worker", bucket.queue)
        } else {
            "What is due goes as soon as a worker has a free slot.".to_owned()
        };
        return output.indented(4, &why);
    }
    output.heading("IT IS CLOSED")?;
    for one in closed {
        let until = one
            .until
            .map_or_else(String::new, |at| format!(" until {}", when(at, now)));
        output.indented(4, &format!("{}{until}", one.what))?;
        output.indented(6, &format!("remedy: {}", one.remedy))?;
    }
    Ok(())
}

fn print_limits(limits: &[BucketLimit], now: DateTime<Utc>, output: Output) -> anyhow::Result<()> {
    if limits.is_empty() {
        return Ok(());
    }
    output.heading("LIMITS")?;
    let rows = limits.iter().map(|limit| {
        let own = if limit.own { " (its own)" } else { "" };
        let reserved = match (limit.kind.as_str(), limit.reserved) {
            ("slots", _) | (_, 0) => String::new(),
            (_, n) => format!(", {n} of these under way"),
        };
        vec![
            format!("{}{own}", limit.name),
            format!("{}{reserved}", used(limit)),
            limit
                .frees_at
                .map_or_else(String::new, |at| format!("next freed {}", when(at, now))),
        ]
    });
    output.table(&[], rows.collect())
}

fn print_posts(
    posts: &[BucketPost],
    bucket: &BucketRow,
    now: DateTime<Utc>,
    output: Output,
) -> anyhow::Result<()> {
    if posts.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let rows = posts.iter().map(|post| {
        vec![
            format!("{}\n{}", post.id, shortened(&post.text, 60)),
            standing(post),
            post.run_at
                .map_or_else(|| "when a person says so".to_owned(), |at| when(at, now)),
        ]
    });
    output.table(&["post", "state", "due"], rows.collect())?;
    let all = bucket.queued + i64::from(bucket.running);
    let more = all - i64::try_from(posts.len()).unwrap_or_default();
    if more > 0 {
        output.faint(format_args!("and {more} more: --posts N"))?;
    }
    Ok(())
}

fn standing(post: &BucketPost) -> String {
    let mut words = vec![post.state.clone()];
    words.extend(post.hold_reason.clone());
    words.extend((post.failures > 0).then(|| format!("{} failures", post.failures)));
    words.extend(post.unresolved.then(|| "may be public".to_owned()));
    words.extend(post.stage.clone());
    words.join("\n")
}

fn whole(
    bucket: &BucketRow,
    detail: &BucketDetail,
    closed: &[Closed],
    limits: &[BucketLimit],
    posts: &[BucketPost],
) -> Value {
    let mut told = document(bucket);
    let more = json!({
        "statusReason": detail.status_reason,
        "due": detail.due,
        "dueSince": detail.due_since.map(stamp),
        "later": detail.later,
        "nextAt": detail.next_at.map(stamp),
        "held": detail.held,
        "workers": detail.workers,
        "closed": closed.iter().map(|one| json!({
            "by": one.by,
            "what": one.what,
            "until": one.until.map(stamp),
            "remedy": one.remedy,
        })).collect::<Vec<_>>(),
        "limits": limits.iter().map(|limit| json!({
            "name": limit.name,
            "kind": limit.kind,
            "counts": limit.counts,
            "max": limit.max_units,
            "unitsEach": limit.units,
            "windowSeconds": limit.window_ms.map(|ms| ms / 1_000),
            "zone": limit.zone,
            "own": limit.own,
            "reserved": limit.reserved,
            "used": limit.dated,
            "freesAt": limit.frees_at.map(stamp),
        })).collect::<Vec<_>>(),
        "posts": posts.iter().map(|post| json!({
            "id": post.id,
            "state": post.state,
            "holdReason": post.hold_reason,
            "priority": post.priority,
            "dueAt": post.run_at.map(stamp),
            "failures": post.failures,
            "looks": post.looks,
            "stage": post.stage,
            "unresolved": post.unresolved,
            "giveUpAt": stamp(post.give_up_at),
            "queuedAt": stamp(post.created_at),
            "text": post.text,
        })).collect::<Vec<_>>(),
    });
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    told
}
