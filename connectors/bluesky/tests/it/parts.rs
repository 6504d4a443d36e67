//! Publications of several parts: threads, first comments, gates; and each of them cut.

use crate::kit::{DID, Marks, World, receipt, soon, text};
use chrono::TimeDelta;
use publisher::{
    Checkpoint, Class, Evidence, Failure, FirstComment, Post, Progress, Receipt, Role, fake::Fault,
};
use serde_json::{Value, json};
use std::time::Duration;

const PUT: &str = "com.atproto.repo.putRecord";
const BATCH: &str = "com.atproto.repo.applyWrites";

/// What the engine would keep between the steps of a publication.
#[derive(Default)]
struct Job {
    checkpoint: Option<Checkpoint>,
    receipt: Option<Receipt>,
}

/// One claim: looks if a send is unresolved, else publishes the next part.
async fn claim(world: &World, post: &Post, marks: &Marks, job: &mut Job) -> Result<bool, Failure> {
    let mut turn = world.turn(post, marks);
    turn.checkpoint = job.checkpoint.clone();
    turn.receipt = job.receipt.clone();
    let sent_before = marks.set.lock().unwrap().len();
    let progress = match turn.publish().await {
        Err(failure) if failure.class == Class::Ambiguous => {
            assert_eq!(marks.set.lock().unwrap().len(), sent_before + 1);
            turn.checkpoint = marks.last();
            turn.sent_at = Some(turn.now);
            turn.deadline = soon();
            loop {
                match turn.verify().await? {
                    Evidence::Found(progress) => break progress,
                    Evidence::NotYet { look_after } => {
                        turn.now += TimeDelta::from_std(look_after).unwrap();
                    }
                    Evidence::Absent => {
                        job.checkpoint = marks.last();
                        return Ok(false);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        other => other?,
    };
    match progress {
        Progress::Published(receipt) => {
            job.receipt = Some(receipt);
            Ok(true)
        }
        Progress::Pending {
            checkpoint,
            receipt,
            ..
        } => {
            job.checkpoint = Some(checkpoint);
            job.receipt = receipt;
            Ok(false)
        }
    }
}

/// Publishes everything; at most this many claims.
async fn publish_all(world: &World, post: &Post, claims: usize) -> Receipt {
    let (marks, mut job) = (Marks::default(), Job::default());
    for _ in 0..claims {
        if claim(world, post, &marks, &mut job).await.unwrap() {
            return job.receipt.unwrap();
        }
    }
    panic!("not published after {claims} claims: {:?}", job.receipt);
}

fn thread(world: &World) -> Post {
    let media = world.files.png("med_t", 20, 10);
    Post {
        first_comment: Some(FirstComment {
            text: "comment".to_owned(),
        }),
        options: json!({
            "langs": ["en"],
            "thread": [{ "text": "second" }, { "text": "third", "media": [
                { "kind": "image", "mediaId": "med_t", "altText": "a picture" }] }],
        }),
        option_media: vec![media],
        ..text("first")
    }
}

/// The posts by their text.
fn by_text(world: &World, wanted: &str) -> (String, Value) {
    let mut found: Vec<_> = world
        .posts()
        .into_iter()
        .filter(|(_, record)| record["text"] == wanted)
        .collect();
    assert_eq!(found.len(), 1, "{wanted}");
    found.pop().unwrap()
}

fn uri(rkey: &str) -> String {
    format!("at://{DID}/app.bsky.feed.post/{rkey}")
}

/// Every post of `thread` is there once and stands where it belongs.
fn assert_whole(world: &World, receipt: &Receipt) {
    assert_eq!(world.posts().len(), 4);
    let (first, record) = by_text(world, "first");
    assert!(record.get("reply").is_none());
    let (second, record) = by_text(world, "second");
    assert_eq!(record["reply"]["root"]["uri"], uri(&first));
    assert_eq!(record["reply"]["parent"], record["reply"]["root"]);
    assert_eq!(record["langs"], json!(["en"]));
    let (third, record) = by_text(world, "third");
    assert_eq!(record["reply"]["root"]["uri"], uri(&first));
    assert_eq!(record["reply"]["parent"]["uri"], uri(&second));
    assert_eq!(record["embed"]["images"][0]["alt"], "a picture");
    let (comment, record) = by_text(world, "comment");
    assert_eq!(record["reply"]["root"]["uri"], uri(&first));
    assert_eq!(record["reply"]["parent"], record["reply"]["root"]);

    assert_eq!(receipt.uri, Some(uri(&first)));
    let parts: Vec<_> = receipt
        .parts
        .iter()
        .map(|part| (part.role, part.uri.clone()))
        .collect();
    assert_eq!(
        parts,
        [
            (Role::Thread, uri(&second)),
            (Role::Thread, uri(&third)),
            (Role::FirstComment, uri(&comment)),
        ]
    );
    assert!(receipt.parts.iter().all(|part| part.cid.is_some()));
    for text in ["first", "second", "third", "comment"] {
        assert_eq!(world.server.ledger().effective(text), 1, "{text}");
    }
}

#[tokio::test]
async fn a_thread_with_a_comment_becomes_public_part_by_part() {
    let world = World::open().await;
    let post = thread(&world);
    assert!(world.connector.publisher.preflight(&post).passes());
    assert_eq!(world.connector.publisher.parts(&post), 4);
    let (marks, mut job) = (Marks::default(), Job::default());
    for public in 1..=4 {
        let whole = claim(&world, &post, &marks, &mut job).await.unwrap();
        assert_eq!((world.posts().len(), whole), (public, public == 4));
        assert_eq!(job.receipt.as_ref().unwrap().parts.len(), public - 1);
    }
    assert_whole(&world, &job.receipt.unwrap());
    let keys: std::collections::BTreeSet<_> = marks
        .set
        .lock()
        .unwrap()
        .iter()
        .map(|checkpoint| checkpoint.body["rkey"].to_string())
        .collect();
    assert_eq!(keys.len(), 4, "each part has a key of its own");
}

#[tokio::test]
async fn a_part_that_is_cut_at_any_point_is_published_once() {
    for part in 0..4 {
        for fault in [Fault::CutBefore, Fault::CutMidBody, Fault::CutAfter] {
            let world = World::open().await;
            let post = thread(&world);
            let (marks, mut job) = (Marks::default(), Job::default());
            for _ in 0..part {
                claim(&world, &post, &marks, &mut job).await.unwrap();
            }
            world.server.faults().arm(PUT, fault.clone(), 1);
            let mut claims = 0;
            while !claim(&world, &post, &marks, &mut job).await.unwrap() {
                claims += 1;
                assert!(claims < 8, "{part} {fault:?}");
            }
            world.server.clock().advance(Duration::from_hours(1));
            world.server.settle().await;
            assert_whole(&world, &job.receipt.unwrap());
        }
    }
}

#[tokio::test]
async fn a_part_that_is_refused_says_which_and_leaves_what_is_public() {
    let world = World::open().await;
    let post = thread(&world);
    let (marks, mut job) = (Marks::default(), Job::default());
    claim(&world, &post, &marks, &mut job).await.unwrap();
    claim(&world, &post, &marks, &mut job).await.unwrap();
    world.files.lose("med_t");
    let failure = claim(&world, &post, &marks, &mut job).await.unwrap_err();
    assert_eq!(failure.class, Class::Rejected);
    assert_eq!(failure.rule.as_deref(), Some("bluesky.thread.incomplete"));
    assert!(
        failure
            .message
            .starts_with("post 3 of the thread (options.thread.1) was not published"),
        "{failure}"
    );
    assert_eq!(job.receipt.unwrap().parts.len(), 1);

    let world = World::open().await;
    let post = Post {
        options: json!({}),
        ..thread(&world)
    };
    let (marks, mut job) = (Marks::default(), Job::default());
    claim(&world, &post, &marks, &mut job).await.unwrap();
    let refusal = Fault::Status {
        status: 400,
        body: json!({ "error": "InvalidRequest", "message": "no comments today" }),
        headers: vec![],
    };
    world.server.faults().arm(PUT, refusal, 1);
    let failure = claim(&world, &post, &marks, &mut job).await.unwrap_err();
    assert_eq!(failure.rule.as_deref(), Some("first_comment_failed"));
    assert!(failure.message.contains("no comments today"), "{failure}");
}

#[tokio::test]
async fn a_lost_checkpoint_between_parts_changes_nothing() {
    let world = World::open().await;
    let post = thread(&world);
    let (marks, mut job) = (Marks::default(), Job::default());
    while !claim(&world, &post, &marks, &mut job).await.unwrap() {
        job.checkpoint = None;
    }
    assert_whole(&world, &job.receipt.unwrap());
}

#[tokio::test]
async fn a_gated_post_and_its_gates_are_one_commit() {
    let world = World::open().await;
    let list = "at://did:web:bob.test/app.bsky.graph.list/3l";
    let post = Post {
        options: json!({
            "replyGate": ["mention", format!("list:{list}")], "quotesDisabled": true,
        }),
        ..text("gated")
    };
    assert!(world.connector.publisher.preflight(&post).passes());
    assert_eq!(world.connector.publisher.parts(&post), 5);
    let receipt = publish_all(&world, &post, 1).await;

    assert_eq!(world.pds.commits(DID), 1);
    let (rkey, _) = by_text(&world, "gated");
    assert_eq!(receipt.uri, Some(uri(&rkey)));
    let gates = world.pds.collection(DID, "app.bsky.feed.threadgate");
    let (gate_key, gate) = &gates[0];
    assert_eq!((gate_key, &gate["post"]), (&rkey, &json!(uri(&rkey))));
    assert_eq!(
        gate["allow"],
        json!([
            { "$type": "app.bsky.feed.threadgate#mentionRule" },
            { "$type": "app.bsky.feed.threadgate#listRule", "list": list },
        ])
    );
    let gates = world.pds.collection(DID, "app.bsky.feed.postgate");
    let (gate_key, gate) = &gates[0];
    assert_eq!((gate_key, &gate["post"]), (&rkey, &json!(uri(&rkey))));
    assert_eq!(
        gate["embeddingRules"],
        json!([{ "$type": "app.bsky.feed.postgate#disableRule" }])
    );
}

#[tokio::test]
async fn a_gated_post_that_is_cut_at_any_point_is_published_once() {
    let late = Fault::Late {
        after: Duration::from_mins(10),
    };
    for fault in [Fault::CutBefore, Fault::CutMidBody, Fault::CutAfter, late] {
        let world = World::open().await;
        let post = Post {
            options: json!({ "replyGate": [] }),
            ..text("gated")
        };
        world.server.faults().arm(BATCH, fault.clone(), 1);
        publish_all(&world, &post, 3).await;
        world.server.clock().advance(Duration::from_hours(1));
        world.server.settle().await;
        let gates = world.pds.collection(DID, "app.bsky.feed.threadgate");
        assert_eq!((world.posts().len(), gates.len()), (1, 1), "{fault:?}");
        assert_eq!(gates[0].1["allow"], json!([]));
        assert_eq!(world.server.ledger().effective("gated"), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_without_results_is_looked_up() {
    let world = World::open().await;
    let post = Post {
        options: json!({ "quotesDisabled": true }),
        ..text("old server")
    };
    // The batch takes effect, and the answer does not say under which ids.
    world.server.faults().arm(BATCH, Fault::Empty, 1);
    let receipt = publish_all(&world, &post, 2).await;
    assert!(receipt.cid.unwrap().starts_with("bafyrei"));
    assert_eq!(world.posts().len(), 1);
}

#[tokio::test]
async fn every_post_of_a_thread_refuses_quotes_where_that_is_asked() {
    let world = World::open().await;
    let post = Post {
        options: json!({ "quotesDisabled": true, "replyGate": ["follower"], "thread": [{ "text": "second" }] }),
        ..text("first")
    };
    assert_eq!(world.connector.publisher.parts(&post), 8);
    publish_all(&world, &post, 2).await;
    let keys = |collection| {
        let found = world.pds.collection(DID, collection).into_iter();
        found.map(|(rkey, _)| rkey).collect::<Vec<_>>()
    };
    assert_eq!(keys("app.bsky.feed.postgate"), keys("app.bsky.feed.post"));
    assert_eq!(keys("app.bsky.feed.threadgate").len(), 1);
}

#[tokio::test]
async fn warnings_of_every_part_reach_the_receipt() {
    let world = World::open().await;
    let post = Post {
        options: json!({ "thread": [{ "text": "@nobody.test" }] }),
        ..text("hi @noone.test")
    };
    let receipt = publish_all(&world, &post, 2).await;
    let said: Vec<&str> = receipt
        .warnings
        .iter()
        .map(|one| one.code.as_str())
        .collect();
    assert_eq!(
        said,
        ["bluesky.mention.unresolved", "bluesky.mention.unresolved"]
    );
}

#[tokio::test]
async fn a_plain_post_is_one_part() {
    let world = World::open().await;
    let post = text("plain");
    assert_eq!(world.connector.publisher.parts(&post), 1);
    let done = world
        .turn(&post, &Marks::default())
        .publish()
        .await
        .unwrap();
    assert!(receipt(done).parts.is_empty());
}
