//! The kill matrix: a worker dies by SIGKILL at each named point, on each platform; another one takes over.
//!
//! A cell is one point on one platform, with a database, fakes and processes of its own. Afterwards every post has ended or
//! is held with a reason, nothing is public twice, nothing is missing unless a dead letter says that nobody can know, and
//! the ledger of attempts tells of every claim that was lost. A worker that does not die at its point fails the cell: a
//! point that is not passed is no proof.

mod report;

use self::report::{AtDeath, Row};
use crate::{
    ending::Ending,
    fleet::{Fleet, PLATFORMS, TOY_PASSWORD, did},
    process::LOOK_EVERY,
};
use publisher::{fault::POINTS, id::PostId};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// The point that only a refresh passes.
const REFRESH: &str = "refresh.after_answer";

/// How long a worker may take to reach its point.
const REACHED_WITHIN: Duration = Duration::from_secs(40);

/// How long the heir may take to end everything.
const ENDED_WITHIN: Duration = Duration::from_mins(2);

/// Longer than any access token of the fakes lives.
const TOKENS_END: Duration = Duration::from_mins(121);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_any_point_publishes_nothing_twice_and_loses_nothing() {
    let mut cells = JoinSet::new();
    let mut names = HashMap::new();
    for point in POINTS {
        for platform in PLATFORMS {
            let id = cells.spawn(run_cell(platform, point)).id();
            names.insert(id, (platform, point));
        }
    }
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    while let Some(ended) = cells.join_next_with_id().await {
        match ended {
            Ok((_, row)) => rows.push(row),
            Err(failed) => {
                let (platform, point) = names[&failed.id()];
                failures.push(format!("{platform} {point}: {}", told(failed)));
            }
        }
    }
    rows.sort_by_key(|row| {
        (
            PLATFORMS.iter().position(|p| *p == row.platform),
            POINTS.iter().position(|p| *p == row.point),
        )
    });
    eprintln!("{}", report::table(&rows));
    assert!(
        failures.is_empty(),
        "{} cells failed:\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    assert_eq!(rows.len(), PLATFORMS.len() * POINTS.len());
}

async fn run_cell(platform: &'static str, point: &'static str) -> Row {
    let fleet = Fleet::open().await;
    let began = Instant::now();
    let ada = fleet.account(platform, "ada").await;
    let bob = fleet.account(platform, "bob").await;
    let refreshes = point == REFRESH;
    if refreshes {
        fleet.fake(platform).clock().advance(TOKENS_END);
    }
    let text = |n: usize| format!("{platform} {point} number {n}");
    let mut posts = Vec::new();
    for (n, account) in [&ada, &bob, &ada].into_iter().enumerate() {
        // Scheduled posts are held where an account needs its owner; immediate ones end.
        posts.push(fleet.accept(account, &text(n), refreshes).await);
    }

    let before = fleet
        .database
        .ask("select clock_timestamp()")
        .await
        .unwrap();
    let mut victim = fleet.worker(Some(point));
    victim.is_killed_within(REACHED_WITHIN).await;
    its_statements_are_over(&fleet, &before).await;
    let at_death = at_death(&fleet, platform).await;
    is_where_it_says(platform, point, &at_death);

    let heir = fleet.worker(None);
    let mut endings = fleet.endings(&posts, ENDED_WITHIN).await;
    if refreshes {
        endings = reconnect(&fleet, platform, &posts, endings).await;
    }
    heir.drain().await;
    fleet.fake(platform).settle().await;

    for (n, ending) in endings.iter().enumerate() {
        judge(&fleet, platform, &text(n), ending).await;
    }
    every_lost_claim_is_told(&fleet, &at_death).await;
    let row = report::row(
        platform,
        point,
        at_death,
        &endings,
        &fleet.fake(platform).ledger().entries(),
        began.elapsed(),
    );
    fleet.close().await;
    row
}

/// What a dead worker had sent to the database still runs there, and may still commit.
async fn its_statements_are_over(fleet: &Fleet, since: &str) {
    let question = format!(
        "select count(*) from pg_stat_activity where datname = current_database() \
         and backend_type = 'client backend' and pid <> pg_backend_pid() and backend_start > '{since}'"
    );
    fleet.until(&question, "0", REACHED_WITHIN).await;
}

async fn at_death(fleet: &Fleet, platform: &str) -> AtDeath {
    let claims = fleet
        .database
        .ask("select string_agg(id || ':' || claim, ' ') from jobs where state = 'running'")
        .await;
    // The fake may still be reading what the dead worker sent.
    sleep(LOOK_EVERY * 5).await;
    let entries = fleet.fake(platform).ledger().entries();
    AtDeath {
        claims: claims
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        marked: fleet
            .database
            .count("select count(*) from jobs where sent_claim is not null")
            .await,
        effective: entries.iter().filter(|entry| entry.effective).count(),
    }
}

/// A point that is not where its name says would prove something else.
fn is_where_it_says(platform: &str, point: &str, found: &AtDeath) {
    let AtDeath {
        claims,
        marked,
        effective,
    } = found;
    let begun = !claims.is_empty();
    let right = match point {
        "claim.before_commit" => !begun && *marked == 0 && *effective == 0,
        "claim.after_commit" | "mark.before" => begun && *marked == 0 && *effective == 0,
        "mark.after" | "send.mid_body" => begun && *marked > 0 && *effective == 0,
        "send.after_answer" => begun && *marked > 0 && *effective > 0,
        // The first settlement of the toy with two steps comes after the harmless one.
        "settle.before_commit" => {
            begun && (platform == "toy_steps" || (*marked > 0 && *effective > 0))
        }
        "settle.after_commit" => platform == "toy_steps" || *effective > 0,
        REFRESH => begun && *effective == 0,
        _ => false,
    };
    assert!(right, "the worker did not die at {point}: {found:?}");
}

/// A rotating token that was exchanged by the dead worker is lost: its posts wait for the owner, who comes now.
async fn reconnect(
    fleet: &Fleet,
    platform: &str,
    posts: &[PostId],
    endings: Vec<Ending>,
) -> Vec<Ending> {
    let waiting: Vec<&Ending> = endings
        .iter()
        .filter(|ending| ending.held.is_some())
        .collect();
    if waiting.is_empty() {
        return endings;
    }
    assert_ne!(
        platform, "bluesky",
        "a PDS takes a refresh token again for two hours: {endings:?}"
    );
    for ending in waiting {
        assert_eq!(
            ending.held.as_deref(),
            Some("account_needs_reauth"),
            "{ending:?}"
        );
        let name = ending.post.handle.clone().unwrap();
        fleet.account(platform, &name).await;
    }
    fleet.endings(posts, ENDED_WITHIN).await
}

/// What must be true of every post, wherever its first worker died.
async fn judge(fleet: &Fleet, platform: &str, text: &str, ending: &Ending) {
    let ledger = fleet.fake(platform).ledger();
    let (effective, sends) = (ledger.effective(text), ledger.sends(text));
    assert!(
        effective <= 1,
        "{text} is public {effective} times: {ending:?}"
    );
    let may_be_missing = ending.letter.as_deref() == Some("ambiguous");
    assert!(
        effective == 1 || may_be_missing,
        "{text} is missing ({sends} sends): {ending:?}"
    );
    let published = ending
        .outcomes()
        .iter()
        .filter(|outcome| **outcome == "published")
        .count();
    if may_be_missing {
        assert_eq!(
            platform, "toy_blind",
            "what could be looked up was not: {ending:?}"
        );
        assert_eq!(
            (ending.post.shown.as_str(), published),
            ("failed", 0),
            "{ending:?}"
        );
        assert!(ending.outcomes().contains(&"unknown"), "{ending:?}");
        return;
    }
    assert_eq!(
        (ending.word().as_str(), published),
        ("published", 1),
        "{ending:?}"
    );
    let receipt = ending.post.receipt.clone().unwrap();
    let named = receipt["uri"].as_str().unwrap_or_default().to_owned();
    let found = records(fleet, platform, ending, text).await;
    if let Some(found) = found {
        assert_eq!(
            found,
            [named],
            "the receipt names another record than {text}"
        );
    } else {
        assert!(named.starts_with("post-"), "{receipt}");
    }
}

/// The names of the records with this text, where the platform tells.
async fn records(
    fleet: &Fleet,
    platform: &str,
    ending: &Ending,
    text: &str,
) -> Option<Vec<String>> {
    let name = ending.post.handle.clone()?;
    match platform {
        "bluesky" => {
            let did = did(name.strip_suffix(".test")?);
            let records = fleet
                .pds
                .records(&did)
                .into_iter()
                .filter(|(_, record)| record["text"] == text);
            Some(
                records
                    .map(|(key, _)| format!("at://{did}/app.bsky.feed.post/{key}"))
                    .collect(),
            )
        }
        "toy_list" | "toy_late" => {
            fleet.fake(platform).clock().advance(Duration::from_secs(2));
            let base = fleet.fake(platform).url();
            let log_in = json!({ "identifier": name, "password": TOY_PASSWORD });
            let url = base.join("toys/session").unwrap();
            let session: Value = fleet
                .http
                .post(&url)
                .json(&log_in)
                .send()
                .await
                .unwrap()
                .json()
                .unwrap();
            let token = SecretString::from(session["access_token"].as_str()?);
            let url = base.join(&format!("{platform}/{name}/posts")).unwrap();
            let listed: Value = fleet
                .http
                .get(&url)
                .bearer(&token)
                .send()
                .await
                .unwrap()
                .json()
                .unwrap();
            let ours = listed["posts"]
                .as_array()?
                .iter()
                .filter(|post| post["text"] == text);
            Some(
                ours.filter_map(|post| Some(post["id"].as_str()?.to_owned()))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// Every claim that the dead worker had committed stands in the ledger as died.
async fn every_lost_claim_is_told(fleet: &Fleet, at_death: &AtDeath) {
    let told = fleet
        .database
        .ask("select string_agg(job || ':' || claim, ' ') from attempts where outcome = 'died'")
        .await;
    let told = told.unwrap_or_default();
    let told: BTreeSet<&str> = told.split_whitespace().collect();
    let lost: BTreeSet<&str> = at_death.claims.iter().map(String::as_str).collect();
    assert!(
        lost.is_subset(&told),
        "lost: {lost:?}, told as died: {told:?}"
    );
}

fn told(failed: tokio::task::JoinError) -> String {
    let payload = failed.into_panic();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}
