//! Posts that are changed before they begin, and sent again after they ended unpublished.

use crate::app::{App, json_and, png};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use engine::{Console, DiscardRequest, Environment};
use serde_json::{Value, json};
use std::time::Duration;

const AT: &str = "2999-01-01T00:00:00.000Z";
const LATER: &str = "2999-06-01T00:00:00.000Z";

impl App {
    async fn patch(&self, path: &str, body: Value) -> crate::app::Answer {
        self.raw("PATCH", path, &self.key, &json_and(&[]), body.to_string())
            .await
    }

    /// A scheduled post with an image and an option; its path.
    async fn scheduled(&self) -> String {
        let account = self.bluesky().await;
        let image = json!({ "kind": "image", "altText": "a dot", "bytesBase64": STANDARD.encode(png(100)) });
        let target =
            json!({ "accountId": account, "options": { "platform": "bluesky", "langs": ["en"] } });
        let body = json!({ "text": "first", "media": [image], "scheduledAt": AT, "targets": [target], "colour": 1 });
        let answer = self.post("/v1/posts", body).await;
        let id = answer.ok(202)["results"][0]["postId"].as_str().unwrap();
        format!("/v1/posts/{id}")
    }

    /// A post that its platform refuses; its path.
    async fn rejected(&self) -> String {
        let account = self.toy("toy_blind", "one").await;
        let body = json!({ "text": "forbidden!", "targets": [{ "accountId": account }] });
        let answer = self.post("/v1/posts", body).await;
        assert_eq!(answer.ok(200)["results"][0]["status"], "rejected");
        let id = answer.json["results"][0]["postId"].as_str().unwrap();
        format!("/v1/posts/{id}")
    }
}

#[tokio::test]
async fn a_change_does_what_it_names_and_keeps_the_rest() {
    let app = App::start().await;
    let path = app.scheduled().await;
    let before = app.get(&path).await.json;

    let answer = app
        .patch(&path, json!({ "text": "second", "shape": 1 }))
        .await;
    let post = answer.ok(200);
    assert_eq!(
        (&post["text"], &post["scheduledAt"], &post["status"]),
        (&json!("second"), &json!(AT), &json!("queued"))
    );
    assert_eq!(post["options"], before["options"]);
    assert_eq!(post["mediaRefs"], before["mediaRefs"]);
    let warnings = post["warnings"].to_string();
    assert!(warnings.contains("`shape`"), "{warnings}");

    let answer = app.patch(&path, json!({ "scheduledAt": LATER })).await;
    assert_eq!(
        (&answer.ok(200)["text"], &answer.json["scheduledAt"]),
        (&json!("second"), &json!(LATER))
    );
    assert_eq!(answer.json["waiting"]["reason"], "not_due");

    let image = json!({ "kind": "image", "bytesBase64": STANDARD.encode(png(200)) });
    let answer = app.patch(&path, json!({ "media": [image, image] })).await;
    assert_eq!(answer.ok(200)["mediaRefs"].as_array().unwrap().len(), 2);
    let answer = app.patch(&path, json!({ "media": [] })).await;
    assert_eq!(answer.ok(200)["mediaRefs"], json!([]));
    assert_eq!(answer.json["options"], before["options"]);
    let events = "select count(*) from events where type in ('post.rescheduled', 'post.updated')";
    assert_eq!(app.db.count(events).await, 4);
    app.finish().await;
}

