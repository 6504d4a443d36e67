//! Facets as they arrive in the repository.

use crate::kit::{DID, Marks, World, receipt, text};
use publisher::{Class, Evidence, fake::Fault};
use serde_json::{Value, json};

const RESOLVE: &str = "com.atproto.identity.resolveHandle";

fn facet(start: usize, end: usize, feature: &Value) -> Value {
    json!({ "index": { "byteStart": start, "byteEnd": end }, "features": [feature] })
}

#[tokio::test]
async fn links_mentions_and_tags_arrive_with_byte_offsets() {
    let world = World::open().await;
    let post = text("👋 @ada.test and @Bob.test: example.com #été");
    let receipt = receipt(
        world
            .turn(&post, &Marks::default())
            .publish()
            .await
            .unwrap(),
    );
    assert!(receipt.warnings.is_empty());
    assert_eq!(
        world.posts()[0].1["facets"],
        json!([
            facet(
                5,
                14,
                &json!({ "$type": "app.bsky.richtext.facet#mention", "did": DID })
            ),
            facet(
                19,
                28,
                &json!({ "$type": "app.bsky.richtext.facet#mention", "did": "did:web:bob.test" })
            ),
            facet(
                30,
                41,
                &json!({ "$type": "app.bsky.richtext.facet#link", "uri": "https://example.com" })
            ),
            facet(
                42,
                48,
                &json!({ "$type": "app.bsky.richtext.facet#tag", "tag": "été" })
            ),
        ])
    );
}

#[tokio::test]
async fn an_unknown_handle_stays_plain_text_with_a_warning() {
    let world = World::open().await;
    let post = text("@nobody.test @ada.test @nobody.test");
    let receipt = receipt(
        world
            .turn(&post, &Marks::default())
            .publish()
            .await
            .unwrap(),
    );
    assert_eq!(receipt.warnings.len(), 1);
    assert!(receipt.warnings[0].message.contains("@nobody.test"));
    assert_eq!(world.posts()[0].1["facets"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_resolver_that_is_down_is_asked_again_later() {
    let world = World::open().await;
    let body = json!({ "error": "UpstreamFailure" });
    world.server.faults().arm(
        RESOLVE,
        Fault::Status {
            status: 502,
            body,
            headers: vec![],
        },
        1,
    );
    let failure = world
        .turn(&text("@ada.test"), &Marks::default())
        .publish()
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (Class::Transient, "bluesky.resolve_handle.unavailable")
    );
    assert_eq!(world.server.ledger().sends("@ada.test"), 0);
}

#[tokio::test]
async fn a_byte_order_mark_at_the_start_is_not_published_and_not_counted() {
    let world = World::open().await;
    let post = text("\u{feff}\u{feff}see example.com");
    let marks = Marks::default();
    let mut turn = world.turn(&post, &marks);
    let published = turn.publish().await.unwrap();
    let record = &world.posts()[0].1;
    assert_eq!(record["text"], "see example.com");
    assert_eq!(
        record["facets"][0]["index"],
        json!({ "byteStart": 4, "byteEnd": 15 })
    );
    turn.checkpoint = marks.last();
    turn.sent_at = Some(turn.now);
    assert_eq!(turn.verify().await.unwrap(), Evidence::Found(published));
}

#[tokio::test]
async fn languages_are_passed_on_in_the_case_that_a_pds_takes() {
    let world = World::open().await;
    let post = publisher::Post {
        options: json!({ "langs": ["EN", "De-AT"] }),
        ..text("zwei")
    };
    world
        .turn(&post, &Marks::default())
        .publish()
        .await
        .unwrap();
    assert_eq!(world.posts()[0].1["langs"], json!(["en", "de-AT"]));
}
