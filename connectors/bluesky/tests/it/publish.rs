//! Publishing: what arrives and what is frozen. What every connector must do is in `conformance.rs`.

use crate::kit::{DID, Marks, World, receipt, text};
use publisher::{
    Class::{RateLimited, Rejected, Transient},
    Post, Scope,
    fake::Fault,
};
use serde_json::json;
use std::time::Duration;

const PUT: &str = "com.atproto.repo.putRecord";

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
        .map(|n| world.files.png(&format!("med_{n}"), 16 * n, 9 * n))
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
    for ((image, media), n) in images.iter().zip(&post.media).zip(1_u64..) {
        assert_eq!(image["alt"], format!("alt of med_{n}"));
        let ratio = json!({ "width": 16 * n, "height": 9 * n });
        assert_eq!(image["aspectRatio"], ratio);
        assert_eq!(
            (&image["image"]["size"], &image["image"]["mimeType"]),
            (&json!(media.size_bytes), &json!("image/png"))
        );
    }
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
        media: vec![world.files.png("med_1", 40, 40)],
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
