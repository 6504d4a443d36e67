//! Images that must be made to fit, on servers new and old.

use crate::kit::{DID, Marks, World, noise, receipt, text};
use publisher::{Class, Post, Progress};
use serde_json::json;

/// A picture of noise whose PNG has about this many bytes.
fn sized(seed: &str, bytes: u32) -> (Vec<u8>, (u32, u32)) {
    let side = (bytes / 3).isqrt();
    (noise(seed, side, side), (side, side))
}

fn post_with(world: &World, id: &str, bytes: u32) -> Post {
    let (file, size) = sized(id, bytes);
    Post {
        media: vec![world.files.keep(id, "image/png", size, file)],
        ..text(id)
    }
}

#[tokio::test]
async fn an_image_that_is_too_large_is_made_to_fit_and_says_so() {
    let world = World::open().await;
    let post = post_with(&world, "med_big", 2_300_000);
    assert!(world.connector.publisher.preflight(&post).passes());
    let (marks, before) = (Marks::default(), post.media[0].size_bytes);
    assert!(before > 2_000_000);
    let done = receipt(world.turn(&post, &marks).publish().await.unwrap());
    let image = &world.posts()[0].1["embed"]["images"][0];
    let after = image["image"]["size"].as_u64().unwrap();
    assert!(after <= 2_000_000 && image["image"]["mimeType"] == "image/jpeg");
    let warning = &done.warnings[0];
    assert_eq!(warning.code, "bluesky.media.image_fitted");
    let said = format!("media.0: the image was made to fit: {before} bytes");
    assert!(warning.message.starts_with(&said), "{}", warning.message);
    assert!(warning.message.contains(&format!("became {after} bytes")));

    // A repetition makes the same bytes of it, so the frozen record stays true.
    let mut again = world.turn(&post, &marks);
    again.checkpoint = marks.last();
    world.pds.collect_blobs(DID);
    assert_eq!(receipt(again.publish().await.unwrap()), done);
}

#[tokio::test]
async fn an_old_server_gets_a_smaller_image_under_the_same_key() {
    let world = World::open().await;
    world.pds.set_image_bytes_max(DID, 1_000_000);
    let post = post_with(&world, "med_mid", 1_400_000);
    let marks = Marks::default();
    let first = world.turn(&post, &marks).publish().await.unwrap();
    let Progress::Pending {
        checkpoint,
        receipt: None,
        ..
    } = first
    else {
        panic!("{first:?}")
    };
    assert!(world.posts().is_empty());
    let mut again = world.turn(&post, &marks);
    again.checkpoint = Some(checkpoint);
    let done = receipt(again.publish().await.unwrap());
    let (rkey, record) = world.posts().pop().unwrap();
    assert!(record["embed"]["images"][0]["image"]["size"].as_u64() <= Some(1_000_000));
    assert_eq!(done.warnings[0].code, "bluesky.media.image_fitted");
    let keys: Vec<_> = marks
        .set
        .lock()
        .unwrap()
        .iter()
        .map(|checkpoint| checkpoint.body["rkey"].clone())
        .collect();
    assert_eq!(keys, [json!(rkey), json!(rkey)]);
}

#[tokio::test]
async fn a_server_that_refuses_the_small_one_too_is_believed() {
    let world = World::open().await;
    world.pds.set_image_bytes_max(DID, 1_000);
    let post = post_with(&world, "med_no", 1_200_000);
    let marks = Marks::default();
    let Progress::Pending { checkpoint, .. } = world.turn(&post, &marks).publish().await.unwrap()
    else {
        panic!("it is tried once more")
    };
    let mut again = world.turn(&post, &marks);
    again.checkpoint = Some(checkpoint);
    let failure = again.publish().await.unwrap_err();
    assert_eq!(
        (failure.class, failure.rule.as_deref()),
        (Class::Rejected, Some("bluesky.media.image_size_max"))
    );
}

#[tokio::test]
async fn a_type_that_lies_is_judged_by_its_bytes() {
    let world = World::open().await;
    let media = world
        .files
        .keep("med_lie", "image/jpeg", (8, 8), noise("lie", 8, 8));
    let post = Post {
        media: vec![media],
        ..text("lie")
    };
    world
        .turn(&post, &Marks::default())
        .publish()
        .await
        .unwrap();
    let image = &world.posts()[0].1["embed"]["images"][0]["image"];
    assert_eq!(image["mimeType"], "image/png");

    let page = b"<html>not a picture</html>".to_vec();
    let media = world.files.keep("med_page", "image/jpeg", (8, 8), page);
    let post = Post {
        media: vec![media],
        ..text("page")
    };
    let failure = world
        .turn(&post, &Marks::default())
        .publish()
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.rule.as_deref()),
        (Class::Rejected, Some("bluesky.media.mime_allowed"))
    );
    assert_eq!(world.posts().len(), 1);
}
