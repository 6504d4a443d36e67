//! Posts that are taken: immediate, scheduled, with files, with warnings.

use crate::app::{App, png};
use api::ApiConfig;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn an_immediate_post_is_answered_when_it_is_public() {
    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let image =
        json!({ "kind": "image", "altText": "a dot", "bytesBase64": STANDARD.encode(png(100)) });
    let answer = app
        .post("/v1/posts", json!({ "text": "Hello", "media": [image], "metadata": { "k": "v" }, "targets": [{ "accountId": account }] }))
        .await;
    let batch = answer.ok(200);
    assert_eq!(batch["status"], "published");
    assert_eq!(batch["metadata"], json!({ "k": "v" }));
    let result = &batch["results"][0];
    assert!(result["uri"].as_str().unwrap().starts_with("at://"));
    assert!(result["cid"].is_string());
    for absent in ["error", "warnings", "waiting"] {
        assert!(result.get(absent).is_none(), "{result}");
    }
    assert!(batch.get("scheduledAt").is_none() && batch.get("warnings").is_none());
    let post = app
        .get(&format!("/v1/posts/{}", result["postId"].as_str().unwrap()))
        .await;
    let post = post.ok(200);
    assert_eq!(post["platformUri"], result["uri"]);
    assert_eq!(post["error"], Value::Null);
    assert_eq!(post["mediaRefs"][0]["altText"], "a dot");
    assert_eq!(post["account"]["id"], account);
    let attempts = post["attempts"].as_array().unwrap();
    let last = attempts.last().unwrap();
    assert_eq!(
        (&last["outcome"], &last["succeeded"], &last["errorCode"]),
        (&json!("published"), &json!(true), &Value::Null)
    );
    assert_eq!(last["attemptNumber"], attempts.len());
    let later = app
        .get(&format!("/v1/batches/{}", batch["id"].as_str().unwrap()))
        .await;
    assert_eq!(later.ok(200), batch);
    assert_eq!(app.pds.records("did:plc:alicealicealicealicealic").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn without_a_worker_the_caller_learns_why_its_posts_wait() {
    let app = App::with(Duration::from_millis(300), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let answer = app
        .post(
            "/v1/posts",
            json!({ "text": "a", "targets": [{ "accountId": account }] }),
        )
        .await;
    assert_eq!(answer.ok(200)["status"], "publishing");
    let result = &answer.json["results"][0];
    assert_eq!(result["status"], "queued");
    assert_eq!(result["waiting"]["reason"], "no_worker");
    assert!(
        result["waiting"]["remedy"]
            .as_str()
            .unwrap()
            .contains("postrider worker")
    );
    app.finish().await;
}

#[tokio::test]
async fn what_a_platform_refuses_is_a_result_and_not_an_error_of_the_request() {
    let app = App::start().await;
    app.work().await;
    let good = app.bluesky().await;
    let bad = app.toy("toy_blind", "one").await;
    let body = json!({ "text": "forbidden!", "targets": [{ "accountId": bad }, { "accountId": good, "text": "fine" }] });
    let answer = app.post("/v1/posts", body).await;
    assert_eq!(answer.ok(200)["status"], "partial_failed");
    let results = &answer.json["results"];
    assert_eq!(
        (&results[0]["accountId"], &results[1]["accountId"]),
        (&json!(bad), &json!(good))
    );
    assert_eq!(results[0]["status"], "rejected");
    assert_eq!(results[0]["error"]["code"], "platform_rejected");
    assert!(results[0]["error"].get("platform").is_none());
    assert_eq!(results[1]["status"], "published");
    let post = app
        .get(&format!(
            "/v1/posts/{}",
            results[0]["postId"].as_str().unwrap()
        ))
        .await;
    assert_eq!(post.ok(200)["error"]["platform"], "toy_blind");
    assert_eq!(post.json["attempts"][0]["errorCode"], "platform_rejected");
    app.finish().await;
}

#[tokio::test]
async fn unknown_fields_are_warned_of_where_they_stand() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let answer = app
        .post("/v1/posts", json!({ "text": "a", "colour": 1, "targets": [{ "accountId": account, "shape": { "x": 1 } }] }))
        .await;
    let warning = &answer.ok(200)["warnings"][0];
    assert_eq!(warning["code"], "request.unknown_field");
    assert!(warning["message"].as_str().unwrap().contains("`colour`"));
    let warning = &answer.json["results"][0]["warnings"][0];
    assert!(
        warning["message"]
            .as_str()
            .unwrap()
            .contains("`targets.0.shape`")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_scheduled_post_is_taken_and_can_be_canceled_once() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let at = "2999-01-01T00:00:00.000Z";
    let answer = app
        .post(
            "/v1/posts",
            json!({ "text": "later", "scheduledAt": at, "targets": [{ "accountId": account }] }),
        )
        .await;
    let batch = answer.ok(202);
    assert_eq!(
        (&batch["status"], &batch["scheduledAt"]),
        (&json!("queued"), &json!(at))
    );
    let result = &batch["results"][0];
    assert_eq!(
        (&result["status"], &result["waiting"]["reason"]),
        (&json!("queued"), &json!("not_due"))
    );
    let path = format!("/v1/posts/{}", result["postId"].as_str().unwrap());
    let canceled = app.delete(&path).await;
    assert_eq!(
        canceled.ok(200),
        &json!({ "id": result["postId"], "status": "canceled" })
    );
    let again = app.delete(&path).await;
    let error = again.error(409, "validation_failed", Some("post.status"));
    assert!(error["message"].as_str().unwrap().contains("canceled"));
    let batch = app
        .get(&format!("/v1/batches/{}", batch["id"].as_str().unwrap()))
        .await;
    assert_eq!(batch.ok(200)["status"], "canceled");
    app.finish().await;
}

#[tokio::test]
async fn a_targets_own_word_replaces_the_default() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let image = json!({ "kind": "image", "bytesBase64": STANDARD.encode(png(100)) });
    let targets = json!([{ "accountId": account }, { "accountId": account, "text": "own", "media": [], "metadata": { "b": "2" } }]);
    let answer = app
        .post("/v1/posts", json!({ "text": "default", "media": [image], "metadata": { "a": "1", "b": "1" }, "targets": targets }))
        .await;
    let results = &answer.ok(200)["results"];
    let read = async |index: usize| {
        app.get(&format!(
            "/v1/posts/{}",
            results[index]["postId"].as_str().unwrap()
        ))
        .await
        .json
    };
    let (first, second) = (read(0).await, read(1).await);
    assert_eq!(
        (&first["text"], first["mediaRefs"].as_array().unwrap().len()),
        (&json!("default"), 1)
    );
    assert_eq!(
        (&second["text"], &second["mediaRefs"]),
        (&json!("own"), &json!([]))
    );
    assert_eq!(first["metadata"], json!({ "a": "1", "b": "1" }));
    assert_eq!(second["metadata"], json!({ "a": "1", "b": "2" }));
    assert_eq!(
        app.db.count("select count(*) from media").await,
        1,
        "a shared file is stored once"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_changes_nothing() {
    let app = App::start().await;
    app.declare_queues().await;
    let account = app.bluesky().await;
    let body = json!({ "text": "a", "targets": [{ "accountId": account }] });
    let accepted = async {
        while app.db.count("select count(*) from jobs").await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = app.post("/v1/posts", body) => panic!("answered without a worker: {answer:?}"),
        () = accepted => {}
    }
    app.work().await;
    let post = app.db.ask("select id from posts").await.unwrap();
    let published = async {
        while app.get(&format!("/v1/posts/{post}")).await.ok(200)["status"] != "published" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), published)
        .await
        .unwrap();
    app.finish().await;
}
