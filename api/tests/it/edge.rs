//! What every answer has, whatever was asked.

use crate::app::App;
use axum::body::Body;
use uuid::Uuid;

#[tokio::test]
async fn unknown_routes_and_wrong_methods_get_the_envelope() {
    let app = App::start().await;
    for path in [
        "/nope",
        "/v1",
        "/v1/posts/",
        "/v1/posts/a/b",
        "/v1/accounts/connect",
    ] {
        app.get(path).await.error(404, "not_found", None);
    }
    let answer = app.delete("/v1/posts").await;
    answer.error(405, "validation_failed", Some("method"));
    assert!(
        answer.header("allow").contains("POST"),
        "{:?}",
        answer.headers
    );
    app.raw("PATCH", "/health", "", &[], Body::empty())
        .await
        .error(405, "validation_failed", Some("method"));
    app.finish().await;
}

#[tokio::test]
async fn a_malformed_id_is_answered_like_one_that_nobody_has() {
    let app = App::start().await;
    for path in ["posts", "batches", "accounts"] {
        let invented = app.get(&format!("/v1/{path}/{}", Uuid::now_v7())).await;
        let expected = &invented.error(404, "not_found", None)["message"];
        for id in [
            "1",
            "%00",
            "%ff",
            "..%2f..",
            "019a0000-0000-7000-8000-00000000000g",
            &"a".repeat(5000),
        ] {
            let answer = app.get(&format!("/v1/{path}/{id}")).await;
            assert_eq!(
                &answer.error(404, "not_found", None)["message"],
                expected,
                "{id}"
            );
        }
    }
    app.delete("/v1/posts/nope")
        .await
        .error(404, "not_found", None);
    app.finish().await;
}

#[tokio::test]
async fn a_request_id_is_kept_or_made() {
    let app = App::start().await;
    let with = async |id: &str| {
        app.raw("GET", "/nope", "", &[("x-request-id", id)], Body::empty())
            .await
    };
    assert_eq!(
        with("abc-DEF_1=").await.error(404, "not_found", None)["requestId"],
        "abc-DEF_1="
    );
    for unusable in ["", "has space", "semi;colon", &"x".repeat(256)] {
        let answer = with(unusable).await;
        assert!(
            Uuid::parse_str(answer.header("x-request-id")).is_ok(),
            "{unusable}"
        );
    }
    let first = app.get("/health").await;
    assert_ne!(
        first.header("x-request-id"),
        app.get("/health").await.header("x-request-id")
    );
    app.finish().await;
}

#[tokio::test]
async fn the_advertised_limit_is_the_contracts() {
    let app = App::start().await;
    for (method, path, limit) in [
        ("POST", "/v1/posts", "1000"),
        ("POST", "/posts", "5000"),
        ("POST", "/v1/media", "500"),
        ("GET", "/v1/posts", "5000"),
        ("GET", "/nope", "5000"),
    ] {
        let answer = app.raw(method, path, "bad", &[], Body::empty()).await;
        assert_eq!(answer.header("x-ratelimit-limit"), limit, "{method} {path}");
    }
    app.finish().await;
}

#[tokio::test]
async fn the_service_says_what_it_is_and_whether_it_is_ready() {
    let app = App::start().await;
    let open = async |path: &str| app.raw("GET", path, "", &[], Body::empty()).await;
    let index = open("/").await;
    assert_eq!(index.ok(200)["status"], "ok");
    assert!(
        index.json["endpoints"]["posts"]
            .as_str()
            .unwrap()
            .ends_with("/v1/posts")
    );
    assert_eq!(open("/health").await.text, r#"{"status":"ok"}"#);
    let ready = open("/ready").await;
    assert_eq!(ready.ok(200)["checks"][0]["name"], "database");
    assert_eq!(ready.json["checks"][1]["name"], "schema");
    app.finish().await;
}
