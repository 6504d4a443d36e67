//! Files for sample posts: small, each different from every other, and what they claim to be by their first bytes.

use crate::post::{Media, MediaKind};
use bytes::Bytes;

/// A picture of about `size` bytes, 640 × 480, with an alt text that names it.
pub fn png(id: &str, size: usize) -> (Media, Bytes) {
    let head: &[u8] = b"\x89PNG\r\n\x1a\n";
    file(id, size, head, MediaKind::Image, "image/png")
}

/// A film of about `size` bytes, 640 × 480, with an alt text that names it.
pub fn mp4(id: &str, size: usize) -> (Media, Bytes) {
    let head: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";
    file(id, size, head, MediaKind::Video, "video/mp4")
}

fn file(id: &str, size: usize, head: &[u8], kind: MediaKind, mime: &str) -> (Media, Bytes) {
    let mut bytes = [head, id.as_bytes()].concat();
    bytes.resize(bytes.len().max(size), 7);
    let media = Media {
        id: id.to_owned(),
        kind,
        mime: mime.to_owned(),
        size_bytes: bytes.len() as u64,
        width: Some(640),
        height: Some(480),
        alt_text: Some(format!("alternative-{id}")),
        ..Media::default()
    };
    (media, bytes.into())
}
