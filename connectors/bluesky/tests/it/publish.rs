//! Publishing: what arrives, what is frozen, and each way of being refused.

use crate::kit::{DID, Marks, World, receipt, text};
use publisher::{
    Class::{self, AccountBlocked, Ambiguous, RateLimited, Rejected, Transient, Unauthorized},
    Post, Scope,
    fake::Fault,
};
use serde_json::{Value, json};
use std::time::Duration;

const PUT: &str = "com.atproto.repo.putRecord";
const UPLOAD: &str = "com.atproto.repo.uploadBlob";

#[tokio::test]
async fn a_text_is_published_under_a_minted_key() {
    let world = World::open().await;
    let (post, marks) = (text("hello, sky"), Marks::default());
    let receipt = receipt(world.turn(&post, &marks).publish().await.unwrap());

    let (rkey, record) = world.posts().pop().unwrap();
    assert_eq!(record["text"], "hello, sky");
    assert_eq!(
        receipt.uri.unwrap(),
        format!("at://{DID}/app.bsky.feed.post/{rkey}")
    );
    assert_eq!(
        receipt.url.unwrap(),
        format!("https://bsky.app/profile/{DID}/post/{rkey}")
    );
    assert!(receipt.cid.unwrap().starts_with("bafyrei"));
    assert!(receipt.warnings.is_empty());
    let checkpoint = marks.last().unwrap();
    assert_eq!(
        (checkpoint.version, checkpoint.stage.as_str()),
        (world.connector.habits.checkpoint_version, "frozen")
    );
    assert_eq!(
        (&checkpoint.body["rkey"], &checkpoint.body["record"]),
        (&json!(rkey), &record)
    );
    assert_eq!(world.server.ledger().effective("hello, sky"), 1);
}

#[tokio::test]
async fn four_images_arrive_in_order_with_alt_text_and_ratio() {
    let world = World::open().await;
    let media = (1..=4)
        .map(|n| world.files.png(&format!("med_{n}"), 1_000 * n))
        .collect();
    let post = Post { media, ..text("") };
    assert!(world.connector.publisher.preflight(&post).passes());
    world
        .turn(&post, &Marks::default())
        .publish()
        .await
        .unwrap();

    let (_, record) = world.posts().pop().unwrap();
    let images = record["embed"]["images"].as_array().unwrap();
    assert_eq!(images.len(), 4);
    for (image, n) in images.iter().zip(1_u64..) {
        assert_eq!(image["alt"], format!("alt of med_{n}"));
        assert_eq!(image["aspectRatio"], json!({ "width": 640, "height": 480 }));
        assert_eq!(
            (&image["image"]["size"], &image["image"]["mimeType"]),
            (&json!(1_000 * n), &json!("image/png"))
        );
    }
}

#[tokio::test]
async fn an_image_of_the_full_size_is_uploaded_whole() {
    let world = World::open().await;
    let post = Post {
        media: vec![world.files.png("med_big", 2_000_000)],
        ..text("big")
    };
    world
        .turn(&post, &Marks::default())
        .publish()
        .await
        .unwrap();
    assert_eq!(
        world.posts()[0].1["embed"]["images"][0]["image"]["size"],
        2_000_000
    );
}

#[tokio::test]
async fn nothing_is_sent_without_a_mark() {
    let world = World::open().await;
    let (post, marks) = (
        text("never"),
        Marks {
            refuses: true,
            ..Marks::default()
        },
    );
    let failure = world.turn(&post, &marks).publish().await.unwrap_err();
    assert_eq!(failure.code, "mark.refused");
    assert_eq!(world.server.ledger().sends("never"), 0);
}

