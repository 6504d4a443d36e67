//! Bad input gets a clear error, names everything that is wrong, and leaves nothing behind.

use crate::app::{App, json_and, png};
use api::ApiConfig;
use axum::body::Body;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use std::time::Duration;

#[track_caller]
fn rules(error: &Value) -> Vec<(String, String)> {
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let all = error["violations"].as_array().unwrap();
    all.iter()
        .map(|one| (word(&one["rule"]), word(&one["path"])))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(rule, path)| ((*rule).to_owned(), (*path).to_owned()))
        .collect()
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_with_its_rule() {
    let app = App::start().await;
    let key = app.key.clone();
    let post = async |body: Vec<u8>| {
        app.raw("POST", "/v1/posts", &key, &json_and(&[]), body)
            .await
    };
    for broken in [
        &b""[..],
        b"{",
        b"{\"targets\":",
        b"nope",
        b"{\"text\":\"\xff\xfe\"}",
        b"\"\\ud800\"",
    ] {
        post(broken.to_vec())
            .await
            .error(400, "validation_failed", Some("body.json"));
    }
    post([b"[".repeat(3000), b"]".repeat(3000)].concat())
        .await
        .error(400, "validation_failed", Some("body.json"));
    post(b"[1]".to_vec())
        .await
        .error(400, "validation_failed", Some("body"));
    post(br#"{"targets":[{"accountId":5}]}"#.to_vec())
        .await
        .error(400, "validation_failed", Some("targets.0.accountId"));
    post(br#"{"text":"a","text":"b"}"#.to_vec()).await.error(
        400,
        "validation_failed",
        Some("text"),
    );
    app.assert_nothing_stored().await;
    app.finish().await;
}

#[tokio::test]
async fn a_nul_byte_is_refused_under_its_field() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let target = json!([{ "accountId": account }]);
    for (body, rule) in [
        (json!({ "targets": target, "text": "a\0b" }), "text"),
        (
            json!({ "targets": [{ "accountId": account, "text": "x", "options": { "langs": ["\0"] } }] }),
            "targets.0.options.langs.0",
        ),
        (
            json!({ "targets": target, "text": "x", "metadata": { "k": { "l": "\0" } } }),
            "metadata.k.l",
        ),
        (
            json!({ "targets": target, "text": "x", "unknown": "\0" }),
            "unknown",
        ),
    ] {
        app.post("/v1/posts", body)
            .await
            .error(400, "validation_failed", Some(rule));
    }
    let raw = b"{\"targets\":[{\"platform\":\"bluesky\",\"text\":\"a\0b\"}]}".to_vec();
    let answer = app
        .raw("POST", "/v1/posts", &app.key, &json_and(&[]), raw)
        .await;
    answer.error(400, "validation_failed", Some("targets.0.text"));
    app.get("/v1/posts?q=a%00b")
        .await
        .error(400, "validation_failed", Some("q"));
    app.get("/v1/posts?metadata.k%00=b").await.error(
        400,
        "validation_failed",
        Some("metadata.k\u{fffd}"),
    );
    app.assert_nothing_stored().await;
    app.finish().await;
}

#[tokio::test]
async fn a_body_over_the_cap_is_refused_announced_or_not() {
    let app = App::start().await;
    let huge = vec![b' '; 16 * 1024 * 1024 + 1];
    let answer = app
        .raw("POST", "/v1/posts", &app.key, &json_and(&[]), huge)
        .await;
    answer.error(413, "validation_failed", Some("body.size_max"));
    let pieces =
        stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1 << 13])));
    let answer = app
        .raw(
            "POST",
            "/v1/posts",
            &app.key,
            &json_and(&[]),
            Body::from_stream(pieces),
        )
        .await;
    answer.error(413, "validation_failed", Some("body.size_max"));
    let wrong_type = [("content-type", "text/plain")];
    let answer = app
        .raw("POST", "/v1/posts", &app.key, &wrong_type, "{}")
        .await;
    answer.error(415, "validation_failed", Some("body.content_type"));
    app.finish().await;
}

