//! One upload: streamed to a file, hashed on the way, recognised by its bytes.

use super::film::{self, Unfit};
use super::{Library, LibraryError};
use publisher::id::{OrgId, ProfileId};
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use store::{MediaRow, NewMedia, Store};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// Bytes kept from the beginning, enough to recognise any format we take.
const HEAD_BYTES: usize = 4096;

/// An upload under way.
#[derive(Debug)]
pub struct Upload {
    library: Library,
    org: OrgId,
    id: String,
    file: Option<File>,
    incoming: PathBuf,
    hash: Sha256,
    head: Vec<u8>,
    size_bytes: u64,
}

impl Upload {
    pub(super) async fn begin(library: Library, org: OrgId) -> Result<Self, LibraryError> {
        let id = new_media_id()?;
        let incoming = library.root.join("incoming").join(&id);
        let file = File::create_new(&incoming).await?;
        Ok(Self {
            library,
            org,
            id,
            file: Some(file),
            incoming,
            hash: Sha256::new(),
            head: Vec::new(),
            size_bytes: 0,
        })
    }

    /// Adds bytes. Errors: [`LibraryError::TooLarge`] as soon as the bound is passed; the upload is then over.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), LibraryError> {
        self.size_bytes += bytes.len() as u64;
        let max = self.library.limits.upload_bytes_max;
        if self.size_bytes > max {
            return Err(LibraryError::TooLarge { max });
        }
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head
            .extend_from_slice(&bytes[..bytes.len().min(missing)]);
        self.hash.update(bytes);
        if let Some(file) = &mut self.file {
            file.write_all(bytes).await?;
        }
        Ok(())
    }

    /// Makes the file safe on disk and notes it in the library.
    ///
    /// Errors: [`LibraryError::Empty`], [`LibraryError::Unrecognised`], [`LibraryError::Broken`], the disk, the database;
    /// nothing is kept then.
    pub async fn finish(
        mut self,
        store: &Store,
        profile: ProfileId,
    ) -> Result<MediaRow, LibraryError> {
        if self.size_bytes == 0 {
            return Err(LibraryError::Empty);
        }
        let content_type = recognise(&self.head).ok_or(LibraryError::Unrecognised)?;
        if let Some(mut file) = self.file.take() {
            file.flush().await?;
            file.sync_all().await?;
        }
        // From here on the file and its row belong together, whoever leaves meanwhile.
        let (noting, store) = (self.library.noting.clone(), store.clone());
        let noted = noting.spawn(async move { self.note(&store, profile, content_type).await });
        noted.await.map_err(std::io::Error::other)?
    }

    /// Puts the file into its place and writes its row: both, or neither.
    async fn note(
        mut self,
        store: &Store,
        profile: ProfileId,
        content_type: &'static str,
    ) -> Result<MediaRow, LibraryError> {
        let Measured {
            width,
            height,
            duration_ms,
        } = measure(content_type, &self.incoming, self.size_bytes).await?;
        let sha256 = std::mem::take(&mut self.hash).finalize().to_vec();
        let size_bytes = i64::try_from(self.size_bytes).unwrap_or(i64::MAX);
        let media = NewMedia {
            org: self.org,
            id: &self.id,
            profile,
            content_type,
            size_bytes,
            sha256: &sha256,
            width,
            height,
            duration_ms,
        };
        let path = self.library.path(self.org, &self.id);
        let noted = match self.move_to(&path).await {
            Ok(()) => store.insert_media(media).await.map_err(LibraryError::from),
            Err(error) => Err(error.into()),
        };
        let created_at = match noted {
            Ok(created_at) => created_at,
            // There may be a row, so the file stays.
            Err(LibraryError::Store(error)) if error.outcome_is_unknown() => {
                return Err(error.into());
            }
            Err(error) => {
                tokio::fs::remove_file(&path).await.ok();
                return Err(error);
            }
        };
        Ok(MediaRow {
            id: self.id.clone(),
            profile,
            content_type: content_type.to_owned(),
            size_bytes,
            sha256,
            width,
            height,
            duration_ms,
            created_at,
        })
    }

    async fn move_to(&self, path: &Path) -> std::io::Result<()> {
        if let Some(dir) = path.parent() {
            tokio::fs::create_dir_all(dir).await?;
            tokio::fs::rename(&self.incoming, path).await?;
            File::open(dir).await?.sync_all().await?;
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // After `finish` there is nothing left under this name.
        std::fs::remove_file(&self.incoming).ok();
    }
}

