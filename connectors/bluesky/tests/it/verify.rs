//! Every answer of a look.

use crate::kit::{DID, Marks, World, text};
use chrono::TimeDelta;
use publisher::{Class, Evidence, Progress, fake::Fault};
use serde_json::json;
use std::time::Duration;

const GET: &str = "com.atproto.repo.getRecord";
const PUT: &str = "com.atproto.repo.putRecord";

/// A turn whose request was cut before it took effect.
macro_rules! cut {
    ($world:expr, $post:expr, $marks:expr) => {{
        $world.server.faults().arm(PUT, Fault::CutBefore, 1);
        let mut turn = $world.turn($post, $marks);
        turn.publish().await.unwrap_err();
        turn.checkpoint = $marks.last();
        turn.sent_at = Some(turn.now);
        turn
    }};
}

#[tokio::test]
async fn a_record_that_is_there_is_found_with_its_receipt() {
    let world = World::open().await;
    let (post, marks) = (text("found"), Marks::default());
    let mut turn = world.turn(&post, &marks);
    let published = turn.publish().await.unwrap();
    turn.checkpoint = marks.last();
    turn.sent_at = Some(turn.now);
    assert_eq!(turn.verify().await.unwrap(), Evidence::Found(published));
}

#[tokio::test]
async fn a_look_needs_no_token() {
    let world = World::open().await;
    let (post, marks) = (text("tokenless"), Marks::default());
    let mut turn = cut!(world, &post, &marks);
    world.server.clock().advance(Duration::from_hours(3));
    turn.now = world.now();
    assert_eq!(turn.verify().await.unwrap(), Evidence::Absent);
}

#[tokio::test]
async fn a_strangers_record_under_our_key_is_nobodys_proof() {
    let world = World::open().await;
    let (post, marks) = (text("mine"), Marks::default());
    let mut turn = cut!(world, &post, &marks);
    let mut theirs = marks.last().unwrap().body["record"].clone();
    theirs["text"] = "theirs".into();
    let body = json!({
        "repo": DID, "collection": "app.bsky.feed.post", "rkey": marks.last().unwrap().body["rkey"], "record": theirs,
    });
    let url = world
        .server
        .url()
        .join("/xrpc/com.atproto.repo.createRecord")
        .unwrap();
    let answer = world
        .http
        .post(&url)
        .bearer(&world.tokens.access)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 200);

    assert_eq!(turn.verify().await.unwrap(), Evidence::Unknowable);
    turn.sent_at = None;
    let failure = turn.publish().await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (Class::Ambiguous, "bluesky.put_record.key_taken")
    );
    assert_eq!(world.posts()[0].1["text"], "theirs");
}

#[tokio::test]
async fn an_old_servers_words_for_not_found_are_understood() {
    let world = World::open().await;
    let (post, marks) = (text("old"), Marks::default());
    let mut turn = cut!(world, &post, &marks);
    turn.now += TimeDelta::seconds(90);
    let body = json!({ "error": "InvalidRequest", "message": format!("Could not locate record: at://{DID}/x/y") });
    world.server.faults().arm(
        GET,
        Fault::Status {
            status: 400,
            body,
            headers: vec![],
        },
        1,
    );
    assert_eq!(turn.verify().await.unwrap(), Evidence::Absent);
}

#[tokio::test]
async fn without_a_checkpoint_nobody_can_tell() {
    let world = World::open().await;
    let (post, marks) = (text("lost"), Marks::default());
    assert_eq!(
        world.turn(&post, &marks).verify().await.unwrap(),
        Evidence::Unknowable
    );
}

#[tokio::test]
async fn a_found_post_keeps_the_warnings_of_its_first_put() {
    let world = World::open().await;
    let (post, marks) = (text("hi @nobody.test"), Marks::default());
    world.server.faults().arm(PUT, Fault::CutAfter, 1);
    let mut turn = world.turn(&post, &marks);
    turn.publish().await.unwrap_err();
    turn.checkpoint = marks.last();
    turn.sent_at = Some(turn.now);
    let Evidence::Found(Progress::Published(receipt)) = turn.verify().await.unwrap() else {
        panic!("not found")
    };
    assert_eq!(receipt.warnings[0].code, "bluesky.mention.unresolved");
}

#[tokio::test]
async fn a_server_that_does_not_have_the_repository_says_nothing_about_the_post() {
    let world = World::open().await;
    let (post, marks) = (text("moved"), Marks::default());
    let mut turn = cut!(world, &post, &marks);
    turn.now += TimeDelta::seconds(500);
    let body = json!({ "error": "InvalidRequest", "message": "Could not locate record" });
    let refusal = Fault::Status {
        status: 400,
        body,
        headers: vec![],
    };
    world.server.faults().arm(GET, refusal, 1);
    assert_eq!(turn.verify().await.unwrap_err().class, Class::Rejected);
}
