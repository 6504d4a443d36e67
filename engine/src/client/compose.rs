//! A post as its connector judges it, from what a caller sent or from what is stored.

use publisher::id::PostId;
use publisher::{Caption, FirstComment, Media, MediaFacts, MediaKind, OptionMedia, Post, Report};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;
use store::queue::NewPostMedia;
use store::{MediaRow, PostRow, StoreError};

/// A file of the library used by a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetMedia {
    /// The library's id.
    pub id: String,
    /// What the caller calls it.
    pub kind: MediaKind,
    /// Text for those who cannot see it.
    pub alt_text: Option<String>,
    /// Of a film: one file per language.
    pub captions: Vec<Caption>,
}

impl TargetMedia {
    /// As it is stored with its post.
    pub(super) fn to_row(&self) -> NewPostMedia {
        let kind = match self.kind {
            MediaKind::Image => "image",
            MediaKind::Video => "video",
        };
        NewPostMedia {
            id: self.id.clone(),
            kind: kind.to_owned(),
            alt_text: self.alt_text.clone(),
            captions: self.captions.clone(),
        }
    }

    /// Whether this is a file of its captions.
    pub(super) fn has_captions(&self, id: &str) -> bool {
        self.captions.iter().any(|caption| caption.media_id == id)
    }

    /// Every file of the library that it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let captions = self
            .captions
            .iter()
            .map(|caption| caption.media_id.as_str());
        std::iter::once(self.id.as_str()).chain(captions)
    }

    /// The media of a stored post.
    ///
    /// Errors: [`StoreError::Inconsistent`] if they are not what is written there.
    pub fn of_post(post: &PostRow) -> Result<Vec<Self>, StoreError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Stored {
            media_id: String,
            kind: String,
            alt_text: Option<String>,
            #[serde(default)]
            captions: Vec<Caption>,
        }
        let stored: Vec<Stored> =
            Deserialize::deserialize(&post.media).map_err(|_| StoreError::Inconsistent {
                table: "post_media",
                column: "kind",
                row: post.id.to_string(),
            })?;
        Ok(stored
            .into_iter()
            .map(|stored| Self {
                id: stored.media_id,
                kind: if stored.kind == "video" {
                    MediaKind::Video
                } else {
                    MediaKind::Image
                },
                alt_text: stored.alt_text,
                captions: stored.captions,
            })
            .collect())
    }
}

/// What is to be published, before its files are looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content<'a> {
    pub(super) text: &'a str,
    pub(super) media: &'a [TargetMedia],
    pub(super) first_comment: Option<&'a str>,
    pub(super) options: &'a Value,
    /// What its connector finds in the options.
    pub(super) named: &'a [OptionMedia],
}

impl Content<'_> {
    /// Every file of the library that it refers to.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let attached = self.media.iter().flat_map(TargetMedia::files);
        attached.chain(self.named.iter().map(|named| named.id.as_str()))
    }
}

/// The post as its connector will see it, and what is already wrong with its media.
pub(super) fn compose(
    id: PostId,
    content: Content<'_>,
    library: &HashMap<String, MediaRow>,
) -> (Post, Report) {
    let mut report = Report::default();
    let mut media = Vec::with_capacity(content.media.len());
    for (n, wanted) in content.media.iter().enumerate() {
        match library.get(&wanted.id) {
            Some(row) => media.push(Media {
                alt_text: wanted.alt_text.clone(),
                captions: wanted.captions.clone(),
                ..media_of(row, wanted.kind)
            }),
            None => unknown(&wanted.id, format!("media.{n}.mediaId"), &mut report),
        }
    }
    let of_captions = captions_of(content.media);
    let mut option_media: Vec<Media> = Vec::with_capacity(content.named.len());
    for named in of_captions.iter().chain(content.named) {
        match library.get(&named.id) {
            Some(row) if option_media.iter().all(|known| known.id != row.id) => {
                option_media.push(media_of(row, MediaKind::of_mime(&row.content_type)));
            }
            Some(_) => {}
            None => unknown(&named.id, named.path.clone(), &mut report),
        }
    }
    let post = Post {
        id,
        text: content.text.to_owned(),
        media,
        first_comment: content.first_comment.map(|text| FirstComment {
            text: text.to_owned(),
        }),
        options: content.options.clone(),
        option_media,
    };
    (post, report)
}

/// The files of captions, and where they are named.
fn captions_of(media: &[TargetMedia]) -> Vec<OptionMedia> {
    let named = media.iter().enumerate().flat_map(|(at, media)| {
        let captions = media.captions.iter().enumerate();
        captions.map(move |(n, caption)| OptionMedia {
            path: format!("media.{at}.captions.{n}.mediaId"),
            id: caption.media_id.clone(),
        })
    });
    named.collect()
}

/// A file of the library as connectors see it, without what the caller says of it.
pub fn media_of(row: &MediaRow, kind: MediaKind) -> Media {
    let positive = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
    Media {
        id: row.id.clone(),
        kind,
        mime: row.content_type.clone(),
        size_bytes: u64::try_from(row.size_bytes).unwrap_or(0),
        width: positive(row.width),
        height: positive(row.height),
        facts: MediaFacts {
            sha256: Some(hex(&row.sha256)),
            duration: positive(row.duration_ms).map(|ms| Duration::from_millis(ms.into())),
            ..MediaFacts::default()
        },
        ..Media::default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn unknown(id: &str, path: String, report: &mut Report) {
    report.violate(
        "media.unknown",
        path,
        format!("there is no media {id} in this organisation's library"),
        "upload the file with POST /v1/media and use the id it answers",
    );
}