/// `med_` and 22 characters of base 62: 131 bits nobody can guess.
fn new_media_id() -> Result<String, LibraryError> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = String::from("med_");
    while id.len() < 26 {
        let mut random = [0u8; 32];
        getrandom::fill(&mut random).map_err(std::io::Error::other)?;
        // 248 is the largest multiple of 62 in a byte: every character stays equally likely.
        id.extend(
            random
                .iter()
                .filter(|byte| **byte < 248)
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)])),
        );
    }
    id.truncate(26);
    Ok(id)
}

/// What the bytes say they are, if a platform of ours takes it.
fn recognise(head: &[u8]) -> Option<&'static str> {
    const TAKEN: [&str; 8] = [
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/gif",
        "video/mp4",
        "video/quicktime",
        "video/webm",
        "video/x-m4v",
    ];
    if head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(head)
        .starts_with(b"WEBVTT")
    {
        return Some("text/vtt");
    }
    let mime = infer::get(head)?.mime_type();
    TAKEN.into_iter().find(|taken| *taken == mime)
}

/// What the headers of a file say.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    /// Pixels as displayed.
    width: Option<i32>,
    /// Pixels as displayed.
    height: Option<i32>,
    duration_ms: Option<i32>,
}

/// Reads the headers of pictures and of films that have boxes. Errors: a film is broken; the disk.
async fn measure(
    content_type: &'static str,
    path: &Path,
    length: u64,
) -> Result<Measured, LibraryError> {
    let path = path.to_owned();
    let measured = tokio::task::spawn_blocking(move || match content_type {
        "video/mp4" | "video/quicktime" | "video/x-m4v" => measure_film(&path, length),
        other if other.starts_with("image/") => Ok(measure_picture(&path)),
        _ => Ok(Measured::default()),
    });
    measured
        .await
        .unwrap_or_else(|panicked| Err(std::io::Error::other(panicked).into()))
}

fn measure_film(path: &Path, length: u64) -> Result<Measured, LibraryError> {
    let mut file = std::io::BufReader::new(std::fs::File::open(path)?);
    match film::probe(&mut file, length) {
        Ok(found) => Ok(Measured {
            width: i32::try_from(found.width).ok(),
            height: i32::try_from(found.height).ok(),
            duration_ms: found
                .duration_ms
                .and_then(|millis| i32::try_from(millis).ok()),
        }),
        Err(Unfit::Broken(what)) => Err(LibraryError::Broken { what }),
        Err(Unfit::Io(error)) => Err(error.into()),
    }
}

/// Width and height of a picture as displayed: its orientation applied; nothing if it cannot be read.
fn measure_picture(path: &Path) -> Measured {
    let size = || {
        use image::ImageDecoder as _;
        use image::metadata::Orientation;
        let mut decoder = image::ImageReader::open(path)
            .ok()?
            .with_guessed_format()
            .ok()?
            .into_decoder()
            .ok()?;
        let (width, height) = decoder.dimensions();
        let turned = matches!(
            decoder.orientation(),
            Ok(Orientation::Rotate90
                | Orientation::Rotate270
                | Orientation::Rotate90FlipH
                | Orientation::Rotate270FlipH)
        );
        Some(if turned {
            (height, width)
        } else {
            (width, height)
        })
    };
    let found = size();
    Measured {
        width: found.and_then(|(width, _)| i32::try_from(width).ok()),
        height: found.and_then(|(_, height)| i32::try_from(height).ok()),
        duration_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_id_is_unguessable_and_of_the_contracts_form() {
        let ids: std::collections::HashSet<String> =
            (0..1000).map(|_| new_media_id().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 26);
            assert!(
                id.starts_with("med_") && id[4..].chars().all(|c| c.is_ascii_alphanumeric()),
                "{id}"
            );
        }
    }

    #[test]
    fn a_file_is_what_its_bytes_say() {
        assert_eq!(
            recognise(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
            Some("image/png")
        );
        assert_eq!(recognise(b"\xff\xd8\xff\xe0\0\x10JFIF"), Some("image/jpeg"));
        assert_eq!(
            recognise(b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41"),
            Some("video/mp4")
        );
        assert_eq!(recognise(b"WEBVTT\n\n00:01.000 --> "), Some("text/vtt"));
        assert_eq!(recognise(b"<html><body>not a picture</body></html>"), None);
        assert_eq!(recognise(b"MZ\x90\0"), None);
    }
}
