//! Blobs: what must be true of a file that a record refers to.

use super::Repo;
use crate::fake::xrpc::Refusal;
use serde_json::Value;

impl Repo {
    /// Every blob of the record must have been uploaded to this repository, and be what the record says.
    pub(super) fn check_blobs(&self, value: &Value) -> Result<(), Refusal> {
        if value["$type"] == "blob" {
            let cid = value["ref"]["$link"].as_str().unwrap_or_default();
            let Some(stored) = self.blobs.get(cid) else {
                return Err(Refusal::new(
                    400,
                    "BlobNotFound",
                    format!("Could not find blob: {cid}"),
                ));
            };
            if stored["mimeType"] != value["mimeType"] {
                let message = format!(
                    "Referenced Mimetype does not match stored blob. Expected: {}",
                    stored["mimeType"]
                );
                return Err(Refusal::new(400, "InvalidMimeType", message));
            }
            let is_image = value["mimeType"]
                .as_str()
                .is_some_and(|mime| mime.starts_with("image/"));
            if let (true, Some(size), Some(max)) =
                (is_image, value["size"].as_u64(), self.image_bytes_max)
                && size > max
            {
                let message = format!(
                    "This file is too large. It is {size}B but the maximum size is {max}B."
                );
                return Err(Refusal::new(400, "BlobTooLarge", message));
            }
            if stored["size"] != value["size"] {
                return Err(Refusal::new(
                    400,
                    "InvalidSize",
                    "Referenced size does not match stored blob",
                ));
            }
            return Ok(());
        }
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.check_blobs(item)),
            Value::Object(fields) => fields
                .values()
                .try_for_each(|field| self.check_blobs(field)),
            _ => Ok(()),
        }
    }
}

/// What the first bytes of a picture say that it is.
pub(super) fn sniff(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if starts(b"GIF8") {
        Some("image/gif")
    } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else {
        None
    }
}