#[tokio::test]
async fn the_shape_of_a_request_is_judged_as_a_whole() {
    let app = App::start().await;
    let answer = app
        .post(
            "/v1/posts",
            json!({
                "publishNow": true, "scheduledAt": "2020-01-01T00:00:00Z", "profileId": "p", "publishWithin": 5,
                "metadata": { "big": "x".repeat(5000) },
                "targets": [
                    { "accountId": "nope", "text": "a" },
                    { "platform": "myspace", "text": "a" },
                    { "text": "a" },
                    { "platform": "bluesky" },
                    { "platform": "bluesky", "text": "", "media": [{ "kind": "sound", "mediaId": "m", "url": "u" }] },
                    { "platform": "bluesky", "text": "a", "options": { "langs": [] }, "after": "x" },
                    { "platform": "bluesky", "media": [{ "kind": "image", "url": "https://example.com/a.png" },
                                                       { "kind": "image", "bytesBase64": "%%%" }] },
                    { "platform": "bluesky", "text": "a", "firstComment": {} },
                ],
            }),
        )
        .await;
    let found = rules(answer.error(400, "validation_failed", Some("profileId")));
    let expected = pairs(&[
        ("profileId", "profileId"),
        ("mode_conflict", "scheduledAt"),
        ("scheduledAt.future", "scheduledAt"),
        ("publishWithin", "publishWithin"),
        ("metadata", "metadata"),
        ("targets.0.accountId", "targets.0.accountId"),
        ("targets.1.platform", "targets.1.platform"),
        ("targets.2", "targets.2"),
        ("targets.text.required", "targets.3.text"),
        ("targets.4.text", "targets.4.text"),
        ("targets.4.media.0.kind", "targets.4.media.0.kind"),
        ("targets.4.media.0", "targets.4.media.0"),
        ("targets.5.options.platform", "targets.5.options.platform"),
        ("targets.after.unsupported", "targets.5.after"),
        ("media.url_unsupported", "targets.6.media.0.url"),
        (
            "targets.6.media.1.bytesBase64",
            "targets.6.media.1.bytesBase64",
        ),
        ("targets.7.firstComment.text", "targets.7.firstComment.text"),
    ]);
    assert_eq!(found[..expected.len()], expected);
    // Nothing is connected: that is said, too, of every target that names its platform.
    let rest: Vec<_> = found[expected.len()..]
        .iter()
        .map(|(rule, _)| rule.as_str())
        .collect();
    assert_eq!(rest, ["target.account.not_connected"; 5]);
    assert_eq!(answer.json["error"]["violations"][5]["target"], 0);
    app.assert_nothing_stored().await;
    app.finish().await;
}

#[tokio::test]
async fn targets_are_1_to_25() {
    let app = App::start().await;
    let of = |count: usize| json!({ "text": "a", "targets": vec![json!({ "platform": "bluesky" }); count] });
    app.post("/v1/posts", json!({ "text": "a" })).await.error(
        400,
        "validation_failed",
        Some("targets"),
    );
    app.post("/v1/posts", of(0))
        .await
        .error(400, "validation_failed", Some("targets"));
    let answer = app.post("/v1/posts", of(26)).await;
    assert_eq!(
        rules(answer.error(400, "validation_failed", Some("targets.max"))).len(),
        1
    );
    let answer = app.post("/v1/posts", of(50_000)).await;
    answer.error(400, "validation_failed", Some("body.values_max"));
    app.finish().await;
}

#[tokio::test]
async fn a_scheduled_time_must_be_utc_and_ahead() {
    let app = App::start().await;
    let account = app.bluesky().await;
    for (at, rule) in [
        ("2020-01-01T00:00:00Z", "scheduledAt.future"),
        ("2999-01-01T00:00:00+02:00", "scheduledAt"),
        ("2999-01-01", "scheduledAt"),
        ("tomorrow", "scheduledAt"),
    ] {
        let body = json!({ "text": "a", "scheduledAt": at, "targets": [{ "accountId": account }] });
        app.post("/v1/posts", body)
            .await
            .error(400, "validation_failed", Some(rule));
    }
    app.assert_nothing_stored().await;
    app.finish().await;
}

