//! Keys: who may do what, and how revocation reaches what is under way.

use crate::app::App;
use api::ApiConfig;
use axum::body::Body;
use engine::Environment;
use serde_json::json;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn a_key_is_needed_and_must_be_valid() {
    let app = App::start().await;
    for authorization in [
        "",
        "Bearer",
        "Bearer x",
        "Basic lmp_live_x",
        "Bearer lmp_live_unknown",
        "Bearer lmp_\u{fc}",
    ] {
        let request = axum::http::Request::builder()
            .uri("/v1/posts")
            .header("authorization", authorization);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert!(answer.error(401, "unauthenticated", None)["remediation"].is_string());
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    app.db
        .store
        .revoke_key(app.key_id, None)
        .await
        .unwrap()
        .unwrap();
    app.get("/v1/posts")
        .await
        .error(401, "unauthenticated", None);
    app.finish().await;
}

#[tokio::test]
async fn a_key_does_what_its_scopes_say() {
    let app = App::start().await;
    let scopes = async |list: &str| {
        app.db
            .execute(&format!("update api_keys set scopes = '{list}'"))
            .await;
    };
    scopes("{posts:read}").await;
    app.get("/v1/posts").await.ok(200);
    app.post("/v1/posts", json!({}))
        .await
        .error(403, "unauthorized", Some("api_key.scope"));
    app.raw("POST", "/v1/media", &app.key, &[], "").await.error(
        403,
        "unauthorized",
        Some("api_key.scope"),
    );
    scopes("{posts:write}").await;
    app.get("/v1/accounts")
        .await
        .error(403, "unauthorized", Some("api_key.scope"));
    scopes("{}").await;
    app.get("/v1/accounts").await.ok(200);
    app.post("/v1/posts", json!({}))
        .await
        .error(400, "validation_failed", Some("targets"));
    app.finish().await;
}

#[tokio::test]
async fn a_test_key_reads_and_never_publishes() {
    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let (key, _) = app.new_key(Environment::Test, None).await;
    let body = json!({ "text": "a", "targets": [{ "accountId": account }] }).to_string();
    let answer = app.raw("POST", "/v1/posts", &key, &[], body).await;
    assert!(
        answer.error(403, "unauthorized", Some("api_key.environment_scope"))["remediation"]
            .is_string()
    );
    app.raw("GET", "/v1/accounts", &key, &[], Body::empty())
        .await
        .ok(200);
    app.assert_nothing_stored().await;
    app.finish().await;
}

#[tokio::test]
async fn a_pinned_key_cannot_tell_foreign_ids_from_invented_ones() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let posted = app
        .post(
            "/v1/posts",
            json!({ "text": "a", "targets": [{ "accountId": account }] }),
        )
        .await;
    let (batch, post) = (&posted.ok(200)["id"], &posted.json["results"][0]["postId"]);
    let other = app.new_profile("other").await;
    let (key, _) = app.new_key(Environment::Live, Some(other)).await;
    let pinned = async |method: &str, path: &str, body: String| {
        let answer = app
            .raw(method, path, &key, &[("x-request-id", "same")], body)
            .await;
        (answer.status, answer.text)
    };
    let invented = Uuid::now_v7().to_string();
    for (kind, id) in [
        ("posts", post),
        ("batches", batch),
        ("accounts", &json!(account)),
    ] {
        let id = id.as_str().unwrap();
        let foreign = pinned("GET", &format!("/v1/{kind}/{id}"), String::new()).await;
        assert_eq!(
            foreign,
            pinned("GET", &format!("/v1/{kind}/{invented}"), String::new()).await
        );
        assert!(
            foreign.0 == 404 && foreign.1.contains("api_key.profile_scope"),
            "{foreign:?}"
        );
    }
    let delete = async |id: &str| pinned("DELETE", &format!("/v1/posts/{id}"), String::new()).await;
    assert_eq!(
        delete(post.as_str().unwrap()).await,
        delete(&invented).await
    );
    app.finish().await;
}

