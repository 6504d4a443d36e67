//! Replies, quotes, labels and cards as they arrive in the repository.

use crate::kit::{DID, Marks, World, receipt, text};
use publisher::{Class, Post, Receipt};
use serde_json::{Value, json};

async fn published(world: &World, post: &Post) -> Receipt {
    assert!(
        world.connector.publisher.preflight(post).passes(),
        "{:?}",
        world.connector.publisher.preflight(post)
    );
    receipt(world.turn(post, &Marks::default()).publish().await.unwrap())
}

/// The record of the only post with this text.
fn record(world: &World, wanted: &str) -> Value {
    let mut found = world.posts().into_iter().map(|(_, record)| record);
    found.find(|record| record["text"] == wanted).unwrap()
}

fn under(parent: &Receipt, body: &str) -> Post {
    Post {
        options: json!({ "replyToUri": parent.uri, "replyToCid": parent.cid }),
        ..text(body)
    }
}

#[tokio::test]
async fn a_reply_finds_the_top_of_its_thread_by_itself() {
    let world = World::open().await;
    let top = published(&world, &text("top")).await;
    let below = published(&world, &under(&top, "below")).await;
    published(&world, &under(&below, "deep")).await;
    let reference = |of: &Receipt| json!({ "uri": of.uri, "cid": of.cid });
    let reply = record(&world, "below")["reply"].clone();
    assert_eq!(
        reply,
        json!({ "root": reference(&top), "parent": reference(&top) })
    );
    let reply = record(&world, "deep")["reply"].clone();
    assert_eq!(
        reply,
        json!({ "root": reference(&top), "parent": reference(&below) })
    );
}

#[tokio::test]
async fn a_root_that_is_named_is_taken() {
    let world = World::open().await;
    let top = published(&world, &text("top")).await;
    let other = published(&world, &text("other")).await;
    let mut post = under(&top, "named");
    post.options["replyRootUri"] = json!(other.uri);
    post.options["replyRootCid"] = json!(other.cid);
    published(&world, &post).await;
    assert_eq!(
        record(&world, "named")["reply"]["root"]["uri"],
        json!(other.uri)
    );
}

#[tokio::test]
async fn a_reply_to_a_deleted_post_is_refused_by_its_own_rule() {
    let world = World::open().await;
    let top = published(&world, &text("top")).await;
    let rkey = top.uri.as_ref().unwrap().rsplit('/').next().unwrap();
    let body = json!({ "repo": DID, "collection": "app.bsky.feed.post", "rkey": rkey });
    let token = Some(&world.tokens.access);
    let answer = world
        .call("com.atproto.repo.deleteRecord", token, &body)
        .await;
    assert_eq!(answer.status, 200);

    let elsewhere = {
        let mut post = under(&top, "elsewhere");
        post.options["replyToUri"] = json!("at://did:plc:unknown/app.bsky.feed.post/3p");
        post
    };
    for post in [under(&top, "too late"), elsewhere] {
        let marks = Marks::default();
        let failure = world.turn(&post, &marks).publish().await.unwrap_err();
        assert_eq!(
            (failure.class, failure.rule.as_deref()),
            (Class::Rejected, Some("bluesky.reply.parent_gone"))
        );
        assert!(failure.remediation.is_some() && marks.last().is_none());
    }
    assert!(world.posts().is_empty());
}

#[tokio::test]
async fn the_thread_and_the_comment_of_a_reply_stay_in_the_thread_above() {
    let world = World::open().await;
    let top = published(&world, &text("top")).await;
    let mut post = under(&top, "reply");
    post.options["thread"] = json!([{ "text": "goes on" }]);
    let marks = Marks::default();
    let mut turn = world.turn(&post, &marks);
    let publisher::Progress::Pending {
        checkpoint,
        receipt: so_far,
        ..
    } = turn.publish().await.unwrap()
    else {
        panic!("a thread has more to come")
    };
    turn = world.turn(&post, &marks);
    (turn.checkpoint, turn.receipt) = (Some(checkpoint), so_far);
    let whole = receipt(turn.publish().await.unwrap());
    let reply = record(&world, "goes on")["reply"].clone();
    assert_eq!(reply["root"]["uri"], json!(top.uri));
    assert_eq!(reply["parent"]["uri"], json!(whole.uri));
}

#[tokio::test]
async fn a_quote_stands_alone_or_beside_images_or_a_card() {
    let world = World::open().await;
    let quoted = published(&world, &text("quoted")).await;
    let quote = json!({ "quoteUri": quoted.uri, "quoteCid": quoted.cid });
    let reference = json!({ "uri": quoted.uri, "cid": quoted.cid });
    let alone = Post {
        options: quote.clone(),
        ..text("alone")
    };
    published(&world, &alone).await;
    let expected = json!({ "$type": "app.bsky.embed.record", "record": reference });
    assert_eq!(record(&world, "alone")["embed"], expected);

    let images = Post {
        options: quote.clone(),
        media: vec![world.files.png("med_1", 8, 8)],
        ..text("images")
    };
    published(&world, &images).await;
    let embed = record(&world, "images")["embed"].clone();
    assert_eq!(embed["$type"], "app.bsky.embed.recordWithMedia");
    assert_eq!(embed["record"], expected);
    assert_eq!(embed["media"]["images"][0]["alt"], "alt of med_1");

    let mut options = quote;
    options["link"] = json!({ "url": "https://example.com/", "title": "T", "description": "D", "thumbMediaId": "med_t" });
    let card = Post {
        options,
        option_media: vec![world.files.png("med_t", 8, 8)],
        ..text("card")
    };
    published(&world, &card).await;
    let embed = record(&world, "card")["embed"].clone();
    let external = &embed["media"]["external"];
    assert_eq!(
        (&external["uri"], &external["title"]),
        (&json!("https://example.com/"), &json!("T"))
    );
    assert_eq!(external["description"], "D");
    assert_eq!(external["thumb"]["mimeType"], "image/png");
}

#[tokio::test]
async fn labels_and_languages_arrive() {
    let world = World::open().await;
    let post = Post {
        options: json!({ "labels": ["graphic-media"], "langs": ["de"] }),
        ..text("labelled")
    };
    published(&world, &post).await;
    let record = record(&world, "labelled");
    assert_eq!(
        record["labels"],
        json!({ "$type": "com.atproto.label.defs#selfLabels", "values": [{ "val": "graphic-media" }] })
    );
    assert_eq!(record["langs"], json!(["de"]));
}

#[tokio::test]
async fn options_that_were_never_judged_send_nothing() {
    let world = World::open().await;
    let post = Post {
        options: json!({ "replyGate": ["everyone"] }),
        ..text("unjudged")
    };
    let marks = Marks::default();
    let failure = world.turn(&post, &marks).publish().await.unwrap_err();
    assert_eq!(
        (failure.class, failure.rule.as_deref()),
        (Class::Rejected, Some("bluesky.reply_gate.rules"))
    );
    assert!(marks.last().is_none());
}
