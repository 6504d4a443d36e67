//! Connecting by consent, end to end: begun here, granted there, and back; published, refreshed; and everything that is wrong.

use crate::app::{Answer, App};
use axum::{body::Body, http::Request};
use engine::{Environment, NewKeyRequest};
use publisher::fake::{Decision, Fault};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use url::Url;

const CONNECT: &str = "/v1/accounts/connect/toy_oauth";
const COMPLETE: &str = "/v1/accounts/connect/toy_oauth/complete";
const CALLBACK: &str = "/v1/accounts/oauth/toy_oauth/callback";

/// Begins a consent; returns its descriptor.
async fn begin(app: &App) -> Value {
    let begun = app.post(CONNECT, json!({})).await;
    assert_eq!(begun.ok(200)["state"], "live");
    begun.json["descriptor"].clone()
}

/// Goes to the consent page; returns what it sends back, code or error, with the state.
async fn grant(app: &App, descriptor: &Value) -> BTreeMap<String, String> {
    let page = descriptor["authorizationUrl"].as_str().unwrap();
    let answer = app.browse(page).await;
    let back = Url::parse(&answer).unwrap();
    assert_eq!(back.path(), CALLBACK);
    back.query_pairs().into_owned().collect()
}

/// Comes back without a key; returns where the person is sent.
async fn come_back(
    app: &App,
    platform: &str,
    sent: &BTreeMap<String, String>,
) -> (Answer, BTreeMap<String, String>) {
    let mut at = Url::parse("http://x/").unwrap();
    at.set_path(&format!("/v1/accounts/oauth/{platform}/callback"));
    at.query_pairs_mut().extend_pairs(sent);
    let path = format!("{}?{}", at.path(), at.query().unwrap_or_default());
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let answer = app.send(request).await;
    assert_eq!(answer.status, 302, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.headers.contains_key("set-cookie"));
    let to = Url::parse(answer.header("location")).unwrap();
    assert_eq!(to.path(), "/accounts");
    let told = to.query_pairs().into_owned().collect();
    (answer, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_connected_by_consent_publishes_and_is_refreshed() {
    let app = App::start().await;
    app.work().await;
    let descriptor = begin(&app).await;
    assert_eq!(descriptor["kind"], "oauth");
    assert_eq!(descriptor["scopes"], json!(["posts", "profile"]));
    assert_eq!(
        descriptor["redirectUri"],
        format!("http://127.0.0.1:8080{CALLBACK}")
    );
    assert!(descriptor.get("codeVerifier").is_none());
    let sent = grant(&app, &descriptor).await;
    assert_eq!(sent["state"], descriptor["state"].as_str().unwrap());
    let (back, told) = come_back(&app, "toy_oauth", &sent).await;
    let expected = [("accounts", "1"), ("connected", "toy_oauth")];
    assert_eq!(
        told,
        expected.map(|(n, v)| (n.to_owned(), v.to_owned())).into()
    );
    for secret in [&sent["state"], &sent["code"]] {
        assert!(!format!("{back:?}").contains(secret.as_str()));
    }

    let post = async |text: &str| {
        let body = json!({ "targets": [{ "platform": "toy_oauth", "text": text }] });
        app.post("/v1/posts", body).await.ok(200)["results"][0]["status"].clone()
    };
    assert_eq!(post("by consent").await, "published");
    // The access token ends; the platform refuses it, it is renewed, and the post goes.
    app.toys.clock().advance(Duration::from_hours(2));
    assert_eq!(post("by a renewed token").await, "published");
    assert_eq!(app.toy_platform.oauth().refreshes(), 1);

    // Once more: the known account has fresh tokens and keeps its id.
    let sent = grant(&app, &begin(&app).await).await;
    let (_, told) = come_back(&app, "toy_oauth", &sent).await;
    assert_eq!(told["connected"], "toy_oauth");
    let accounts = app.get("/v1/accounts").await;
    assert_eq!(accounts.ok(200)["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        app.db.count("select count(*) from pending_connects").await,
        0
    );
    app.finish().await;
}

#[tokio::test]
async fn a_state_works_once_in_time_and_for_its_platform() {
    let app = App::start().await;
    let sent = grant(&app, &begin(&app).await).await;
    let twins = tokio::join!(
        come_back(&app, "toy_oauth", &sent),
        come_back(&app, "toy_oauth", &sent)
    );
    let twins = [twins.0.1, twins.1.1];
    let connected = twins
        .iter()
        .filter(|told| told.contains_key("connected"))
        .count();
    assert_eq!(connected, 1, "{twins:?}");
    let (_, told) = come_back(&app, "toy_oauth", &sent).await;
    assert_eq!(told["connect_error"], "invalid_state_bad_signature");

    let sent = grant(&app, &begin(&app).await).await;
    let (_, told) = come_back(&app, "toy_list", &sent).await;
    assert_eq!(told["connect_error"], "platform_mismatch");
    let (_, told) = come_back(&app, "toy_oauth", &sent).await;
    assert_eq!(
        told["connect_error"], "invalid_state_bad_signature",
        "it was taken"
    );

    let sent = grant(&app, &begin(&app).await).await;
    app.db
        .execute("update pending_connects set expires_at = expires_at - interval '11 minutes'")
        .await;
    let (_, told) = come_back(&app, "toy_oauth", &sent).await;
    assert_eq!(told["connect_error"], "invalid_state_expired");

    let words = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    };
    let guessed = "A".repeat(43);
    for (pairs, reason) in [
        (words(&[]), "missing_params"),
        (words(&[("code", "x")]), "missing_params"),
        (
            words(&[("code", "x"), ("state", "short")]),
            "invalid_state_malformed",
        ),
        (
            words(&[("code", "x"), ("state", &guessed)]),
            "invalid_state_bad_signature",
        ),
        (
            words(&[("error", "access_denied"), ("state", &guessed)]),
            "access_denied",
        ),
        (
            words(&[("error", "<script>"), ("state", &guessed)]),
            "provider_error",
        ),
    ] {
        let (_, told) = come_back(&app, "toy_oauth", &pairs).await;
        assert_eq!(told["connect_error"], reason, "{pairs:?}");
        assert_eq!(told["platform"], "toy_oauth");
    }
    let (_, told) = come_back(&app, "myspace", &words(&[])).await;
    assert_eq!(
        (told["connect_error"].as_str(), told["platform"].as_str()),
        ("missing_params", "")
    );
    app.finish().await;
}

#[tokio::test]
async fn a_caller_may_complete_by_itself_but_only_what_it_began() {
    let app = App::start().await;
    let body =
        |sent: &BTreeMap<String, String>| json!({ "code": sent["code"], "state": sent["state"] });
    let other = {
        let org = app.client.organisation("Other").await.unwrap().id;
        let ask = NewKeyRequest {
            org,
            name: "other",
            environment: Environment::Live,
            profile: None,
        };
        app.client
            .create_key(ask)
            .await
            .unwrap()
            .key
            .expose_secret()
            .to_owned()
    };
    let (sibling, _) = app.new_key(Environment::Live, None).await;
    let sent = grant(&app, &begin(&app).await).await;
    for stranger in [&other, &sibling] {
        let json = [("content-type", "application/json")];
        let answer = app
            .raw("POST", COMPLETE, stranger, &json, body(&sent).to_string())
            .await;
        answer.error(400, "validation_failed", Some("state"));
        assert!(!answer.text.contains(&sent["code"]) && !answer.text.contains(&sent["state"]));
    }
    let done = app.post(COMPLETE, body(&sent)).await;
    assert_eq!(done.ok(201)["platformAccountId"], "ada");
    app.post(COMPLETE, body(&sent))
        .await
        .error(400, "validation_failed", Some("state"));

    for (field, value, rule) in [
        ("redirectUri", "https://evil.example", "redirectUri"),
        ("codeVerifier", "guessed", "codeVerifier"),
    ] {
        let sent = grant(&app, &begin(&app).await).await;
        let mut body = body(&sent);
        body[field] = json!(value);
        app.post(COMPLETE, body)
            .await
            .error(400, "validation_failed", Some(rule));
    }
    let missing = app
        .post(COMPLETE, json!({ "code": 5, "colour": "red" }))
        .await;
    let error = missing.error(400, "validation_failed", Some("code"));
    let paths: Vec<_> = error["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["path"].clone())
        .collect();
    assert_eq!(paths, ["code", "state"]);

    let sent = grant(&app, &begin(&app).await).await;
    app.db
        .execute("update api_keys set revoked_at = now() where name = 'test'")
        .await;
    let (_, told) = come_back(&app, "toy_oauth", &sent).await;
    assert_eq!(
        told["connect_error"], "invalid_state_expired",
        "its key was revoked"
    );
    app.finish().await;
}

#[tokio::test]
async fn several_accounts_of_one_consent_are_connected_at_once() {
    let app = App::start().await;
    let oauth = app.toy_platform.oauth();
    let granted = |accounts: &[&str]| Decision::Grant {
        accounts: accounts.iter().map(ToString::to_string).collect(),
        scopes: None,
    };
    oauth.decide(granted(&["ada", "page"]));
    let sent = grant(&app, &begin(&app).await).await;
    let body = json!({ "code": sent["code"], "state": sent["state"] });
    let both = app.post(COMPLETE, body).await;
    assert_eq!(both.ok(201)["accounts"][1]["platformAccountId"], "page");
    assert_eq!(both.json["platformAccountId"], "ada");
    oauth.decide(granted(&[]));
    let sent = grant(&app, &begin(&app).await).await;
    let (_, told) = come_back(&app, "toy_oauth", &sent).await;
    assert_eq!(told["connect_error"], "no_accounts_granted");
    oauth.decide(Decision::Deny("access_denied".to_owned()));
    let sent = grant(&app, &begin(&app).await).await;
    let (_, told) = come_back(&app, "toy_oauth", &sent).await;
    assert_eq!(told["connect_error"], "access_denied");
    assert_eq!(
        app.db.count("select count(*) from pending_connects").await,
        0,
        "a no is an end, too"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_platform_that_answers_nonsense_connects_nobody() {
    let app = App::start().await;
    for fault in [
        Fault::Html,
        Fault::Empty,
        Fault::HugeAnswer,
        Fault::CutBefore,
    ] {
        let sent = grant(&app, &begin(&app).await).await;
        app.toys.faults().arm("POST /toy_oauth/token", fault, 1);
        let (_, told) = come_back(&app, "toy_oauth", &sent).await;
        assert_eq!(told["connect_error"], "exchange_failed");
        assert!(
            told["connect_rule"].starts_with("toy_oauth.exchange."),
            "{told:?}"
        );
        assert!(!told["connect_remediation"].is_empty());
    }
    let accounts = app.get("/v1/accounts").await;
    assert_eq!(accounts.ok(200)["data"], json!([]));
    app.finish().await;
}

#[tokio::test]
async fn what_is_under_way_is_neither_readable_nor_unbounded() {
    let app = App::start().await;
    let begun = app
        .post(CONNECT, json!({ "returnTo": "https://evil.example/x" }))
        .await;
    let state = begun.ok(200)["descriptor"]["state"]
        .as_str()
        .unwrap()
        .to_owned();
    let row = app
        .db
        .ask("select p::text from pending_connects p")
        .await
        .unwrap();
    assert!(!row.contains(&state) && !row.contains("evil"), "{row}");
    for _ in 1..100 {
        app.post(CONNECT, json!({})).await.ok(200);
    }
    let full = app.post(CONNECT, json!({})).await;
    full.error(400, "validation_failed", Some("connect.too_many"));
    app.finish().await;
}
