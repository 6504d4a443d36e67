//! What `POST /v1/posts` refuses is refused by a change and by a retry, too, with the field, the rule and the remedy.

use crate::app::{App, json_and, png};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use engine::Environment;
use serde_json::{Value, json};

const AT: &str = "2999-01-01T00:00:00.000Z";

/// A post of Bluesky that is scheduled for [`AT`]; its path.
async fn scheduled(app: &App) -> String {
    let account = app.bluesky().await;
    let body = json!({ "text": "first", "scheduledAt": AT, "targets": [{ "accountId": account }] });
    let answer = app.post("/v1/posts", body).await;
    let id = answer.ok(202)["results"][0]["postId"].as_str().unwrap();
    format!("/v1/posts/{id}")
}

/// Everything that a change could have changed.
async fn state(app: &App) -> String {
    let mut state = Vec::new();
    for table in [
        "posts",
        "jobs",
        "post_media",
        "media",
        "events",
        "dead_letters",
    ] {
        let rows = format!(
            "select coalesce(md5(string_agg(t::text, ',' order by t::text)), 'none') from {table} t"
        );
        state.extend(app.db.ask(&rows).await);
    }
    state.join(" ")
}

/// A change, and the code and the rule of its refusal.
type Case = (Value, &'static str, &'static str);

fn words() -> Vec<Case> {
    vec![
        (json!({}), "validation_failed", "body"),
        (json!({ "text": "" }), "validation_failed", "text"),
        (json!({ "text": 1 }), "validation_failed", "text"),
        (
            json!({ "text": " \t\n" }),
            "preflight_failed",
            "bluesky.text.non_empty",
        ),
        (
            json!({ "text": "é".repeat(301) }),
            "preflight_failed",
            "bluesky.text.max_graphemes",
        ),
        (
            json!({ "text": "👨‍👩‍👧‍👦".repeat(130) }),
            "preflight_failed",
            "bluesky.text.max_bytes",
        ),
        (json!({ "text": "a\0b" }), "validation_failed", "text"),
        (
            json!({ "scheduledAt": "2001-01-01T00:00:00Z" }),
            "validation_failed",
            "scheduledAt.future",
        ),
        (
            json!({ "scheduledAt": "2999-01-01T00:00:00" }),
            "validation_failed",
            "scheduledAt",
        ),
        (
            json!({ "scheduledAt": "2999-01-01T00:00:00+02:00" }),
            "validation_failed",
            "scheduledAt",
        ),
        (
            json!({ "scheduledAt": "2999-02-30T00:00:00Z" }),
            "validation_failed",
            "scheduledAt",
        ),
        (
            json!({ "scheduledAt": "2999-01-01T25:61:00Z" }),
            "validation_failed",
            "scheduledAt",
        ),
    ]
}

fn files() -> Vec<Case> {
    let image =
        |bytes: usize| json!({ "kind": "image", "bytesBase64": STANDARD.encode(png(bytes)) });
    let moving = [b"GIF89a".to_vec(), vec![0; 2_000_000]].concat();
    let moving = json!({ "kind": "image", "bytesBase64": STANDARD.encode(moving) });
    let library = |id: &str| json!({ "media": [{ "kind": "image", "mediaId": id }] });
    vec![
        (
            json!({ "media": [{ "kind": "sound", "mediaId": "m" }] }),
            "validation_failed",
            "media.0.kind",
        ),
        (
            json!({ "media": [{ "kind": "image" }] }),
            "validation_failed",
            "media.0",
        ),
        (
            json!({ "media": [{ "kind": "image", "bytesBase64": "%" }] }),
            "validation_failed",
            "media.0.bytesBase64",
        ),
        (
            json!({ "media": vec![image(100); 5] }),
            "preflight_failed",
            "bluesky.media.count_max",
        ),
        (
            json!({ "media": [moving] }),
            "preflight_failed",
            "bluesky.media.image_size_max",
        ),
        (
            library("med_0000000000000000000000"),
            "not_found",
            "media.unknown",
        ),
        (library("nonsense"), "not_found", "media.unknown"),
    ]
}