#[tokio::test]
async fn a_change_that_breaks_rules_names_them_all_and_changes_nothing() {
    let app = App::start().await;
    let path = app.scheduled().await;
    let before = app.get(&path).await.json;
    let image = json!({ "kind": "image", "bytesBase64": STANDARD.encode(png(100)) });
    let too_much = json!({ "scheduledAt": "2001-01-01T00:00:00Z", "text": "x".repeat(301), "media": vec![image; 5] });

    let answer = app.patch(&path, too_much).await;

    let error = answer.error(400, "validation_failed", Some("scheduledAt.future"));
    let violations = error["violations"].as_array().unwrap();
    assert!(violations.len() >= 3, "{error}");
    let paths: Vec<_> = violations.iter().map(|one| &one["path"]).collect();
    assert!(paths.contains(&&json!("text")), "{error}");
    for (body, rule) in [
        (json!({}), "body"),
        (json!({ "colour": 1 }), "body"),
        (json!({ "text": "" }), "text"),
        (json!({ "scheduledAt": "tomorrow" }), "scheduledAt"),
        (json!({ "text": 1 }), "text"),
    ] {
        let answer = app.patch(&path, body).await;
        answer.error(400, "validation_failed", Some(rule));
    }
    let unknown = json!({ "media": [{ "kind": "image", "mediaId": "x".repeat(26) }] });
    let answer = app.patch(&path, unknown).await;
    answer.error(404, "not_found", Some("media.unknown"));
    assert_eq!(app.get(&path).await.json, before);
    assert_eq!(app.db.count("select count(*) from media").await, 1);
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_changed_says_why() {
    let app = App::with(Duration::from_millis(50), api::ApiConfig::default()).await;
    let path = app.scheduled().await;
    let change = json!({ "text": "second" });
    let (test_key, _) = app.new_key(Environment::Test, None).await;
    let other = app.new_profile("other").await;
    let (pinned, _) = app.new_key(Environment::Live, Some(other)).await;
    for method in [("PATCH", path.clone()), ("POST", format!("{path}/retry"))] {
        let (method, path) = (method.0, method.1.as_str());
        let ask = async |key: &str| {
            app.raw(method, path, key, &json_and(&[]), change.to_string())
                .await
        };
        let answer = ask(&test_key).await;
        answer.error(403, "unauthorized", Some("api_key.environment_scope"));
        let answer = ask(&pinned).await;
        answer.error(404, "not_found", Some("api_key.profile_scope"));
    }
    let nobody = "/v1/posts/01890000-0000-7000-8000-000000000000";
    app.patch(nobody, change.clone())
        .await
        .error(404, "not_found", None);

    app.delete(&path).await.ok(200);
    let answer = app.patch(&path, change.clone()).await;
    let error = answer.error(409, "validation_failed", Some("post.status"));
    assert!(error["message"].as_str().unwrap().contains("canceled"));

    let account = app.toy("toy_blind", "one").await;
    let body = json!({ "text": "now", "targets": [{ "accountId": account }] });
    let answer = app.post("/v1/posts", body).await;
    let id = answer.ok(200)["results"][0]["postId"].as_str().unwrap();
    let answer = app.patch(&format!("/posts/{id}"), change).await;
    answer.error(409, "validation_failed", Some("post.scheduledAt.window"));
    app.finish().await;
}

#[tokio::test]
async fn a_canceled_post_goes_after_all() {
    let app = App::start().await;
    let path = app.scheduled().await;
    let retry = format!("{path}/retry");
    let answer = app.post(&retry, json!({})).await;
    let error = answer.error(409, "validation_failed", Some("post.retry.status"));
    assert!(error["message"].as_str().unwrap().contains("queued"));
    app.delete(&path).await.ok(200);
    let refused = app
        .post(&retry, json!({ "scheduledAt": "2001-01-01T00:00:00Z" }))
        .await;
    refused.error(400, "validation_failed", Some("scheduledAt.future"));

    let answer = app.post(&retry, json!({ "scheduledAt": LATER })).await;

    let post = app.get(&path).await.json;
    assert_eq!(
        answer.ok(200),
        &json!({ "id": post["id"], "status": "queued", "scheduledAt": LATER })
    );
    assert_eq!(
        (&post["status"], &post["scheduledAt"]),
        (&json!("queued"), &json!(LATER))
    );
    app.finish().await;
}

#[tokio::test]
async fn a_rejected_post_is_redriven_until_an_operator_closes_it() {
    let app = App::start().await;
    app.work().await;
    let path = app.rejected().await;
    let retry = format!("{path}/retry");
    // Without a body, as a button sends it.
    let answer = app.raw("POST", &retry, &app.key, &[], "").await;
    assert_eq!(answer.ok(200)["status"], "queued");
    assert_eq!(answer.json["scheduledAt"], Value::Null);
    let rejected_again = async {
        let letters =
            "select count(*) from dead_letters where resolved_at is null and generation = 1";
        while app.db.count(letters).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), rejected_again)
        .await
        .unwrap();
    let by = "select resolved_by from dead_letters where generation = 0";
    let by = app.db.ask(by).await.unwrap();
    assert_eq!(by, format!("API key {}", app.key_id));

    let post = path.rsplit('/').next().unwrap().parse().unwrap();
    let request = DiscardRequest {
        letter: post,
        org: None,
        by: "ada".to_owned(),
        reason: "a typo".to_owned(),
    };
    let console = Console::new(app.db.store.clone());
    let letter = console.discard(request.clone()).await.unwrap();
    assert_eq!(letter.resolved_how.as_deref(), Some("discarded"));
    let refused = console.discard(request).await.unwrap_err().to_string();
    assert!(refused.contains("discarded by ada"), "{refused}");
    let answer = app.post(&retry, json!({})).await;
    answer.error(409, "validation_failed", Some("post.retry.status"));
    app.finish().await;
}

#[tokio::test]
async fn a_post_whose_account_is_gone_is_not_retried() {
    let app = App::start().await;
    let path = app.scheduled().await;
    app.delete(&path).await.ok(200);
    app.db.execute("delete from accounts").await;
    let answer = app.post(&format!("{path}/retry"), json!({})).await;
    answer.error(409, "validation_failed", Some("post.retry.account_missing"));
    app.finish().await;
}
