//! The validator against the post lexicon: what passes, and each way of not passing.

use super::*;
use serde_json::json;

const BLOB_CID: &str = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
const POST: &str = "app.bsky.feed.post";
const RKEY: &str = "3jzfcijpj2z2a";

fn post(more: &Value) -> Value {
    let mut post =
        json!({ "$type": POST, "text": "hello", "createdAt": "2026-11-20T10:00:00.000Z" });
    for (name, value) in more.as_object().unwrap() {
        post[name] = value.clone();
    }
    post
}

fn blob(mime: &str, size: u64) -> Value {
    json!({ "$type": "blob", "ref": { "$link": BLOB_CID }, "mimeType": mime, "size": size })
}

fn images(images: &Value) -> Value {
    post(&json!({ "embed": { "$type": "app.bsky.embed.images", "images": images } }))
}

fn facet(feature: &Value) -> Value {
    post(
        &json!({ "facets": [{ "index": { "byteStart": 0, "byteEnd": 5 }, "features": [feature] }] }),
    )
}

#[test]
fn every_file_is_a_lexicon_with_its_own_name() {
    for (nsid, text) in FILES {
        let file: Value = serde_json::from_str(text).unwrap();
        assert_eq!(file["id"], nsid);
        assert!(file["defs"].is_object(), "{nsid}");
    }
}

#[test]
fn good_posts_pass() {
    let image = json!({ "alt": "", "image": blob("image/png", 2_000_000), "aspectRatio": { "width": 1, "height": 2 } });
    for good in [
        post(&json!({})),
        post(&json!({ "text": "👨‍👩‍👧‍👦".repeat(100), "langs": ["en", "pt-BR"], "unknownField": 1 })),
        post(&json!({ "embed": { "$type": "com.example.new" } })),
        images(&json!([image])),
        facet(&json!({ "$type": "app.bsky.richtext.facet#mention", "did": "did:plc:abc" })),
        facet(&json!({ "$type": "app.bsky.richtext.facet#link", "uri": "https://a.b" })),
    ] {
        assert_eq!(record(POST, RKEY, &good), Ok(true), "{good}");
    }
    assert_eq!(
        record(
            "com.example.thing",
            "x",
            &json!({ "$type": "com.example.thing" })
        ),
        Ok(false)
    );
}

/// Each of these posts must be refused with these words.
fn refused(table: &[(Value, &str)]) {
    for (bad, expected) in table {
        let found = record(POST, RKEY, bad).unwrap_err().message;
        assert!(found.contains(expected), "{found} ≠ {expected}");
    }
}

#[test]
fn each_broken_rule_of_a_text_is_named_with_its_place() {
    refused(&[
        (json!({ "text": "no type" }), "$type"),
        (json!({ "$type": POST, "text": "hello" }), "\"createdAt\""),
        (post(&json!({ "text": 7 })), "Record/text must be a string"),
        (
            post(&json!({ "text": "a".repeat(301) })),
            "Record/text must not be longer than 300 graphemes",
        ),
        (
            post(&json!({ "text": "é".repeat(1_501) })),
            "Record/text must not be longer than 3000 bytes",
        ),
        (
            post(&json!({ "createdAt": "yesterday" })),
            "Record/createdAt must be a valid datetime",
        ),
        (
            post(&json!({ "langs": ["a", "b", "c", "d"] })),
            "Record/langs must not be longer than 3 elements",
        ),
        (
            post(&json!({ "langs": ["english language"] })),
            "Record/langs/0 must be a valid language",
        ),
    ]);
    let key = record(POST, "self", &post(&json!({}))).unwrap_err();
    assert_eq!(key.message, "rkey must be a TID");
}

#[test]
fn each_broken_rule_of_a_facet_is_named_with_its_place() {
    let of = |name: &str, field: &str, value: &str| {
        facet(&json!({ "$type": format!("app.bsky.richtext.facet#{name}"), field: value }))
    };
    refused(&[
        (
            post(&json!({ "facets": null })),
            "Record/facets must be an array",
        ),
        (of("mention", "did", "@alice"), "did must be a valid did"),
        (of("link", "uri", "https://"), "uri must be a valid uri"),
        (
            of("tag", "tag", &"x".repeat(65)),
            "longer than 64 graphemes",
        ),
        (of("tag", "uri", "x"), "must have the property \"tag\""),
    ]);
}

#[test]
fn each_broken_rule_of_an_image_is_named_with_its_place() {
    let image = |blob: Value| images(&json!([{ "alt": "", "image": blob }]));
    let flat = json!({ "alt": "", "image": blob("image/png", 1), "aspectRatio": { "width": 0, "height": 1 } });
    let five = json!(vec![json!({ "alt": "", "image": blob("image/png", 1) }); 5]);
    refused(&[
        (
            post(&json!({ "embed": { "images": [] } })),
            "must be an object which includes the \"$type\"",
        ),
        (
            images(&json!([{ "image": blob("image/png", 1) }])),
            "\"alt\"",
        ),
        (images(&five), "longer than 4 elements"),
        (images(&json!([flat])), "less than 1"),
        (
            image(json!({ "cid": BLOB_CID, "mimeType": "image/png" })),
            "should be a blob ref",
        ),
        (image(blob("video/mp4", 1)), "is video/mp4 but must match"),
        (image(blob("image/png", 2_000_001)), "has 2000001 bytes"),
    ]);
}

#[test]
fn a_nullable_field_may_be_null_and_another_may_not() {
    let schema = &main_def("com.atproto.repo.putRecord").unwrap()["input"]["schema"];
    let put = |more: &Value| {
        let mut put =
            json!({ "repo": "did:plc:a", "collection": POST, "rkey": RKEY, "record": {} });
        put.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        check(schema, "com.atproto.repo.putRecord", &put, "Input")
    };
    assert_eq!(put(&json!({ "swapRecord": null })), Ok(()));
    assert!(put(&json!({ "swapCommit": null })).is_err());
    assert!(put(&json!({ "record": "text" })).is_err());
    assert!(put(&json!({ "rkey": "a/b" })).is_err());
}
