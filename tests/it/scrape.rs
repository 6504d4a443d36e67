//! What is measured, as Prometheus reads it: over HTTP, from real processes, after a real publication.

use crate::{
    caller::{Caller, immediate},
    fleet::{Fleet, MARK},
    process::{LOOK_EVERY, Process, Variables},
};
use publisher::measure;
use secrecy::SecretString;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);

fn measuring(fleet: &Fleet) -> Variables {
    let mut variables = fleet.variables();
    variables.push(("POSTRIDER_METRICS_LISTEN", "127.0.0.1:0".into()));
    variables
}

async fn printed(process: &mut Process) -> Value {
    process.printed(PATIENCE).await
}

/// Somebody who asks the listener of the metrics.
fn scraper(printed: &Value) -> Caller {
    Caller::of(
        printed["metrics"].as_str().unwrap(),
        &SecretString::default(),
    )
}

async fn scrape(scraper: &Caller) -> String {
    let answer = scraper.get("metrics").await;
    assert!(answer.is_success(), "{}", answer.status);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// Scrapes until something is there.
async fn scrape_until(scraper: &Caller, awaited: &str) -> String {
    let found = async {
        loop {
            let text = scrape(scraper).await;
            if text.contains(awaited) {
                return text;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("no {awaited} in {PATIENCE:?}"))
}

/// The value of one series that counts.
fn value(text: &str, series: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{text}"));
    line.trim().parse().unwrap()
}

/// What one published post leaves behind.
fn assert_measured(text: &str) {
    for (series, at_least) in [
        ("postrider_jobs_claimed_total{queue=\"bluesky\"}", 1),
        (
            "postrider_settled_total{queue=\"bluesky\",kind=\"publish\",settlement=\"complete\"}",
            1,
        ),
        ("postrider_wait_seconds_count{queue=\"bluesky\"}", 1),
        ("postrider_attempt_seconds_count{queue=\"bluesky\"}", 1),
        ("postrider_settle_batch_size_count", 1),
        (
            "postrider_platform_calls_total{platform=\"bluesky\",method=\"POST\",status=\"200\"}",
            1,
        ),
        (
            "postrider_http_requests_total{method=\"POST\",route=\"/v1/posts\",status=\"200\"}",
            1,
        ),
        (
            "postrider_http_requests_total{method=\"GET\",route=\"(none)\",status=\"404\"}",
            2,
        ),
    ] {
        assert!(value(text, series) >= at_least, "{series} in\n{text}");
    }
    for series in [
        "postrider_jobs_live{queue=\"bluesky\",state=\"held\"}",
        "postrider_dead_letters_open{queue=\"bluesky\",class=\"poison\"}",
        "postrider_bucket_blocked{queue=\"bluesky\",scope=\"app\"}",
        "postrider_lease_lost_total",
        "postrider_claims_reaped_total{queue=\"toy_list\"}",
    ] {
        assert_eq!(value(text, series), 0, "{series}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_published_post_is_scraped_and_every_name_is_in_the_catalogue() {
    let fleet = Fleet::open().await;
    let account = fleet.account("bluesky", "ada").await;
    let mut all = fleet.start("serve", &["serve", "--json"], &measuring(&fleet));
    let facts = printed(&mut all).await;
    let key = fleet.api_key().await;
    let api = Caller::of(facts["listening"].as_str().unwrap(), &key);
    api.is_ready().await;
    let answer = api
        .post("v1/posts", &immediate(&account, "measured"), None)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(api.get("nowhere/at/all").await.status, 404);
    assert_eq!(
        api.get("metrics").await.status,
        404,
        "metrics are not the API's"
    );

    let scraper = scraper(&facts);
    let text = scrape_until(&scraper, "postrider_workers{queue=\"bluesky\"} 1").await;
    assert_measured(&text);
    assert!(
        scraper.get("v1/posts").await.status == 404,
        "only metrics are answered here"
    );

    let exported: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let catalogue: BTreeMap<&str, &str> = measure::ALL
        .iter()
        .map(|about| (about.name, about.kind))
        .collect();
    assert_eq!(exported, catalogue);
    for secret in [
        MARK,
        "ada.test",
        "did:plc",
        &account.id.to_string(),
        &fleet.org.to_string(),
    ] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    all.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_and_worker_answer_each_for_itself_and_nothing_is_answered_unasked() {
    let fleet = Fleet::open().await;
    let mut worker = fleet.start("worker", &["worker", "--json"], &measuring(&fleet));
    let text = scrape_until(&scraper(&printed(&mut worker).await), "postrider_workers{").await;
    assert!(
        text.contains("postrider_jobs_claimed_total{queue=\"bluesky\"} 0"),
        "{text}"
    );

    let mut api = fleet.start("api", &["api", "--json"], &measuring(&fleet));
    let facts = printed(&mut api).await;
    Caller::of(facts["listening"].as_str().unwrap(), &fleet.api_key().await)
        .is_ready()
        .await;
    let text = scrape_until(&scraper(&facts), "route=\"/ready\"").await;
    assert!(!text.contains("postrider_jobs_claimed_total{"), "{text}");

    let mut silent = fleet.start("silent", &["worker", "--json"], &fleet.variables());
    assert_eq!(printed(&mut silent).await["metrics"], Value::Null);
    for process in [worker, api, silent] {
        process.drain().await;
    }
    fleet.close().await;
}
