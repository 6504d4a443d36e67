//! The post as it will lie in the repository, and the checkpoint that freezes it.
//!
//! A put is free of duplicates only if every repetition carries the very same record under the very same key: same
//! instant, same resolved mentions, same blobs. So the record is built once, directly before the first put, and from then
//! on only read back.

use crate::{
    text::{Span, What, without_mark},
    wire::COLLECTION,
};
use chrono::{DateTime, SecondsFormat, Utc};
use publisher::{Checkpoint, Failure, Media, Post, Receipt, Visibility, Warning};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Version of [`Frozen`].
pub(crate) const CHECKPOINT_VERSION: u16 = 1;

/// What every put of a post repeats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frozen {
    /// The minted key.
    pub(crate) rkey: String,
    /// The whole record.
    pub(crate) record: Value,
    /// What the receipt will say beside the address.
    pub(crate) warnings: Vec<Warning>,
}

impl Frozen {
    /// As a checkpoint. Errors: larger than a checkpoint may be.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        Checkpoint::new(CHECKPOINT_VERSION, "frozen", self)
    }

    /// Where the record lies in the repository of `did`.
    pub(crate) fn uri(&self, did: &str) -> String {
        format!("at://{did}/{COLLECTION}/{}", self.rkey)
    }

    /// The proof that it was published.
    pub(crate) fn receipt(&self, did: &str, cid: Option<String>) -> Receipt {
        Receipt {
            uri: Some(self.uri(did)),
            cid,
            url: Some(format!("https://bsky.app/profile/{did}/post/{}", self.rkey)),
            visibility: Visibility::Public,
            warnings: self.warnings.clone(),
            ..Receipt::default()
        }
    }

    /// The content ids of the record's images, in order.
    pub(crate) fn image_cids(&self) -> Vec<&str> {
        let images = self.record["embed"]["images"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        images
            .iter()
            .filter_map(|image| blob_cid(&image["image"]))
            .collect()
    }
}

/// The content id in a blob as the PDS returns it.
pub(crate) fn blob_cid(blob: &Value) -> Option<&str> {
    blob["ref"]["$link"].as_str()
}

/// The complete record. `spans` are those of `post.text` without its mark; a mention that is not in `dids` stays plain
/// text.
pub(crate) fn build(
    post: &Post,
    spans: &[Span],
    dids: &BTreeMap<String, String>,
    blobs: &[Value],
    created_at: DateTime<Utc>,
) -> Value {
    let mut record = Map::new();
    record.insert("$type".to_owned(), COLLECTION.into());
    record.insert("text".to_owned(), without_mark(&post.text).into());
    record.insert(
        "createdAt".to_owned(),
        created_at
            .to_rfc3339_opts(SecondsFormat::Millis, true)
            .into(),
    );
    let facets: Vec<Value> = spans.iter().filter_map(|span| facet(span, dids)).collect();
    if !facets.is_empty() {
        record.insert("facets".to_owned(), facets.into());
    }
    if !blobs.is_empty() {
        let images: Vec<Value> = post
            .media
            .iter()
            .zip(blobs)
            .map(|(media, blob)| image(media, blob))
            .collect();
        record.insert(
            "embed".to_owned(),
            json!({ "$type": "app.bsky.embed.images", "images": images }),
        );
    }
    if let Some(langs) = post.options["langs"]
        .as_array()
        .filter(|langs| !langs.is_empty())
    {
        let langs: Vec<Value> = langs.iter().map(language).collect();
        record.insert("langs".to_owned(), langs.into());
    }
    Value::Object(record)
}

fn facet(span: &Span, dids: &BTreeMap<String, String>) -> Option<Value> {
    let feature = match &span.what {
        What::Mention(handle) => {
            json!({ "$type": "app.bsky.richtext.facet#mention", "did": dids.get(handle)? })
        }
        What::Link(uri) => json!({ "$type": "app.bsky.richtext.facet#link", "uri": uri }),
        What::Tag(tag) => json!({ "$type": "app.bsky.richtext.facet#tag", "tag": tag }),
    };
    Some(
        json!({ "index": { "byteStart": span.start, "byteEnd": span.end }, "features": [feature] }),
    )
}

/// A language tag with its first part in lower case: tags mean the same in any case, but a PDS refuses `DE` and `EN-gb`.
fn language(tag: &Value) -> Value {
    let tag = tag.as_str().unwrap_or_default();
    let end = tag.find('-').unwrap_or(tag.len());
    Value::from(tag[..end].to_ascii_lowercase() + &tag[end..])
}

fn image(media: &Media, blob: &Value) -> Value {
    let alt = without_mark(media.alt_text.as_deref().unwrap_or_default());
    let mut image = json!({ "alt": alt, "image": blob });
    if let (Some(width @ 1..), Some(height @ 1..)) = (media.width, media.height) {
        image["aspectRatio"] = json!({ "width": width, "height": height });
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::detect;
    use publisher::MediaKind;

    fn post(text: &str) -> Post {
        Post {
            text: text.to_owned(),
            ..Post::default()
        }
    }

    #[test]
    fn a_record_holds_what_was_found_and_resolved() {
        let mut post = post("@a.test @b.test #x");
        post.media = vec![Media {
            id: "med_1".to_owned(),
            kind: MediaKind::Image,
            mime: "image/png".to_owned(),
            size_bytes: 3,
            width: Some(4),
            height: Some(3),
            ..Media::default()
        }];
        post.options = json!({ "langs": ["EN", "zh-Hant"] });
        let dids = BTreeMap::from([("b.test".to_owned(), "did:web:b.test".to_owned())]);
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let record = build(
            &post,
            &detect(&post.text),
            &dids,
            &[json!({ "$type": "blob" })],
            at,
        );
        assert_eq!(
            record,
            json!({
                "$type": "app.bsky.feed.post",
                "text": "@a.test @b.test #x",
                "createdAt": "2027-01-15T08:00:00.123Z",
                "langs": ["en", "zh-Hant"],
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
        let plain = post("plain");
        let record = build(&plain, &[], &BTreeMap::new(), &[], DateTime::UNIX_EPOCH);
        let frozen = Frozen {
            rkey: "3abc".to_owned(),
            record,
            warnings: vec![],
        };
        assert_eq!(
            frozen.checkpoint().unwrap().read::<Frozen>().unwrap(),
            frozen
        );
        assert!(frozen.record.get("facets").is_none() && frozen.image_cids().is_empty());
    }
}
