//! The fake's repositories: records, swaps, and what is refused, so that a test against it can fail.

use crate::{
    kit::{DID, HANDLE, World},
    raw::{POST, RKEY, is, record, refusal},
};
use serde_json::{Value, json};

#[tokio::test]
async fn a_malformed_record_or_request_is_refused() {
    let world = World::open().await;
    let image = |blob: Value| {
        let mut post = record("image");
        post["embed"] =
            json!({ "$type": "app.bsky.embed.images", "images": [{ "alt": "", "image": blob }] });
        post
    };
    let unknown = json!({
        "$type": "blob", "mimeType": "image/png", "size": 3,
        "ref": { "$link": "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity" },
    });
    let video = {
        let mut video = unknown.clone();
        video["mimeType"] = "video/mp4".into();
        video
    };
    for (rkey, record, expected) in [
        (
            RKEY,
            json!({ "$type": "app.bsky.feed.like", "text": "another type" }),
            "InvalidRequest",
        ),
        (
            RKEY,
            json!({ "$type": POST, "text": "no date" }),
            "InvalidRequest",
        ),
        (RKEY, record(&"a".repeat(301)), "InvalidRequest"),
        (RKEY, json!("not an object"), "InvalidRequest"),
        ("self", record("bad key"), "InvalidRequest"),
        ("a/b", record("bad key"), "InvalidRequest"),
        (RKEY, image(unknown), "BlobNotFound"),
        (RKEY, image(video), "InvalidRequest"),
        (RKEY, image(json!({ "cid": "x" })), "InvalidRequest"),
    ] {
        assert_eq!(
            refusal(&world.put(rkey, &record, json!({})).await),
            is(400, expected),
            "{record}"
        );
    }
    assert_eq!(
        refusal(
            &world
                .put(RKEY, &record("swap"), json!({ "swapRecord": "x" }))
                .await
        ),
        is(400, "InvalidRequest")
    );
    assert!(world.posts().is_empty());
}

#[tokio::test]
async fn a_record_gets_its_type_and_is_read_without_byte_order_marks() {
    let world = World::open().await;
    let mut marked = record("\u{feff}marked");
    marked.as_object_mut().unwrap().remove("$type");
    let put: Value = world.put(RKEY, &marked, json!({})).await.json().unwrap();
    let key = [("repo", DID), ("collection", POST), ("rkey", RKEY)];
    let read: Value = world
        .get("com.atproto.repo.getRecord", &key)
        .await
        .json()
        .unwrap();
    assert_eq!(read["value"], record("marked"));
    assert_eq!(read["cid"], put["cid"]);
}

#[tokio::test]
async fn a_put_is_a_no_op_on_the_identical_record_and_swaps_only_what_it_names() {
    let world = World::open().await;
    let absent = || json!({ "swapRecord": null });
    let first: Value = world
        .put(RKEY, &record("one"), absent())
        .await
        .json()
        .unwrap();
    assert!(first["commit"].is_object() && first["validationStatus"] == "valid");
    let again: Value = world
        .put(RKEY, &record("one"), absent())
        .await
        .json()
        .unwrap();
    assert_eq!(
        (&again["uri"], &again["cid"]),
        (&first["uri"], &first["cid"])
    );
    assert!(again.get("commit").is_none());
    assert_eq!(
        refusal(&world.put(RKEY, &record("two"), absent()).await),
        is(400, "InvalidSwap")
    );
    assert_eq!(
        world
            .put(RKEY, &record("two"), json!({ "swapRecord": first["cid"] }))
            .await
            .status,
        200
    );
    assert_eq!(
        world.put(RKEY, &record("three"), json!({})).await.status,
        200
    );
    assert_eq!(
        (
            world.server.ledger().sends("one"),
            world.server.ledger().effective("one")
        ),
        (2, 1)
    );
}

#[tokio::test]
async fn records_are_created_listed_read_and_deleted() {
    let world = World::open().await;
    let token = Some(&world.tokens.access);
    let body = |rkey: &str| json!({ "repo": HANDLE, "collection": POST, "rkey": rkey, "record": record(rkey) });
    for rkey in [RKEY, "3jzfcijpj2z2b", "3jzfcijpj2z2c"] {
        assert_eq!(
            world
                .call("com.atproto.repo.createRecord", token, &body(rkey))
                .await
                .status,
            200
        );
    }
    let twice = world
        .call("com.atproto.repo.createRecord", token, &body(RKEY))
        .await;
    assert_eq!(refusal(&twice), is(500, "InternalServerError"));

    let page: Value = world
        .get(
            "com.atproto.repo.listRecords",
            &[("repo", DID), ("collection", POST), ("limit", "2")],
        )
        .await
        .json()
        .unwrap();
    assert_eq!(page["records"][0]["value"]["text"], "3jzfcijpj2z2c");
    assert_eq!(
        (page["records"].as_array().unwrap().len(), &page["cursor"]),
        (2, &json!("3jzfcijpj2z2b"))
    );

    let key = [("repo", HANDLE), ("collection", POST), ("rkey", RKEY)];
    assert_eq!(
        world.get("com.atproto.repo.getRecord", &key).await.status,
        200
    );
    let gone = json!({ "repo": DID, "collection": POST, "rkey": RKEY });
    for _ in 0..2 {
        assert_eq!(
            world
                .call("com.atproto.repo.deleteRecord", token, &gone)
                .await
                .status,
            200
        );
    }
    assert_eq!(
        refusal(&world.get("com.atproto.repo.getRecord", &key).await),
        is(400, "RecordNotFound")
    );
    assert_eq!(
        refusal(&world.get("com.atproto.repo.getRecord", &key[..2]).await),
        is(400, "InvalidRequest")
    );
}
