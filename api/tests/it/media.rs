//! Uploads: streamed, recognised by their bytes, capped.

use crate::app::{Answer, App, png};
use axum::body::Body;
use bytes::Bytes;
use engine::Environment;
use futures_util::{StreamExt as _, stream};
use serde_json::json;

const BOUNDARY: &str = "----boundary";

pub(crate) fn part(name: &str, bytes: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"x.txt\"\r\ncontent-type: text/plain\r\n\r\n"
    );
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

pub(crate) async fn send(app: &App, query: &str, parts: &[Vec<u8>]) -> Answer {
    let body = [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat();
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    app.raw(
        "POST",
        &format!("/v1/media{query}"),
        &app.key,
        &[("content-type", &kind)],
        body,
    )
    .await
}

#[tokio::test]
async fn a_file_is_stored_as_what_its_bytes_say() {
    let app = App::start().await;
    let answer = send(&app, "", &[part("note", b"hello"), part("file", &png(100))]).await;
    let media = answer.ok(201);
    assert_eq!(media["contentType"], "image/png");
    assert_eq!(media["sizeBytes"], 100);
    assert_eq!(media["sha256"].as_str().unwrap().len(), 64);
    let id = media["id"].as_str().unwrap();
    assert!(id.starts_with("med_") && id.len() == 26, "{id}");
    assert!(media["url"].as_str().unwrap().contains(id));
    assert!(
        media["warnings"][0]["message"]
            .as_str()
            .unwrap()
            .contains("note")
    );
    let list = app.get("/v1/media").await;
    assert_eq!(list.ok(200)["data"][0]["id"], id);
    assert_eq!(list.json["data"][0]["profileId"], app.profile.to_string());
    assert_eq!(list.json["nextCursor"], json!(null));
    app.finish().await;
}

#[tokio::test]
async fn an_upload_that_cannot_be_taken_leaves_nothing() {
    let app = App::start().await;
    let file = part("file", &png(100));
    for (parts, status, rule) in [
        (vec![part("other", b"x")], 400, "media.missing_file"),
        (vec![file.clone(), file.clone()], 400, "media.single_file"),
        (vec![part("file", b"")], 400, "media.empty_body"),
        (
            vec![part("file", b"<html>not a picture</html>")],
            400,
            "media.content_type",
        ),
        (vec![part("file", &png(3_000_001))], 413, "media.size_max"),
    ] {
        let answer = send(&app, "", &parts).await;
        answer.error(status, "validation_failed", Some(rule));
    }
    let cut = part("file", &png(100));
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let answer = app
        .raw(
            "POST",
            "/v1/media",
            &app.key,
            &[("content-type", &kind)],
            cut,
        )
        .await;
    answer.error(400, "validation_failed", Some("media.parse_failed"));
    let answer = app
        .raw(
            "POST",
            "/v1/media",
            &app.key,
            &[("content-type", "image/png")],
            png(100),
        )
        .await;
    answer.error(400, "validation_failed", Some("media.content_type"));
    app.assert_nothing_stored().await;
    app.finish().await;
}

fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes()[..], &kind, content].concat()
}

/// A film of 640 by 360 pixels that lasts two seconds.
pub(crate) fn film() -> Vec<u8> {
    let mut movie = vec![0; 12];
    movie.extend(1_000_u32.to_be_bytes());
    movie.extend(2_000_u32.to_be_bytes());
    let mut track = vec![0; 76];
    track[40..44].copy_from_slice(&0x1_0000_u32.to_be_bytes());
    track.extend((640_u32 << 16).to_be_bytes());
    track.extend((360_u32 << 16).to_be_bytes());
    let handler = boxed(*b"hdlr", b"\0\0\0\0\0\0\0\0vide");
    let track = [boxed(*b"tkhd", &track), boxed(*b"mdia", &handler)].concat();
    let index = [boxed(*b"mvhd", &movie), boxed(*b"trak", &track)].concat();
    [
        boxed(*b"ftyp", b"isom\0\0\x02\0isomiso2avc1mp41"),
        boxed(*b"moov", &index),
        boxed(*b"mdat", &[7; 500]),
    ]
    .concat()
}

#[tokio::test]
async fn a_film_is_measured_and_a_broken_one_is_refused() {
    let app = App::start().await;
    let whole = film();
    let broken = part("file", &whole[..whole.len() - 100]);
    let answer = send(&app, "", &[broken]).await;
    let error = answer.error(400, "validation_failed", Some("media.broken"));
    assert!(error["message"].as_str().unwrap().contains("cut off"));
    app.assert_nothing_stored().await;

    let answer = send(&app, "", &[part("file", &whole)]).await;
    let media = answer.ok(201);
    assert_eq!(media["contentType"], "video/mp4");
    assert_eq!(
        (&media["width"], &media["height"], &media["durationMs"]),
        (&json!(640), &json!(360), &json!(2_000))
    );
    app.finish().await;
}

#[tokio::test]
async fn a_pinned_key_uploads_into_its_profile_and_sees_no_other() {
    let app = App::start().await;
    send(&app, "", &[part("file", &png(100))]).await.ok(201);
    let other = app.new_profile("other").await;
    let (key, _) = app.new_key(Environment::Live, Some(other)).await;
    let mut own = app;
    own.key = key;
    let list = own.get("/v1/media").await;
    assert_eq!(list.ok(200)["data"], json!([]));
    let stored = send(&own, "", &[part("file", &png(100))]).await;
    assert_eq!(stored.ok(201)["profileId"], other.to_string());
    let foreign = send(
        &own,
        &format!("?profileId={}", own.profile),
        &[part("file", &png(100))],
    )
    .await;
    foreign.error(404, "not_found", Some("api_key.profile_scope"));
    let unknown = send(&own, "?profileId=x", &[part("file", &png(100))]).await;
    unknown.error(400, "validation_failed", Some("profileId"));
    own.finish().await;
}

#[tokio::test]
async fn a_key_revoked_during_an_upload_ends_it_and_nothing_is_kept() {
    let app = App::start().await;
    let whole = [
        part("file", &png(100)),
        format!("--{BOUNDARY}--\r\n").into_bytes(),
    ]
    .concat();
    let (head, rest) = whole.split_at(150);
    let (head, rest) = (Bytes::copy_from_slice(head), Bytes::copy_from_slice(rest));
    let (store, key) = (app.db.store.clone(), app.key_id);
    let first = stream::once(async { Ok::<_, std::io::Error>(head) });
    let then = stream::once(async move {
        store.revoke_key(key, None).await.unwrap().unwrap();
        Ok(rest)
    });
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let body = Body::from_stream(first.chain(then));
    let answer = app
        .raw(
            "POST",
            "/v1/media",
            &app.key,
            &[("content-type", &kind)],
            body,
        )
        .await;
    answer.error(401, "unauthenticated", None);
    app.assert_nothing_stored().await;
    app.finish().await;
}