#[tokio::test]
async fn a_change_is_refused_for_all_that_a_post_is_refused_for() {
    let app = App::start().await;
    let path = scheduled(&app).await;
    let before = state(&app).await;
    for (change, code, rule) in words().into_iter().chain(files()) {
        let shown = change.to_string().chars().take(80).collect::<String>();
        let answer = app
            .raw("PATCH", &path, &app.key, &json_and(&[]), change.to_string())
            .await;
        let error = &answer.json["error"];
        assert_eq!(
            (&error["code"], &error["rule"]),
            (&json!(code), &json!(rule)),
            "{shown}: {}",
            answer.text
        );
        assert!(error["message"].is_string(), "{shown}: {error}");
    }
    let latin = b"{\"text\":\"caf\xe9\"}".to_vec();
    let answer = app
        .raw("PATCH", &path, &app.key, &json_and(&[]), latin)
        .await;
    answer.error(400, "validation_failed", Some("body.json"));
    assert_eq!(state(&app).await, before);
    app.finish().await;
}

#[tokio::test]
async fn a_retry_is_refused_for_all_that_a_time_is_refused_for() {
    let app = App::start().await;
    let path = scheduled(&app).await;
    app.delete(&path).await.ok(200);
    let before = state(&app).await;
    let retry = format!("{path}/retry");
    for (at, rule) in [
        (json!("2001-01-01T00:00:00Z"), "scheduledAt.future"),
        (json!("2999-01-01T00:00:00"), "scheduledAt"),
        (json!("2999-01-01T00:00:00+02:00"), "scheduledAt"),
        (json!("2999-02-30T00:00:00Z"), "scheduledAt"),
        (json!("tomorrow"), "scheduledAt"),
        (json!("\0"), "scheduledAt"),
        (json!(1), "scheduledAt"),
    ] {
        let answer = app.post(&retry, json!({ "scheduledAt": at })).await;
        answer.error(400, "validation_failed", Some(rule));
    }
    for body in ["{", "[]", "\"x\""] {
        let answer = app
            .raw("POST", &retry, &app.key, &json_and(&[]), body)
            .await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
    }
    assert_eq!(state(&app).await, before);
    app.finish().await;
}

#[tokio::test]
async fn ids_that_are_malformed_unknown_or_anothers_look_alike() {
    let app = App::start().await;
    let path = scheduled(&app).await;
    let other = app.client.organisation("Other").await.unwrap().id;
    let ask = engine::NewKeyRequest {
        org: other,
        name: "theirs",
        environment: Environment::Live,
        profile: None,
    };
    let theirs = app.client.create_key(ask).await.unwrap();
    let theirs = secrecy::ExposeSecret::expose_secret(&theirs.key).to_owned();
    let before = state(&app).await;
    let nobodys = "/v1/posts/01890000-0000-7000-8000-0000000000ff".to_owned();
    let malformed = "/v1/posts/17".to_owned();
    let change = json!({ "text": "second" }).to_string();
    for (what, path, key) in [
        ("another's", &path, &theirs),
        ("nobody's", &nobodys, &app.key),
        ("malformed", &malformed, &app.key),
    ] {
        for (method, path, body) in [
            ("PATCH", path.clone(), change.clone()),
            ("POST", format!("{path}/retry"), "{}".to_owned()),
            ("DELETE", path.clone(), String::new()),
            ("GET", path.clone(), String::new()),
        ] {
            let answer = app.raw(method, &path, key, &json_and(&[]), body).await;
            assert_eq!(answer.status, 404, "{what}, {method}: {}", answer.text);
            assert_eq!(
                answer.json["error"]["code"], "not_found",
                "{what}, {method}"
            );
        }
    }
    assert_eq!(state(&app).await, before);
    app.finish().await;
}
