//! A post as it will lie in the repository, and the checkpoint that freezes it.
//!
//! A put is free of duplicates only if every repetition carries the very same record under the very same key: same
//! instant, same resolved mentions, same blobs. So the record is built once, directly before the first put, and from then
//! on only read back.

use crate::{
    options::{GateRule, Options, StrongRef},
    text::{Span, What, without_mark},
    wire::{COLLECTION, POST_GATE, THREAD_GATE},
};
use chrono::{DateTime, SecondsFormat, Utc};
use publisher::{Checkpoint, Failure, Media, Receipt, Visibility, Warning};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Version of [`Frozen`], and of a video's way (since 2). Version 1 knew one part and no gates; it reads as that.
pub(crate) const CHECKPOINT_VERSION: u16 = 2;

/// What every repetition of a part's request sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Frozen {
    /// Which part of the publication.
    #[serde(default)]
    pub(crate) part: usize,
    /// The minted key.
    pub(crate) rkey: String,
    /// The whole record.
    pub(crate) record: Value,
    /// What is written together with it under the same key.
    #[serde(default)]
    pub(crate) gates: Vec<Gate>,
    /// What the receipt will say beside the address.
    pub(crate) warnings: Vec<Warning>,
    /// The server refused it for the size of its images: it is built anew with smaller ones, under the same key.
    #[serde(default)]
    pub(crate) too_large: bool,
    /// Its images were made for a server that takes only small ones.
    #[serde(default)]
    pub(crate) small: bool,
    /// How often its video was uploaded.
    #[serde(default)]
    pub(crate) uploads: u16,
}

/// A record that limits what others may do with a post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gate {
    pub(crate) collection: String,
    pub(crate) record: Value,
}

impl Frozen {
    /// As a checkpoint. Errors: larger than a checkpoint may be.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, Failure> {
        Checkpoint::new(CHECKPOINT_VERSION, "frozen", self)
    }

    /// Where the record lies in the repository of `did`.
    pub(crate) fn uri(&self, did: &str) -> String {
        post_uri(did, &self.rkey)
    }

    /// The proof that the first part was published.
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
        let images = self.media()["images"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        images
            .iter()
            .filter_map(|image| blob_cid(&image["image"]))
            .collect()
    }

    /// The sizes of the record's images, in bytes.
    pub(crate) fn image_bytes(&self) -> impl Iterator<Item = u64> {
        let images = self.media()["images"].as_array().into_iter().flatten();
        images.filter_map(|image| image["image"]["size"].as_u64())
    }

    /// The content ids of its video's captions, in order.
    pub(crate) fn caption_cids(&self) -> impl Iterator<Item = &str> {
        let captions = self.media()["captions"].as_array().into_iter().flatten();
        captions.filter_map(|caption| blob_cid(&caption["file"]))
    }

    /// The content id of its card's picture.
    pub(crate) fn thumb_cid(&self) -> Option<&str> {
        blob_cid(&self.media()["external"]["thumb"])
    }

    /// The top of the thread that it stands in; none if it is the top itself.
    pub(crate) fn root(&self) -> Option<StrongRef> {
        StrongRef::deserialize(self.record.get("reply")?.get("root")?).ok()
    }

    /// The embed beside a quote, or the embed.
    fn media(&self) -> &Value {
        let embed = &self.record["embed"];
        embed.get("media").unwrap_or(embed)
    }
}

/// The address of a post.
pub(crate) fn post_uri(did: &str, rkey: &str) -> String {
    format!("at://{did}/{COLLECTION}/{rkey}")
}

/// The content id in a blob as the PDS returns it.
pub(crate) fn blob_cid(blob: &Value) -> Option<&str> {
    blob["ref"]["$link"].as_str()
}

/// What a record is built from.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    /// As typed, perhaps with a byte order mark.
    pub(crate) text: &'a str,
    /// What was found in the text without its mark.
    pub(crate) spans: &'a [Span],
    /// Of the mentions among them; one that is not here stays plain text.
    pub(crate) dids: &'a BTreeMap<String, String>,
    pub(crate) embed: Option<Value>,
    pub(crate) reply: Option<Reply>,
    pub(crate) options: &'a Options,
    pub(crate) created_at: DateTime<Utc>,
}

/// Where a post stands in a thread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Reply {
    pub(crate) root: StrongRef,
    pub(crate) parent: StrongRef,
}

/// The complete record.
pub(crate) fn build(content: &Content<'_>) -> Value {
    let mut record = Map::new();
    record.insert("$type".to_owned(), COLLECTION.into());
    record.insert("text".to_owned(), without_mark(content.text).into());
    record.insert("createdAt".to_owned(), instant(content.created_at).into());
    let facets = content
        .spans
        .iter()
        .filter_map(|span| facet(span, content.dids));
    let facets: Vec<Value> = facets.collect();
    if !facets.is_empty() {
        record.insert("facets".to_owned(), facets.into());
    }
    if let Some(embed) = &content.embed {
        record.insert("embed".to_owned(), embed.clone());
    }
    if let Some(reply) = &content.reply {
        record.insert("reply".to_owned(), json!(reply));
    }
    if !content.options.langs.is_empty() {
        record.insert("langs".to_owned(), json!(content.options.langs));
    }
    if !content.options.labels.is_empty() {
        let values = content
            .options
            .labels
            .iter()
            .map(|label| json!({ "val": label }));
        let values: Vec<Value> = values.collect();
        record.insert(
            "labels".to_owned(),
            json!({ "$type": "com.atproto.label.defs#selfLabels", "values": values }),
        );
    }
    Value::Object(record)
}

/// An embed with its quote: a record has one embed, and this is the one that holds both.
pub(crate) fn embed(media: Option<Value>, quote: Option<&StrongRef>) -> Option<Value> {
    let Some(quote) = quote else {
        return media;
    };
    let quoted = json!({ "$type": "app.bsky.embed.record", "record": quote });
    Some(match media {
        None => quoted,
        Some(media) => json!({
            "$type": "app.bsky.embed.recordWithMedia", "record": quoted, "media": media,
        }),
    })
}

/// Says who may reply to the post under `uri`.
pub(crate) fn thread_gate(uri: &str, rules: &[GateRule], created_at: DateTime<Utc>) -> Gate {
    let allow: Vec<Value> = rules.iter().map(GateRule::record).collect();
    Gate {
        collection: THREAD_GATE.to_owned(),
        record: json!({
            "$type": THREAD_GATE, "post": uri, "allow": allow, "createdAt": instant(created_at),
        }),
    }
}

/// Says that nobody may quote the post under `uri`.
pub(crate) fn post_gate(uri: &str, created_at: DateTime<Utc>) -> Gate {
    Gate {
        collection: POST_GATE.to_owned(),
        record: json!({
            "$type": POST_GATE, "post": uri, "createdAt": instant(created_at),
            "embeddingRules": [{ "$type": format!("{POST_GATE}#disableRule") }],
        }),
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
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

/// An attached image: its file, and the blob that the server made of it.
pub(crate) fn image(media: &Media, blob: &Value, size: Option<(u32, u32)>) -> Value {
    let alt = without_mark(media.alt_text.as_deref().unwrap_or_default());
    let mut image = json!({ "alt": alt, "image": blob });
    if let Some((width @ 1.., height @ 1..)) = size {
        image["aspectRatio"] = json!({ "width": width, "height": height });
    }
    image
}

#[cfg(test)]
mod tests;