#[tokio::test]
async fn a_repetition_sends_the_frozen_record_and_makes_no_second_post() {
    let world = World::open().await;
    let (post, marks) = (text("once"), Marks::default());
    let first = receipt(world.turn(&post, &marks).publish().await.unwrap());
    world.server.clock().advance(Duration::from_hours(1));
    let mut again = world.turn(&post, &marks);
    again.checkpoint = marks.last();
    let second = receipt(again.publish().await.unwrap());

    assert_eq!(first, second);
    assert_eq!(
        marks
            .set
            .lock()
            .unwrap()
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .count(),
        1
    );
    assert_eq!(
        (
            world.server.ledger().sends("once"),
            world.server.ledger().effective("once")
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn two_posts_of_the_same_text_are_two_posts() {
    let world = World::open().await;
    let post = text("twice");
    for _ in 0..2 {
        world
            .turn(&post, &Marks::default())
            .publish()
            .await
            .unwrap();
    }
    assert_eq!(world.posts().len(), 2);
}

#[tokio::test]
async fn a_blob_that_was_thrown_away_is_uploaded_again_under_the_same_key() {
    let world = World::open().await;
    let post = Post {
        media: vec![world.files.png("med_1", 5_000)],
        ..text("late image")
    };
    let pds = world.pds.clone();
    let marks = Marks {
        hook: Some(Box::new(move || pds.collect_blobs(DID))),
        ..Marks::default()
    };
    let failure = world.turn(&post, &marks).publish().await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (Transient, "bluesky.put_record.blob_not_found")
    );

    let kept = Marks::default();
    let mut again = world.turn(&post, &kept);
    again.checkpoint = marks.last();
    again.publish().await.unwrap();
    assert_eq!(
        json!(world.posts()[0].0),
        marks.last().unwrap().body["rkey"]
    );
    assert_eq!(kept.last(), marks.last());
}

#[tokio::test]
async fn what_is_public_already_is_not_sent_again() {
    let world = World::open().await;
    let (post, marks) = (text("done"), Marks::default());
    let receipt = receipt(world.turn(&post, &marks).publish().await.unwrap());
    let mut again = world.turn(&post, &marks);
    again.receipt = Some(receipt.clone());
    assert_eq!(
        again.publish().await.unwrap(),
        publisher::Progress::Published(receipt)
    );
    assert_eq!(world.server.ledger().sends("done"), 1);
}

async fn refused_with(world: &World, route: &str, status: u16, body: Value) -> publisher::Failure {
    let post = Post {
        media: vec![world.files.png("med_1", 100)],
        ..text("refused")
    };
    world.server.faults().arm(
        route,
        Fault::Status {
            status,
            body,
            headers: vec![],
        },
        1,
    );
    world
        .turn(&post, &Marks::default())
        .publish()
        .await
        .unwrap_err()
}

#[tokio::test]
async fn each_documented_refusal_has_its_class() {
    let world = World::open().await;
    let rows: [(&str, u16, &str, Class); 16] = [
        (PUT, 400, "ExpiredToken", Unauthorized),
        (PUT, 400, "InvalidToken", Unauthorized),
        (PUT, 401, "AuthMissing", Unauthorized),
        (PUT, 401, "AccountTakedown", AccountBlocked),
        (PUT, 403, "ScopeMissingError", AccountBlocked),
        (PUT, 400, "InvalidRequest", Rejected),
        (PUT, 400, "InvalidSwap", Ambiguous),
        (PUT, 400, "BlobNotFound", Transient),
        (PUT, 413, "PayloadTooLarge", Rejected),
        (PUT, 429, "RateLimitExceeded", RateLimited),
        (PUT, 500, "InternalServerError", Ambiguous),
        (PUT, 503, "NotEnoughResources", Ambiguous),
        (UPLOAD, 400, "ExpiredToken", Unauthorized),
        (UPLOAD, 413, "PayloadTooLarge", Rejected),
        (UPLOAD, 500, "InternalServerError", Transient),
        (UPLOAD, 429, "RateLimitExceeded", RateLimited),
    ];
    for (route, status, error, class) in rows {
        let failure = refused_with(
            &world,
            route,
            status,
            json!({ "error": error, "message": "because" }),
        )
        .await;
        assert_eq!(
            (failure.class, failure.http_status),
            (class, Some(status)),
            "{route} {error}: {failure}"
        );
        assert_eq!(world.server.faults().left(), 0, "{route} {error}");
    }
    assert!(world.posts().is_empty());
}

#[tokio::test]
async fn a_limit_closes_the_account_until_the_instant_it_names() {
    let world = World::open().await;
    let reset = (world.now().timestamp() + 900).to_string();
    let headers = vec![
        ("ratelimit-reset".to_owned(), reset),
        ("ratelimit-policy".to_owned(), "5000;w=3600".to_owned()),
    ];
    world.server.faults().arm(
        PUT,
        Fault::Status {
            status: 429,
            body: json!({}),
            headers,
        },
        1,
    );
    let failure = world
        .turn(&text("limited"), &Marks::default())
        .publish()
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.scope),
        (RateLimited, Scope::Account)
    );
    let wait = failure.retry_in.unwrap().as_secs();
    assert!((898..=900).contains(&wait), "{wait}");
}

#[tokio::test]
async fn an_expired_token_is_refused_before_anything_happens() {
    let world = World::open().await;
    world.server.clock().advance(Duration::from_mins(121));
    let failure = world
        .turn(&text("stale"), &Marks::default())
        .publish()
        .await
        .unwrap_err();
    assert_eq!(failure.class, Unauthorized);
    assert_eq!(world.server.ledger().effective("stale"), 0);
}

#[tokio::test]
async fn a_record_that_the_lexicon_refuses_is_rejected_with_the_servers_words() {
    let world = World::open().await;
    let failure = world
        .turn(&text(&"a".repeat(301)), &Marks::default())
        .publish()
        .await
        .unwrap_err();
    assert_eq!(failure.class, Rejected);
    assert!(
        failure
            .message
            .contains("must not be longer than 300 graphemes"),
        "{failure}"
    );
}

#[tokio::test]
async fn no_token_is_in_any_debug_output() {
    let world = World::open().await;
    let (post, marks) = (text("quiet"), Marks::default());
    let published = world.turn(&post, &marks).publish().await.unwrap();
    let failure = refused_with(&world, PUT, 400, json!({ "error": "InvalidRequest" })).await;
    let all = format!(
        "{:?} {:?} {:?} {published:?} {failure:?} {:?} {:?}",
        world.tokens,
        world.account,
        world.connector,
        marks.last(),
        world.http
    );
    assert!(!all.contains("eyJ") && !all.contains("s3cr"), "{all}");
}
