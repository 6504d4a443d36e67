//! One key, one execution: repeats attach to what the first request began.

use crate::app::App;
use api::ApiConfig;
use futures_util::future::join_all;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_repeated_request_gets_the_first_ones_batch() {
    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let body = json!({ "text": "once", "targets": [{ "accountId": account }] });
    let key = [("idempotency-key", "k 1/ä"), ("x-request-id", "same")];
    app.post_with("/v1/posts", &key, body.clone()).await.error(
        400,
        "validation_failed",
        Some("idempotency_key.characters"),
    );
    let key = [("idempotency-key", "k 1/a")];
    let first = app.post_with("/v1/posts", &key, body.clone()).await;
    assert_eq!(first.ok(200)["status"], "published");
    assert_eq!(first.header("idempotency-key"), "k 1/a");
    assert_eq!(first.header("idempotency-replayed"), "");
    // The alias is the same route.
    let second = app.post_with("/posts", &key, body.clone()).await;
    assert_eq!(second.ok(200), &first.json);
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(second.header("idempotency-key"), "k 1/a");
    let other = json!({ "text": "twice", "targets": [{ "accountId": account }] });
    let answer = app.post_with("/v1/posts", &key, other).await;
    answer.error(
        409,
        "idempotency_conflict",
        Some("idempotency_key.body_mismatch"),
    );
    assert_eq!(app.db.count("select count(*) from batches").await, 1);
    assert_eq!(app.server.ledger().effective("once"), 1);
    app.finish().await;
}

#[tokio::test]
async fn eight_concurrent_requests_with_one_key_are_one_execution() {
    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let body = json!({ "text": "once", "targets": [{ "accountId": account }] });
    let key = [("idempotency-key", "eight")];
    let answers = join_all((0..8).map(|_| app.post_with("/v1/posts", &key, body.clone()))).await;
    for answer in &answers {
        assert_eq!(answer.ok(200), &answers[0].json);
        assert_eq!(answer.json["status"], "published");
    }
    let replayed = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed") == "true")
        .count();
    assert_eq!(replayed, 7);
    assert_eq!(app.db.count("select count(*) from posts").await, 1);
    assert_eq!(app.server.ledger().effective("once"), 1);
    app.finish().await;
}

#[tokio::test]
async fn a_repeat_is_answered_although_its_time_has_passed_meanwhile() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let (_, now) = app.db.store.ping().await.unwrap();
    let at = (now + chrono::TimeDelta::milliseconds(1500))
        .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let body = json!({ "text": "soon", "scheduledAt": at, "targets": [{ "accountId": account }] });
    let key = [("idempotency-key", "soon")];
    let first = app.post_with("/v1/posts", &key, body.clone()).await;
    assert_eq!(first.ok(202)["scheduledAt"], at);
    while app.db.store.ping().await.unwrap().1 < now + chrono::TimeDelta::seconds(2) {
        tokio::task::yield_now().await;
    }
    let second = app.post_with("/v1/posts", &key, body.clone()).await;
    assert_eq!(second.ok(202)["id"], first.json["id"]);
    app.post("/v1/posts", body)
        .await
        .error(400, "validation_failed", Some("scheduledAt.future"));
    app.finish().await;
}

#[tokio::test]
async fn a_key_of_more_than_255_characters_is_refused() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let body = json!({ "text": "a", "targets": [{ "accountId": account }] });
    for key in ["", &"k".repeat(300)] {
        let answer = app
            .post_with("/v1/posts", &[("idempotency-key", key)], body.clone())
            .await;
        answer.error(400, "validation_failed", Some("idempotency_key.length"));
    }
    app.assert_nothing_stored().await;
    app.finish().await;
}
