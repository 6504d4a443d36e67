//! Lists: filters, pages, and what is said about parameters that nobody knows.

use crate::app::App;
use api::ApiConfig;
use serde_json::{Value, json};
use std::{collections::HashSet, time::Duration};

async fn schedule(app: &App, account: &str, text: &str, metadata: Value) {
    let body = json!({
        "text": text, "metadata": metadata, "scheduledAt": "2999-01-01T00:00:00Z", "targets": [{ "accountId": account }],
    });
    app.post("/v1/posts", body).await.ok(202);
}

#[tokio::test]
async fn pages_neither_skip_nor_repeat() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    for n in 0..4 {
        schedule(&app, &account, &format!("one {n}"), json!({})).await;
    }
    // Several rows of one instant.
    let body = json!({ "text": "three", "scheduledAt": "2999-01-01T00:00:00Z", "targets": vec![json!({ "accountId": account }); 3] });
    app.post("/v1/posts", body).await.ok(202);
    let (mut seen, mut path) = (HashSet::new(), "/v1/posts?limit=2".to_owned());
    loop {
        let page = app.get(&path).await;
        for post in page.ok(200)["data"].as_array().unwrap() {
            assert!(seen.insert(post["id"].to_string()), "{post} came twice");
        }
        let Some(cursor) = page.json["nextCursor"].as_str() else {
            break;
        };
        path = format!("/v1/posts?limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 7);
    app.finish().await;
}

#[tokio::test]
async fn filters_narrow_and_unknown_parameters_are_warned_of() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    schedule(&app, &account, "Red apple", json!({ "campaign": "spring" })).await;
    schedule(
        &app,
        &account,
        "Green pear",
        json!({ "campaign": "autumn" }),
    )
    .await;
    let count = async |query: &str| {
        app.get(&format!("/v1/posts?{query}")).await.ok(200)["data"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count("metadata.campaign=spring").await, 1);
    assert_eq!(count("q=APPLE").await, 1);
    assert_eq!(count("status=queued,published&status=failed").await, 2);
    assert_eq!(count("status=published").await, 0);
    assert_eq!(count("platform=bluesky").await, 2);
    assert_eq!(count("platform=toy_list").await, 0);
    assert_eq!(count("before=2020-01-01T00:00:00Z").await, 0);
    assert_eq!(count("after=2020-01-01T00:00:00%2B02:00").await, 2);
    assert_eq!(count(&format!("profileId={}", app.profile)).await, 2);
    assert_eq!(
        count("profileId=019a0000-0000-7000-8000-000000000000").await,
        0
    );
    let answer = app.get("/v1/posts?colour=red&cursor=bogus").await;
    let codes: Vec<_> = answer.ok(200)["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["code"].clone())
        .collect();
    assert_eq!(codes, ["request.cursor_ignored", "request.unknown_field"]);
    for (query, rule) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("status=nope", "status"),
        ("profileId=x", "profileId"),
        ("after=yesterday", "after"),
        ("q=%ff", "q"),
    ] {
        app.get(&format!("/v1/posts?{query}"))
            .await
            .error(400, "validation_failed", Some(rule));
    }
    app.finish().await;
}
