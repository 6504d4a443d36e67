//! The library as a connector reads it.

use super::Library;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt as _;
use publisher::id::OrgId;
use publisher::{Failure, Media, MediaReader, MediaStream};
use std::io::{self, ErrorKind, SeekFrom};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// Bytes read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Reads the files of one organisation.
#[derive(Clone, Debug)]
pub(crate) struct LibraryReader {
    library: Library,
    org: OrgId,
}

impl LibraryReader {
    pub(super) fn new(library: Library, org: OrgId) -> Self {
        Self { library, org }
    }
}

#[async_trait]
impl MediaReader for LibraryReader {
    async fn open(&self, media: &Media) -> Result<MediaStream, Failure> {
        self.open_at(media, 0).await
    }

    async fn open_at(&self, media: &Media, offset: u64) -> Result<MediaStream, Failure> {
        let mut file = match tokio::fs::File::open(self.library.path(self.org, &media.id)).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let failure = Failure::rejected(
                    "media.unknown",
                    format!("media {} is no longer in the library", media.id),
                );
                return Err(failure.rule("media.unknown"));
            }
            Err(error) => return Err(unreadable(media, &error)),
        };
        if offset > 0 {
            let sought = file.seek(SeekFrom::Start(offset)).await;
            sought.map_err(|error| unreadable(media, &error))?;
        }
        let pieces = futures_util::stream::unfold(Some(file), |state| async {
            let mut file = state?;
            let mut piece = vec![0u8; PIECE_BYTES];
            match file.read(&mut piece).await {
                Ok(0) => None,
                Ok(read) => {
                    piece.truncate(read);
                    Some((Ok(Bytes::from(piece)), Some(file)))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(pieces.boxed())
    }
}

fn unreadable(media: &Media, error: &io::Error) -> Failure {
    Failure::transient(
        "media.read",
        format!("media {} cannot be read: {error}", media.id),
    )
}