#[tokio::test]
async fn a_pinned_key_writes_and_lists_in_its_profile_only() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let other = app.new_profile("other").await;
    let (key, _) = app.new_key(Environment::Live, Some(other)).await;
    let pinned = async |method: &str, path: &str, body: String| {
        let answer = app
            .raw(method, path, &key, &[("x-request-id", "same")], body)
            .await;
        (answer.status, answer.text)
    };
    let invented = Uuid::now_v7().to_string();
    let target = |id: &str| json!({ "text": "a", "targets": [{ "accountId": id }] }).to_string();
    let foreign = pinned("POST", "/v1/posts", target(&account)).await;
    assert_eq!(
        foreign,
        pinned("POST", "/v1/posts", target(&invented)).await
    );
    assert_eq!(foreign.0, 404);
    let scoped = |id: &str| {
        json!({ "text": "a", "profileId": id, "targets": [{ "platform": "bluesky" }] }).to_string()
    };
    let foreign = pinned("POST", "/v1/posts", scoped(&app.profile.to_string())).await;
    assert_eq!(
        foreign,
        pinned("POST", "/v1/posts", scoped(&invented)).await
    );
    assert!(foreign.0 == 400 && foreign.1.contains("profile.scope_mismatch"));
    for list in ["posts", "media"] {
        let foreign = pinned(
            "GET",
            &format!("/v1/{list}?profileId={}", app.profile),
            String::new(),
        )
        .await;
        assert_eq!(
            foreign,
            pinned(
                "GET",
                &format!("/v1/{list}?profileId={invented}"),
                String::new()
            )
            .await
        );
        assert_eq!(foreign.0, 404);
        assert!(
            pinned("GET", &format!("/v1/{list}"), String::new())
                .await
                .1
                .contains(r#""data":[]"#)
        );
    }
    assert_eq!(
        pinned("GET", "/v1/accounts", String::new()).await.1,
        r#"{"data":[]}"#
    );
    assert_eq!(
        pinned("POST", "/v1/accounts/connect/bluesky", String::new())
            .await
            .0,
        403
    );
    app.finish().await;
}

#[tokio::test]
async fn another_organisations_ids_are_like_invented_ones() {
    let app = App::with(Duration::from_millis(50), ApiConfig::default()).await;
    let account = app.bluesky().await;
    let posted = app
        .post(
            "/v1/posts",
            json!({ "text": "a", "targets": [{ "accountId": account }] }),
        )
        .await;
    let post = posted.ok(200)["results"][0]["postId"].as_str().unwrap();
    let stranger = app.client.organisation("Stranger").await.unwrap().id;
    let ask = engine::NewKeyRequest {
        org: stranger,
        name: "k",
        environment: Environment::Live,
        profile: None,
    };
    let key = app.client.create_key(ask).await.unwrap().key;
    let key = secrecy::ExposeSecret::expose_secret(&key).to_owned();
    let invented = Uuid::now_v7().to_string();
    let same = [("x-request-id", "same")];
    for (method, kind, id) in [
        ("GET", "posts", post),
        ("DELETE", "posts", post),
        ("GET", "accounts", &account),
    ] {
        let foreign = app
            .raw(
                method,
                &format!("/v1/{kind}/{id}"),
                &key,
                &same,
                Body::empty(),
            )
            .await;
        let unknown = app
            .raw(
                method,
                &format!("/v1/{kind}/{invented}"),
                &key,
                &same,
                Body::empty(),
            )
            .await;
        foreign.error(404, "not_found", None);
        assert_eq!(foreign.text, unknown.text);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_key_revoked_while_its_request_waits_ends_it_and_names_the_batch() {
    let config = ApiConfig {
        key_check: Duration::from_millis(20),
        ..ApiConfig::default()
    };
    let app = App::with(Duration::from_secs(20), config).await;
    app.declare_queues().await;
    let account = app.bluesky().await;
    let request = app.post(
        "/v1/posts",
        json!({ "text": "a", "targets": [{ "accountId": account }] }),
    );
    let revoke = async {
        while app.db.count("select count(*) from batches").await == 0 {
            tokio::task::yield_now().await;
        }
        app.db
            .store
            .revoke_key(app.key_id, None)
            .await
            .unwrap()
            .unwrap();
    };
    let (answer, ()) = tokio::join!(request, revoke);
    let batch = app.db.ask("select id from batches").await.unwrap();
    let error = answer.error(401, "unauthenticated", None);
    assert!(
        error["message"].as_str().unwrap().contains(&batch),
        "{}",
        answer.text
    );
    assert_eq!(
        app.db.count("select count(*) from jobs").await,
        1,
        "the batch goes on"
    );
    app.finish().await;
}
