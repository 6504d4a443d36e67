//! Disconnecting an account: it is gone, its posts stay without their platform's words, and nobody learns of foreign ones.

use crate::app::App;
use api::ApiConfig;
use axum::body::Body;
use engine::Environment;
use publisher::fake::Fault;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const REVOKE: &str = "com.atproto.server.deleteSession";

async fn scheduled(app: &App, account: &str) -> String {
    let body = json!({ "text": "later", "scheduledAt": "2999-01-01T00:00:00Z", "targets": [{ "accountId": account }] });
    let answer = app.post("/v1/posts", body).await;
    answer.ok(202)["results"][0]["postId"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn an_account_is_gone_at_once_and_its_posts_keep_our_id() {
    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let path = format!("/v1/accounts/{account}");
    let now = app
        .post(
            "/v1/posts",
            json!({ "text": "now", "targets": [{ "accountId": account }] }),
        )
        .await;
    let published = &now.ok(200)["results"][0]["postId"];
    let waits = scheduled(&app, &account).await;
    app.get(&path).await.ok(200);

    let gone = app.delete(&path).await;

    assert_eq!(
        gone.ok(200),
        &json!({ "id": account, "deleted": true, "canceledPosts": 1, "unresolvedPosts": 0, "publishedPosts": 0 })
    );
    for answer in [app.get(&path).await, app.delete(&path).await] {
        answer.error(404, "not_found", None);
    }
    assert_eq!(app.get("/v1/accounts").await.ok(200)["data"], json!([]));
    let brief = json!({ "id": account, "platform": "bluesky", "platformAccountId": null, "displayName": null });
    for (post, status) in [
        (published.as_str().unwrap(), "published"),
        (&waits, "canceled"),
    ] {
        let shown = app.get(&format!("/v1/posts/{post}")).await;
        let shown = shown.ok(200);
        assert_eq!(shown["status"], status);
        assert_eq!(
            (&shown["accountId"], &shown["account"]),
            (&json!(account), &brief)
        );
        assert_eq!(
            (&shown["platformUri"], &shown["platformCid"]),
            (&Value::Null, &Value::Null)
        );
    }
    let retried = app
        .post(&format!("/v1/posts/{waits}/retry"), json!({}))
        .await;
    retried.error(409, "validation_failed", Some("post.retry.account_missing"));
    let to = json!({ "text": "a", "targets": [{ "accountId": account }] });
    app.post("/v1/posts", to)
        .await
        .error(404, "not_found", Some("target.account.unknown"));
    assert_ne!(app.bluesky().await, account, "connected again it is new");
    app.finish().await;
}

#[tokio::test]
async fn foreign_hidden_and_invented_accounts_are_one() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let other = app.new_profile("other").await;
    let stranger = app.client.organisation("Stranger").await.unwrap().id;
    let ask = engine::NewKeyRequest {
        org: stranger,
        name: "k",
        environment: Environment::Live,
        profile: None,
    };
    let foreign = app.client.create_key(ask).await.unwrap().key;
    let foreign = secrecy::ExposeSecret::expose_secret(&foreign).to_owned();
    let (elsewhere, _) = app.new_key(Environment::Live, Some(other)).await;
    let delete = async |key: &str, id: &str| {
        let same = [("x-request-id", "same")];
        let path = format!("/v1/accounts/{id}");
        app.raw("DELETE", &path, key, &same, Body::empty()).await
    };
    let invented = Uuid::now_v7().to_string();
    for key in [&foreign, &elsewhere] {
        let told = delete(key, &account).await;
        assert_eq!(told.status, 404, "{}", told.text);
        for id in [invented.as_str(), "nonsense"] {
            assert_eq!(delete(key, id).await.text, told.text);
        }
    }
    // A key that may see it, and may not do this.
    let (pinned, _) = app.new_key(Environment::Live, Some(app.profile)).await;
    let told = delete(&pinned, &account).await;
    told.error(403, "unauthorized", Some("api_key.profile_scope"));
    let (test, _) = app.new_key(Environment::Test, None).await;
    let told = delete(&test, &account).await;
    told.error(403, "unauthorized", Some("api_key.environment_scope"));
    app.get(&format!("/v1/accounts/{account}")).await.ok(200);
    app.finish().await;
}

#[tokio::test]
async fn a_platform_that_is_down_is_warned_of_and_hinders_nothing() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let down = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    app.server.faults().arm(REVOKE, down, 1);
    let gone = app.delete(&format!("/v1/accounts/{account}")).await;
    let gone = gone.ok(200);
    assert_eq!(gone["deleted"], true);
    assert_eq!(gone["warnings"][0]["code"], "account.not_revoked");
    assert!(
        gone["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("settings")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_key_revoked_meanwhile_disconnects_nothing() {
    let app = App::with(Duration::from_secs(20), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let path = format!("/v1/accounts/{account}");
    let hang = Fault::Hang {
        until_released: true,
    };
    app.server.faults().arm(REVOKE, hang, 1);
    let revoke = async {
        while app.server.faults().left() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        app.db
            .store
            .revoke_key(app.key_id, None)
            .await
            .unwrap()
            .unwrap();
        app.server.faults().release();
    };
    let (answer, ()) = tokio::join!(app.delete(&path), revoke);
    let error = answer.error(401, "unauthenticated", None);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("stays connected")
    );
    let kept = "select count(*) from accounts where sealed_tokens is not null";
    assert_eq!(app.db.count(kept).await, 1);
    app.finish().await;
}
