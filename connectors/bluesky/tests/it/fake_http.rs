//! The fake's way over HTTP: tokens, bodies, limits, control routes.

use crate::{
    kit::{DID, HANDLE, PASSWORD, World},
    raw::{POST, RKEY, is, record, refusal},
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn tokens_are_checked_by_kind_signature_and_time() {
    let world = World::open().await;
    let body = json!({ "repo": DID, "collection": POST, "rkey": RKEY, "record": record("auth") });
    let put = |token: Option<SecretString>| {
        let (world, body) = (&world, &body);
        async move {
            refusal(
                &world
                    .call("com.atproto.repo.putRecord", token.as_ref(), body)
                    .await,
            )
        }
    };
    assert_eq!(put(None).await, is(401, "AuthMissing"));
    assert_eq!(
        put(Some(SecretString::from("a.b.c".to_owned()))).await,
        is(400, "InvalidToken")
    );
    assert_eq!(
        put(world.tokens.refresh.clone()).await,
        is(400, "InvalidToken")
    );
    world.server.clock().advance(Duration::from_secs(7_201));
    assert_eq!(
        put(Some(world.tokens.access.clone())).await,
        is(400, "ExpiredToken")
    );
}

#[tokio::test]
async fn the_way_over_http_is_the_protocols() {
    let world = World::open().await;
    let refresh = world.tokens.refresh.as_ref();
    let with_body = world
        .call("com.atproto.server.refreshSession", refresh, &json!({}))
        .await;
    assert_eq!(refusal(&with_body), is(400, "InvalidRequest"));
    assert_eq!(
        refusal(&world.get("com.example.nothing", &[]).await),
        is(400, "InvalidRequest")
    );
    assert_eq!(
        world.get("com.atproto.repo.putRecord", &[]).await.status,
        400
    );
    let url = world
        .server
        .url()
        .join("/xrpc/com.atproto.server.createSession")
        .unwrap();
    let form = world
        .http
        .post(&url)
        .form(&[("identifier", HANDLE), ("password", PASSWORD)])
        .send()
        .await
        .unwrap();
    assert_eq!(refusal(&form), is(400, "InvalidRequest"));
    assert_eq!(world.http.post(&url).send().await.unwrap().status, 400);
    let cut = world.http.post(&url).bytes("application/json", "{".into());
    assert_eq!(refusal(&cut.send().await.unwrap()), is(400, "SyntaxError"));
    assert_eq!(
        refusal(
            &world
                .get(
                    "com.atproto.identity.resolveHandle",
                    &[("handle", "not a handle")]
                )
                .await
        ),
        is(400, "InvalidRequest")
    );
    let server: Value = world
        .get("com.atproto.server.describeServer", &[])
        .await
        .json()
        .unwrap();
    assert_eq!(server["availableUserDomains"], json!([".test"]));
    let url = world
        .server
        .url()
        .join("/xrpc/com.atproto.server.getSession")
        .unwrap();
    let session: Value = world
        .http
        .get(&url)
        .bearer(&world.tokens.access)
        .send()
        .await
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(
        (&session["did"], &session["active"]),
        (&json!(DID), &json!(true))
    );
}

#[tokio::test]
async fn an_unknown_handle_is_refused_by_name_if_it_is_the_servers_own() {
    let world = World::open().await;
    for (handle, error) in [
        ("nobody.test", "HandleNotFound"),
        ("nobody.example.com", "InvalidRequest"),
    ] {
        let resolved = world
            .get("com.atproto.identity.resolveHandle", &[("handle", handle)])
            .await;
        assert_eq!(refusal(&resolved), is(400, error));
    }
}

#[tokio::test]
async fn uploads_are_measured_and_looked_at() {
    let world = World::open().await;
    let url = world
        .server
        .url()
        .join("/xrpc/com.atproto.repo.uploadBlob")
        .unwrap();
    let upload = |bytes: Vec<u8>| {
        world
            .http
            .post(&url)
            .bearer(&world.tokens.access)
            .bytes("image/png", bytes.into())
            .send()
    };
    let blob: Value = upload(b"\xff\xd8\xff jpeg".to_vec())
        .await
        .unwrap()
        .json()
        .unwrap();
    assert_eq!(
        (&blob["blob"]["mimeType"], &blob["blob"]["size"]),
        (&json!("image/jpeg"), &json!(8))
    );
    assert_eq!(upload(Vec::new()).await.unwrap().status, 200);
    assert_eq!(
        refusal(&upload(vec![0; 5 * 1024 * 1024 + 1]).await.unwrap()),
        is(413, "PayloadTooLarge")
    );
}

#[tokio::test]
async fn logins_are_limited_and_the_headers_say_so() {
    let world = World::open().await; // the first login
    let login = json!({ "identifier": HANDLE, "password": "wrong" });
    for _ in 0..29 {
        assert_eq!(
            world
                .call("com.atproto.server.createSession", None, &login)
                .await
                .status,
            401
        );
    }
    let limited = world
        .call("com.atproto.server.createSession", None, &login)
        .await;
    assert_eq!(refusal(&limited), is(429, "RateLimitExceeded"));
    assert_eq!(limited.header("ratelimit-policy"), Some("30;w=300"));
    assert_eq!(limited.header("ratelimit-remaining"), Some("0"));
    assert!(limited.header("retry-after").is_some());
    world.server.clock().advance(Duration::from_secs(301));
    let open = world
        .call("com.atproto.server.createSession", None, &login)
        .await;
    assert_eq!(
        (open.status, open.header("ratelimit-remaining")),
        (401, Some("29"))
    );
}

#[tokio::test]
async fn accounts_are_made_and_broken_over_http() {
    let world = World::open().await;
    let at = |path: &str| world.server.url().join(path).unwrap();
    let eve = json!({ "handle": "eve.test", "did": "did:web:eve.test", "password": "pass-pass-pass-pass" });
    assert_eq!(
        world
            .http
            .post(&at("/_fake/accounts"))
            .json(&eve)
            .send()
            .await
            .unwrap()
            .status,
        201
    );
    let resolved: Value = world
        .get(
            "com.atproto.identity.resolveHandle",
            &[("handle", "eve.test")],
        )
        .await
        .json()
        .unwrap();
    assert_eq!(resolved["did"], "did:web:eve.test");
    let down = json!({ "status": "takendown" });
    assert_eq!(
        world
            .http
            .post(&at("/_fake/accounts/did:web:eve.test/status"))
            .json(&down)
            .send()
            .await
            .unwrap()
            .status,
        204
    );
    let login = json!({ "identifier": "eve.test", "password": "pass-pass-pass-pass" });
    assert_eq!(
        refusal(
            &world
                .call("com.atproto.server.createSession", None, &login)
                .await
        ),
        is(401, "AuthenticationRequired")
    );
    let about: Value = world
        .http
        .get(&at("/_fake"))
        .send()
        .await
        .unwrap()
        .json()
        .unwrap();
    assert!(about.to_string().contains("ada.test") && !about.to_string().contains(PASSWORD));
}

/// Method, path and body of a line that begins with `curl`.
fn curl(line: &str) -> (&str, &str, Option<&str>) {
    let rest = line.strip_prefix("curl -s ").unwrap();
    let (method, rest) = match rest.strip_prefix("-X POST ") {
        Some(rest) => ("POST", rest),
        None => ("GET", rest),
    };
    let rest = rest.strip_prefix("$FAKE").unwrap();
    match rest.split_once(" -d '") {
        Some((path, body)) => ("POST", path, Some(body.strip_suffix('\'').unwrap())),
        None => (method, rest, None),
    }
}

#[tokio::test]
async fn the_lines_of_the_page_about_fakes_work() {
    let world = World::open().await;
    let page = include_str!("../../../../docs/platforms/fakes.md");
    let mut asked = 0;
    for line in page.lines().filter(|line| line.starts_with("curl ")) {
        let (method, path, body) = curl(line);
        let url = world.server.url().join(path).unwrap();
        let call = match (method, body) {
            ("GET", _) => world.http.get(&url),
            // The content type that curl sends with -d.
            (_, body) => world.http.post(&url).bytes(
                "application/x-www-form-urlencoded",
                body.unwrap_or_default().to_owned().into(),
            ),
        };
        let answer = call.send().await.unwrap();
        let told = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 200, "{line}: {told}");
        asked += 1;
    }
    assert!(asked > 6, "{asked}");
    assert_eq!(world.server.faults().left(), 0, "the last line resets");
}
