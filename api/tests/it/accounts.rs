//! Connecting accounts, and what is shown of them: never a secret.

use crate::app::{App, HANDLE, PASSWORD};
use publisher::fake::Fault;
use serde_json::json;

#[tokio::test]
async fn connecting_tells_what_to_enter_and_then_takes_it() {
    let app = App::start().await;
    let begun = app.post("/v1/accounts/connect/bluesky", json!({})).await;
    assert_eq!(begun.ok(200)["state"], "live");
    assert_eq!(begun.json["descriptor"]["kind"], "credentials");
    assert_eq!(begun.json["descriptor"]["fields"][1]["name"], "appPassword");
    // Clients send no body at all, too.
    app.raw("POST", "/v1/accounts/connect/bluesky", &app.key, &[], "")
        .await
        .ok(200);
    let form = json!({ "identifier": HANDLE, "appPassword": PASSWORD, "pdsUrl": app.server.url().as_str(), "colour": "planted-colour" });
    let first = app
        .post("/v1/accounts/connect/bluesky/complete", form.clone())
        .await;
    let account = first.ok(201);
    assert_eq!(account["handle"], HANDLE);
    assert_eq!(account["status"], "active");
    assert_eq!(account["profileId"], app.profile.to_string());
    assert_eq!(account["warnings"][0]["code"], "request.unknown_field");
    let again = app
        .post("/v1/accounts/connect/bluesky/complete", form)
        .await;
    assert_eq!(again.ok(200)["id"], account["id"]);
    let list = app.get("/v1/accounts").await;
    assert_eq!(list.ok(200)["data"].as_array().unwrap().len(), 1);
    let one = app
        .get(&format!("/v1/accounts/{}", account["id"].as_str().unwrap()))
        .await;
    assert_eq!(
        one.ok(200)["platformAccountId"],
        account["platformAccountId"]
    );
    assert_eq!(
        app.get("/v1/accounts?profileId=nonsense").await.ok(200)["data"],
        json!([])
    );
    for answer in [&first, &again, &list, &one] {
        assert!(!answer.text.contains("planted"), "{}", answer.text);
    }
    app.finish().await;
}

#[tokio::test]
async fn a_refused_connection_never_repeats_what_was_entered() {
    let app = App::start().await;
    let url = app.server.url().to_string();
    let complete = async |form: serde_json::Value| {
        app.post("/v1/accounts/connect/bluesky/complete", form)
            .await
    };
    let wrong = complete(
        json!({ "identifier": HANDLE, "appPassword": "planted-wrong-one", "pdsUrl": url }),
    )
    .await;
    assert_eq!(wrong.status, 401, "{}", wrong.text);
    assert_eq!(wrong.json["error"]["code"], "platform_auth_failed");
    let missing = complete(json!({ "pdsUrl": "planted-url" })).await;
    let error = missing.error(400, "validation_failed", Some("identifier"));
    assert_eq!(error["violations"].as_array().unwrap().len(), 2);
    let typed =
        complete(json!({ "identifier": ["planted-name"], "appPassword": { "planted-key": 1 } }))
            .await;
    let error = typed.error(400, "validation_failed", Some("appPassword"));
    assert_eq!(error["violations"].as_array().unwrap().len(), 2);
    let nul = complete(json!({ "identifier": "planted\0", "appPassword": PASSWORD })).await;
    nul.error(400, "validation_failed", Some("identifier"));
    let broken = app
        .raw(
            "POST",
            "/v1/accounts/connect/bluesky/complete",
            &app.key,
            &[],
            "{\"appPassword\":planted",
        )
        .await;
    broken.error(400, "validation_failed", Some("body.json"));
    let guarded = complete(json!({ "identifier": HANDLE, "appPassword": PASSWORD, "pdsUrl": "http://10.0.0.1/planted" })).await;
    assert!(
        guarded.status >= 400 && guarded.json["error"]["code"].is_string(),
        "{}",
        guarded.text
    );
    for answer in [&wrong, &missing, &typed, &nul, &broken, &guarded] {
        assert!(!answer.text.contains("planted"), "{}", answer.text);
    }
    assert_eq!(app.db.count("select count(*) from accounts").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_platform_that_does_not_answer_is_unavailable() {
    let app = App::start().await;
    let fault = Fault::Status {
        status: 503,
        body: json!({}),
        headers: Vec::new(),
    };
    app.server
        .faults()
        .arm("com.atproto.server.createSession", fault, 9);
    let form = json!({ "identifier": HANDLE, "appPassword": PASSWORD, "pdsUrl": app.server.url().as_str() });
    let answer = app
        .post("/v1/accounts/connect/bluesky/complete", form)
        .await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.json["error"]["code"], "platform_unavailable");
    app.finish().await;
}

#[tokio::test]
async fn a_platform_is_unknown_or_not_enabled() {
    let app = App::start().await;
    for tail in ["", "/complete"] {
        let answer = app
            .post(&format!("/v1/accounts/connect/myspace{tail}"), json!({}))
            .await;
        answer.error(400, "validation_failed", Some("platform"));
        let answer = app
            .post(&format!("/v1/accounts/connect/facebook{tail}"), json!({}))
            .await;
        answer.error(403, "platform_not_enabled", None);
    }
    app.finish().await;
}
