//! What is to be published: the part of a post that a connector may see.

use crate::id::PostId;
use serde::{Deserialize, Serialize};

/// One text for one account, with what belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Our id; also the seed of what a platform calls an idempotency key.
    pub id: PostId,
    /// The text as the caller sent it; may be empty where media says it all.
    pub text: String,
    /// In the caller's order.
    pub media: Vec<Media>,
    /// A comment to be placed under the post once it is public.
    pub first_comment: Option<FirstComment>,
    /// The platform's own options, as accepted by its preflight; an object, perhaps empty.
    pub options: serde_json::Value,
    /// The files that the options name, each once; found by [`Post::file_of_options`].
    pub option_media: Vec<Media>,
}

impl Post {
    /// A file that the options name, by the library's id.
    pub fn file_of_options(&self, id: &str) -> Option<&Media> {
        self.option_media.iter().find(|media| media.id == id)
    }
}

/// A file of the library that a platform's options name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionMedia {
    /// Where it is named, relative to the target: `options.link.thumbMediaId`.
    pub path: String,
    /// The library's id.
    pub id: String,
}

/// A comment that the author's own account adds under the post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstComment {
    /// The comment's text.
    pub text: String,
}

/// One attached file, as far as it is known without reading it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// The library's id (`med_…`).
    pub id: String,
    /// What the caller called it.
    pub kind: MediaKind,
    /// What its bytes say it is, e.g. `image/jpeg`.
    pub mime: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Pixels as displayed (orientation applied); none where not known.
    pub width: Option<u32>,
    /// Pixels as displayed (orientation applied); none where not known.
    pub height: Option<u32>,
    /// Text for those who cannot see it.
    pub alt_text: Option<String>,
}

/// The two kinds of media on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A still or animated picture.
    Image,
    /// A film.
    Video,
}

impl MediaKind {
    /// The kind of a file that nobody gave one; what is no film counts as an image.
    pub fn of_mime(mime: &str) -> Self {
        if mime.starts_with("video/") {
            Self::Video
        } else {
            Self::Image
        }
    }
}