#[tokio::test]
async fn every_broken_rule_of_every_target_is_named_at_once() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let image = json!({ "kind": "image", "bytesBase64": STANDARD.encode(png(100)) });
    let moving = [b"GIF89a".to_vec(), vec![0; 2_000_000]].concat();
    let large = json!({ "kind": "image", "bytesBase64": STANDARD.encode(moving) });
    let answer = app
        .post(
            "/v1/posts",
            json!({
                "targets": [
                    { "accountId": account, "text": "é".repeat(301), "media": [image, image, image, image, image] },
                    { "accountId": account, "text": "👨‍👩‍👧‍👦".repeat(130) },
                    { "accountId": "019a0000-0000-7000-8000-000000000000", "text": "a" },
                    { "accountId": account, "text": "a", "media": [large] },
                    { "accountId": account, "text": "a", "options": { "platform": "toy_list" } },
                    { "accountId": account, "text": "a", "media": [{ "kind": "image", "mediaId": "med_0000000000000000000000" }] },
                ],
            }),
        )
        .await;
    let error = answer.error(404, "not_found", Some("target.account.unknown"));
    assert!(error["remediation"].is_string());
    let expected = pairs(&[
        ("target.account.unknown", "targets.2.accountId"),
        (
            "targets.options.platform_mismatch",
            "targets.4.options.platform",
        ),
        ("bluesky.text.max_graphemes", "targets.0.text"),
        ("bluesky.media.count_max", "targets.0.media"),
        ("bluesky.text.max_bytes", "targets.1.text"),
        ("bluesky.media.image_size_max", "targets.3.media.0"),
        ("media.unknown", "targets.5.media.0.mediaId"),
    ]);
    assert_eq!(rules(error), expected);
    let last = &error["violations"][3];
    assert_eq!(
        (&last["platform"], &last["target"]),
        (&json!("bluesky"), &json!(0))
    );
    app.assert_nothing_stored().await;
    let long = json!({ "text": "a".repeat(301), "targets": [{ "platform": "bluesky" }] });
    let answer = app.post("/v1/posts", long).await;
    let error = answer.error(400, "preflight_failed", Some("bluesky.text.max_graphemes"));
    assert_eq!(error["platform"], "bluesky");
    assert!(
        error["ruleUrl"]
            .as_str()
            .unwrap()
            .ends_with("/preflight/bluesky-text-max_graphemes")
    );
    app.assert_nothing_stored().await;
    app.finish().await;
}

#[tokio::test]
async fn an_account_is_named_by_id_or_is_the_only_one_of_its_platform() {
    let app = App::start().await;
    let none = json!({ "text": "a", "targets": [{ "platform": "toy_blind" }] });
    let answer = app.post("/v1/posts", none.clone()).await;
    answer.error(
        400,
        "validation_failed",
        Some("target.account.not_connected"),
    );
    let first = app.toy("toy_blind", "one").await;
    let second = app.toy("toy_blind", "two").await;
    let answer = app.post("/v1/posts", none).await;
    let error = answer.error(400, "validation_failed", Some("target.account.ambiguous"));
    assert_eq!(
        error["platformResponse"]["candidates"],
        json!([first, second])
    );
    let both = json!({ "text": "a", "targets": [{ "accountId": first, "platform": "bluesky" }] });
    let answer = app.post("/v1/posts", both).await;
    answer.error(
        400,
        "validation_failed",
        Some("targets.account.platform_mismatch"),
    );
    app.assert_nothing_stored().await;
    app.finish().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_ends_the_request() {
    let config = ApiConfig {
        body_wait: Duration::from_millis(30),
        ..ApiConfig::default()
    };
    let app = App::with(Duration::from_millis(50), config).await;
    let silent = || Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = app
        .raw("POST", "/v1/posts", &app.key, &json_and(&[]), silent())
        .await;
    answer.error(408, "validation_failed", Some("body.timeout"));
    let form = [("content-type", "multipart/form-data; boundary=b")];
    let answer = app
        .raw("POST", "/v1/media", &app.key, &form, silent())
        .await;
    answer.error(408, "validation_failed", Some("body.timeout"));
    app.finish().await;
}
