//! Films with captions: what a request must say, what is kept, and the whole way to the platform.

use crate::{
    app::{App, png},
    media::{film, part, send},
};
use serde_json::{Value, json};

async fn stored(app: &App, bytes: &[u8]) -> String {
    let answer = send(app, "", &[part("file", bytes)]).await;
    answer.ok(201)["id"].as_str().unwrap().to_owned()
}

/// A request for one post with this media.
fn request(account: &str, media: &Value) -> Value {
    json!({ "text": "a film", "media": [media], "targets": [{ "accountId": account }] })
}

#[tokio::test]
async fn a_film_goes_out_with_its_captions() {
    let app = App::start().await;
    app.work().await;
    let account = app.bluesky().await;
    let (film, words) = (
        stored(&app, &film()).await,
        b"WEBVTT\n\n00:01.000 --> 00:02.000\nhi\n",
    );
    let captions = json!([{ "lang": "en", "mediaId": stored(&app, words).await }]);
    let media =
        json!({ "kind": "video", "mediaId": film, "altText": "a dot", "captions": captions });
    let answer = app.post("/v1/posts", request(&account, &media)).await;
    let result = answer.ok(200)["results"][0].clone();
    assert_eq!(result["status"], "published", "{result}");

    let post = app
        .get(&format!("/v1/posts/{}", result["postId"].as_str().unwrap()))
        .await;
    assert_eq!(post.ok(200)["mediaRefs"][0]["captions"], captions);
    let records = app.pds.records("did:plc:alicealicealicealicealic");
    let embed = &records[0].1["embed"];
    assert_eq!(embed["$type"], "app.bsky.embed.video");
    assert_eq!(embed["captions"][0]["lang"], "en");
    assert_eq!(embed["aspectRatio"], json!({ "width": 640, "height": 360 }));
    app.finish().await;
}

#[tokio::test]
async fn captions_that_cannot_be_used_are_named_where_they_stand() {
    let app = App::start().await;
    let account = app.bluesky().await;
    let (film, picture) = (stored(&app, &film()).await, stored(&app, &png(100)).await);
    let unknown = format!("med_{}", "0".repeat(22));
    let video = |captions: Value| json!({ "kind": "video", "mediaId": film, "captions": captions });
    let image = json!({ "kind": "image", "mediaId": picture, "captions": [{ "lang": "en", "mediaId": film }] });
    for (media, status, rule, path) in [
        (
            video(json!([{ "lang": "en" }])),
            400,
            "media.0.captions.0.mediaId",
            "media.0.captions.0.mediaId",
        ),
        (image, 400, "media.0.captions", "media.0.captions"),
        (
            video(json!([{ "lang": "en", "mediaId": unknown }])),
            404,
            "media.unknown",
            "targets.0.media.0.captions.0.mediaId",
        ),
        (
            video(json!([{ "lang": "en", "mediaId": picture }])),
            400,
            "bluesky.video.caption_mime",
            "targets.0.media.0.captions.0",
        ),
    ] {
        let answer = app.post("/v1/posts", request(&account, &media)).await;
        assert_eq!(answer.status, status, "{}", answer.json);
        let first = &answer.json["error"]["violations"][0];
        assert_eq!(
            (&first["rule"], &first["path"]),
            (&json!(rule), &json!(path))
        );
    }
    app.finish().await;
}
