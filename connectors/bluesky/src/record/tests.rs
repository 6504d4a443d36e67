//! The record and its checkpoint.

use super::*;
use crate::text::detect;
use publisher::MediaKind;

fn content<'a>(
    text: &'a str,
    spans: &'a [Span],
    dids: &'a BTreeMap<String, String>,
    options: &'a Options,
) -> Content<'a> {
    Content {
        text,
        spans,
        dids,
        embed: None,
        reply: None,
        options,
        created_at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
    }
}

fn reference(key: &str) -> StrongRef {
    StrongRef {
        uri: format!("at://did:web:b.test/app.bsky.feed.post/{key}"),
        cid: format!("bafyrei{}", "a".repeat(52)),
    }
}

#[test]
fn a_record_holds_what_was_found_and_resolved() {
    let file = Media {
        id: "med_1".to_owned(),
        kind: MediaKind::Image,
        mime: "image/png".to_owned(),
        size_bytes: 3,
        width: Some(4),
        height: Some(3),
        ..Media::default()
    };
    let options = json!({ "langs": ["EN", "zh-Hant"], "labels": ["nudity"] });
    let (options, _) = Options::read(&options);
    let dids = BTreeMap::from([("b.test".to_owned(), "did:web:b.test".to_owned())]);
    let text = "@a.test @b.test #x";
    let spans = detect(text);
    let images = [image(&file, &json!({ "$type": "blob" }), Some((4, 3)))];
    let (root, parent) = (reference("r"), reference("p"));
    let record = build(&Content {
        embed: Some(json!({ "$type": "app.bsky.embed.images", "images": images })),
        reply: Some(Reply { root, parent }),
        ..content(text, &spans, &dids, &options)
    });
    assert_eq!(
        record,
        json!({
            "$type": "app.bsky.feed.post",
            "text": "@a.test @b.test #x",
            "createdAt": "2027-01-15T08:00:00.123Z",
            "langs": ["en", "zh-Hant"],
            "labels": { "$type": "com.atproto.label.defs#selfLabels", "values": [{ "val": "nudity" }] },
            "reply": { "root": reference("r"), "parent": reference("p") },
            "facets": [
                { "index": { "byteStart": 8, "byteEnd": 15 },
                  "features": [{ "$type": "app.bsky.richtext.facet#mention", "did": "did:web:b.test" }] },
                { "index": { "byteStart": 16, "byteEnd": 18 },
                  "features": [{ "$type": "app.bsky.richtext.facet#tag", "tag": "x" }] },
            ],
            "embed": { "$type": "app.bsky.embed.images", "images": [
                { "alt": "", "image": { "$type": "blob" }, "aspectRatio": { "width": 4, "height": 3 } },
            ] },
        })
    );
}

#[test]
fn a_frozen_record_comes_back_from_its_checkpoint_unchanged() {
    let (dids, options) = (BTreeMap::new(), Options::default());
    let frozen = Frozen {
        part: 2,
        rkey: "3abc".to_owned(),
        record: build(&content("plain", &[], &dids, &options)),
        gates: vec![post_gate("at://x", DateTime::UNIX_EPOCH)],
        warnings: vec![],
        too_large: false,
        small: true,
        uploads: 1,
    };
    assert_eq!(
        frozen.checkpoint().unwrap().read::<Frozen>().unwrap(),
        frozen
    );
    assert!(frozen.record.get("facets").is_none() && frozen.image_cids().is_empty());
    assert_eq!(frozen.root(), None);
}

#[test]
fn a_checkpoint_of_the_first_version_is_one_part_without_gates() {
    let body = json!({ "rkey": "3abc", "record": { "text": "old" }, "warnings": [] });
    let old: Frozen = serde_json::from_value(body).unwrap();
    assert_eq!((old.part, old.gates.len(), old.too_large), (0, 0, false));
}

#[test]
fn one_embed_holds_quote_and_media() {
    let card = json!({ "$type": "app.bsky.embed.external", "external": { "thumb": { "ref": { "$link": "bafkrei" } } } });
    assert_eq!(embed(Some(card.clone()), None), Some(card.clone()));
    let quote = embed(None, Some(&reference("q"))).unwrap();
    assert_eq!(
        quote,
        json!({ "$type": "app.bsky.embed.record", "record": reference("q") })
    );
    let both = embed(Some(card.clone()), Some(&reference("q"))).unwrap();
    assert_eq!(
        both,
        json!({ "$type": "app.bsky.embed.recordWithMedia", "record": quote, "media": card })
    );
}
