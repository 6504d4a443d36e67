//! The database away, before and in the middle of a request.

use crate::app::{App, client_without_database, json_and};
use api::{ApiConfig, Readiness, State};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tower::ServiceExt as _;

async fn ask(router: axum::Router, method: &str, path: &str) -> (u16, Value, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Bearer lmp_live_x");
    let response = router
        .oneshot(request.body(Body::from("{}")).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let retry = response
        .headers()
        .get("retry-after")
        .map_or("", |value| value.to_str().unwrap())
        .to_owned();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .unwrap();
    (status, serde_json::from_slice(&bytes).unwrap(), retry)
}

#[tokio::test]
async fn without_a_database_requests_are_503_and_readiness_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let router = api::router(State::new(
        client_without_database(&dir),
        ApiConfig::default(),
    ));
    for (method, path) in [
        ("POST", "/v1/posts"),
        ("GET", "/v1/posts"),
        ("GET", "/v1/accounts"),
        ("POST", "/v1/media"),
    ] {
        let (status, body, retry) = ask(router.clone(), method, path).await;
        assert_eq!(status, 503, "{body}");
        assert_eq!(body["error"]["code"], "internal_error");
        assert_eq!(body["error"]["rule"], "service.unavailable");
        assert!(
            body["error"]["message"]
                .as_str()
                .unwrap()
                .contains("accepted")
        );
        assert!(
            body["error"]["remediation"]
                .as_str()
                .unwrap()
                .contains("Idempotency-Key")
        );
        assert!(retry.parse::<u64>().unwrap() > 0);
    }
    let (status, body, _) = ask(router.clone(), "GET", "/ready").await;
    assert_eq!((status, &body["checks"][0]["ok"]), (503, &json!(false)));
    assert_eq!(ask(router, "GET", "/health").await.0, 200);
}

#[tokio::test]
async fn a_database_lost_after_acceptance_is_told_with_the_batch() {
    let config = ApiConfig {
        key_check: Duration::from_millis(20),
        ..ApiConfig::default()
    };
    let app = App::with(Duration::from_secs(4), config).await;
    app.declare_queues().await;
    let account = app.bluesky().await;
    let request = app.post(
        "/v1/posts",
        json!({ "text": "a", "targets": [{ "accountId": account }] }),
    );
    let lose = async {
        while app.db.count("select count(*) from batches").await == 0 {
            tokio::task::yield_now().await;
        }
        app.db.store.close().await;
    };
    let (answer, ()) = tokio::join!(request, lose);
    let error = answer.error(503, "internal_error", Some("service.unavailable"));
    let batch = app.db.ask("select id from batches").await.unwrap();
    assert!(
        error["message"].as_str().unwrap().contains(&batch),
        "{}",
        answer.text
    );
    assert!(
        error["remediation"]
            .as_str()
            .unwrap()
            .contains("Idempotency-Key")
    );
    let again = app
        .raw("POST", "/v1/posts", &app.key, &json_and(&[]), "{}")
        .await;
    again.error(503, "internal_error", Some("service.unavailable"));
    app.db.drop_database().await;
}

struct WrongKey;

#[async_trait::async_trait]
impl Readiness for WrongKey {
    fn name(&self) -> &'static str {
        "master_key"
    }

    async fn check(&self) -> Result<(), String> {
        Err("the master key is another one; set POSTRIDER_MASTER_KEY".to_owned())
    }
}

#[tokio::test]
async fn a_further_check_decides_about_readiness() {
    let app = App::start().await;
    let state = State::with_readiness(
        app.client.clone(),
        ApiConfig::default(),
        vec![Arc::new(WrongKey)],
    );
    let (status, body, _) = ask(api::router(state), "GET", "/ready").await;
    assert_eq!(status, 503);
    assert_eq!(body["checks"][2]["name"], "master_key");
    assert!(
        body["checks"][2]["message"]
            .as_str()
            .unwrap()
            .contains("POSTRIDER_MASTER_KEY")
    );
    app.finish().await;
}

struct Panics;

#[async_trait::async_trait]
impl Readiness for Panics {
    fn name(&self) -> &'static str {
        "panics"
    }

    async fn check(&self) -> Result<(), String> {
        panic!("planted-panic-text")
    }
}

#[tokio::test]
async fn a_panic_is_caught_and_told_without_its_text() {
    let app = App::start().await;
    let readiness: Vec<Arc<dyn Readiness>> = vec![Arc::new(Panics)];
    let state = State::with_readiness(app.client.clone(), ApiConfig::default(), readiness);
    let (status, body, _) = ask(api::router(state), "GET", "/ready").await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (500, &json!("internal_error"))
    );
    assert!(!body.to_string().contains("planted"), "{body}");
    app.finish().await;
}
