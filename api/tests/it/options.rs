//! A platform's options through the API: the files that they name, and what their parts become.

use crate::app::{Answer, App, png};
use axum::body::Body;
use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

const DID: &str = "did:plc:alicealicealicealicealic";

/// Uploads a picture; its id.
async fn upload(app: &App, key: &str) -> String {
    let head = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n";
    let body = [head.as_bytes(), &png(100), b"\r\n--b--\r\n"].concat();
    let form = [("content-type", "multipart/form-data; boundary=b")];
    let answer = app
        .raw(
            "POST",
            "/v1/media",
            key,
            &form,
            Body::from(Bytes::from(body)),
        )
        .await;
    answer.ok(201)["id"].as_str().unwrap().to_owned()
}

/// A thread of two posts, the second with a picture, and a card with another.
fn target(account: &str, picture: &str, thumb: &str) -> Value {
    json!({
        "accountId": account, "text": "one", "firstComment": { "text": "three" },
        "options": {
            "platform": "bluesky", "langs": ["en"],
            "thread": [{ "text": "two", "media": [{ "kind": "image", "mediaId": picture, "altText": "a dot" }] }],
            "link": { "url": "https://example.com/", "title": "T", "description": "D", "thumbMediaId": thumb },
        },
    })
}

fn record(app: &App, text: &str) -> Value {
    let records = app.pds.records(DID).into_iter().map(|(_, record)| record);
    records
        .into_iter()
        .find(|record| record["text"] == text)
        .unwrap()
}

fn assert_arrived(app: &App) {
    assert_eq!(app.pds.records(DID).len(), 3);
    assert_eq!(
        record(app, "one")["embed"]["external"]["thumb"]["mimeType"],
        "image/png"
    );
    assert_eq!(record(app, "one")["langs"], json!(["en"]));
    assert_eq!(record(app, "two")["embed"]["images"][0]["alt"], "a dot");
    assert!(record(app, "three")["reply"]["root"]["uri"].is_string());
}

#[tokio::test]
async fn the_parts_of_a_publication_are_in_its_answer() {
    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let (picture, thumb) = (upload(&app, &app.key).await, upload(&app, &app.key).await);
    let body = json!({ "targets": [target(&account, &picture, &thumb)] });
    let answer = app.post("/v1/posts", body).await;
    let result = answer.ok(200)["results"][0].clone();
    assert_eq!(result["status"], "published", "{result}");
    assert!(
        result["firstCommentUri"]
            .as_str()
            .unwrap()
            .starts_with("at://")
    );
    assert!(
        result["firstCommentCid"]
            .as_str()
            .unwrap()
            .starts_with("bafyrei")
    );
    assert_eq!(result["thread"].as_array().unwrap().len(), 1);
    assert!(result["thread"][0]["uri"].is_string() && result["thread"][0]["cid"].is_string());
    let path = format!("/v1/posts/{}", result["postId"].as_str().unwrap());
    let post = app.get(&path).await;
    let post = post.ok(200);
    for (own, of_result) in [
        ("firstCommentUri", "firstCommentUri"),
        ("firstCommentCid", "firstCommentCid"),
        ("thread", "thread"),
        ("platformUri", "uri"),
    ] {
        assert_eq!(post[own], result[of_result], "{own}");
    }
    assert_eq!(
        post["mediaRefs"],
        json!([]),
        "what options name is not attached"
    );
    assert_arrived(&app);
    app.finish().await;
}

#[tokio::test]
async fn a_scheduled_post_keeps_its_options_and_their_files_through_a_change() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let (picture, thumb) = (upload(&app, &app.key).await, upload(&app, &app.key).await);
    let mut target = target(&account, &picture, &thumb);
    target["text"] = json!("first try");
    let body = json!({ "targets": [target], "scheduledAt": "2030-01-01T00:00:00Z" });
    let answer = app.post("/v1/posts", body).await;
    let id = answer.ok(202)["results"][0]["postId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/posts/{id}");
    let before = app.get(&path).await.json;
    let change = json!({ "text": "one", "media": [] });
    let json_body = [("content-type", "application/json")];
    let answer = app
        .raw("PATCH", &path, &app.key, &json_body, change.to_string())
        .await;
    let post = answer.ok(200);
    assert_eq!(
        (&post["text"], &post["options"]),
        (&json!("one"), &before["options"])
    );
    assert_eq!(post["firstComment"], json!({ "text": "three" }));
    assert_eq!(
        app.db
            .count("select count(*) from post_media where in_options")
            .await,
        2
    );

    let (_, now) = app.client.store().ping().await.unwrap();
    let soon = (now + chrono::Duration::milliseconds(1_500)).format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let change = json!({ "scheduledAt": soon.to_string() });
    app.raw("PATCH", &path, &app.key, &json_body, change.to_string())
        .await
        .ok(200);
    app.work().await;
    let published = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            let post = app.get(&path).await.json;
            if post["status"] == "published" {
                return post;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let post = published.await.unwrap();
    assert!(post["firstCommentUri"].is_string(), "{post}");
    assert_arrived(&app);
    app.finish().await;
}

/// The violations, without what belongs to the request alone.
fn violations(answer: &Answer) -> Value {
    answer.error(404, "not_found", Some("media.unknown"))["violations"].clone()
}

#[tokio::test]
async fn a_file_that_options_name_is_looked_up_like_an_attached_one() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let here = upload(&app, &app.key).await;
    let invented = "med_0000000000000000000000".to_owned();
    let foreign = "med_1111111111111111111111".to_owned();
    app.db
        .execute(
            "with o as (insert into organisations (id, name) values (gen_random_uuid(), 'other') returning id),
                  p as (insert into profiles (org, id, name, slug) select id, gen_random_uuid(), 'd', 'd' from o returning org, id)
             insert into media (org, id, profile, content_type, size_bytes, sha256)
             select org, 'med_1111111111111111111111', id, 'image/png', 1, sha256('m') from p",
        )
        .await;
    let ask = async |picture: &str, thumb: &str| {
        let body = json!({ "targets": [target(&account, picture, thumb)] });
        app.post("/v1/posts", body).await
    };
    let unknown = violations(&ask(&invented, &here).await);
    assert_eq!(
        unknown[0]["path"],
        "targets.0.options.thread.0.media.0.mediaId"
    );
    assert_eq!(unknown.as_array().unwrap().len(), 1);
    assert_eq!(
        violations(&ask(&foreign, &here).await),
        unknown,
        "foreign and invented look the same"
    );
    let both = violations(&ask(&invented, &foreign).await);
    assert_eq!(both[0]["path"], "targets.0.options.link.thumbMediaId");
    assert_eq!(both.as_array().unwrap().len(), 2);
    assert_eq!(app.db.count("select count(*) from posts").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_first_comment_is_warned_of_where_there_are_none() {
    let app = App::start().await;
    let account = app.toy("toy_blind", "one").await;
    let body = json!({ "targets": [{ "accountId": account, "text": "a", "firstComment": { "text": "b" } }],
                       "scheduledAt": "2030-01-01T00:00:00Z" });
    let answer = app.post("/v1/posts", body).await;
    let warnings = answer.ok(202)["results"][0]["warnings"].to_string();
    assert!(warnings.contains("first_comment"), "{warnings}");
    app.finish().await;
}
