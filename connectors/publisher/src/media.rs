//! How a connector reads the media of a post: as bytes, or as an address from which the platform fetches them by itself.

use crate::failure::Failure;
use crate::post::Media;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use std::future::ready;
use std::time::Duration;
use url::Url;

/// The bytes of one media file, in pieces.
pub type MediaStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Reads the media of a post.
#[async_trait]
pub trait MediaReader: Send + Sync {
    /// Opens one file of the post. Errors: a transient failure if the storage does not answer, a rejected one if the file
    /// is gone.
    async fn open(&self, media: &Media) -> Result<MediaStream, Failure>;

    /// Opens one file at `offset`, to go on with an upload or to send one chunk of it. Errors: as [`MediaReader::open`].
    async fn open_at(&self, media: &Media, offset: u64) -> Result<MediaStream, Failure> {
        let mut left = offset;
        let rest = self.open(media).await?.filter_map(move |piece| {
            let kept = piece.map(|piece| {
                let skipped = left.min(piece.len() as u64);
                left -= skipped;
                piece.slice(usize::try_from(skipped).unwrap_or(piece.len())..)
            });
            ready((!matches!(&kept, Ok(piece) if piece.is_empty())).then_some(kept))
        });
        Ok(rest.boxed())
    }

    /// Opens `length` bytes of one file at `offset`: one chunk of an upload. Errors: as [`MediaReader::open`]; a file that
    /// ends earlier ends the stream earlier.
    async fn open_chunk(
        &self,
        media: &Media,
        offset: u64,
        length: u64,
    ) -> Result<MediaStream, Failure> {
        let stream = self.open_at(media, offset).await?;
        let chunk = stream.scan(length, |left, piece| {
            let kept = match piece {
                Ok(_) if *left == 0 => None,
                Ok(piece) => {
                    let taken = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(piece.len());
                    *left -= taken as u64;
                    Some(Ok(piece.slice(..taken)))
                }
                Err(error) => Some(Err(error)),
            };
            ready(kept)
        });
        Ok(chunk.boxed())
    }

    /// An address of one file from which a platform fetches it by itself, without credentials, for at least `lives`.
    ///
    /// Shape: absolute, `https` outside of tests, ASCII. Errors: an operator's when this installation serves no media to the
    /// public; a transient one when the address cannot be made now.
    async fn public_url(&self, media: &Media, lives: Duration) -> Result<Url, Failure> {
        let _ = lives;
        Err(Failure::operator_blocked(
            "media.public_url",
            format!(
                "media {} has no public address, and this platform fetches media by itself",
                media.id
            ),
        )
        .remediation("Serve this installation's media at a public https address."))
    }

    /// Reads one file whole. Errors: as [`MediaReader::open`]; also rejected if it is longer than `bytes_max`.
    async fn read(&self, media: &Media, bytes_max: usize) -> Result<Bytes, Failure> {
        let mut stream = self.open(media).await?;
        let mut whole = Vec::with_capacity(
            usize::try_from(media.size_bytes)
                .unwrap_or(0)
                .min(bytes_max),
        );
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|e| {
                Failure::transient(
                    "media.read",
                    format!("media {} could not be read: {e}", media.id),
                )
            })?;
            if whole.len() + piece.len() > bytes_max {
                return Err(Failure::rejected(
                    "media.read.size",
                    format!(
                        "media {} is longer than the {bytes_max} bytes allowed here",
                        media.id
                    ),
                ));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    struct Pieces;

    #[async_trait]
    impl MediaReader for Pieces {
        async fn open(&self, _: &Media) -> Result<MediaStream, Failure> {
            let pieces = [b"abc".as_slice(), b"defg", b"h"];
            Ok(stream::iter(pieces.map(|piece| Ok(Bytes::from_static(piece)))).boxed())
        }
    }

    async fn chunk(offset: u64, length: u64) -> String {
        let stream = Pieces
            .open_chunk(&Media::default(), offset, length)
            .await
            .unwrap();
        let pieces: Vec<_> = stream.map(Result::unwrap).collect().await;
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[tokio::test]
    async fn a_chunk_is_cut_where_it_was_asked_for() {
        assert_eq!(chunk(0, 100).await, "abcdefgh");
        assert_eq!(chunk(2, 3).await, "cde");
        assert_eq!(chunk(3, 4).await, "defg");
        assert_eq!(chunk(7, 1).await, "h");
        assert_eq!(chunk(8, 5).await, "");
        assert_eq!(chunk(0, 0).await, "");
    }

    #[tokio::test]
    async fn who_serves_no_media_says_so_to_the_operator() {
        let failure = Pieces.public_url(&Media::default(), Duration::ZERO).await;
        assert_eq!(
            failure.unwrap_err().class,
            crate::failure::Class::OperatorBlocked
        );
    }
}
