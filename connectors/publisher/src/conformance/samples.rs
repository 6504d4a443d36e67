//! Files for sample posts: small, each different from every other, and really what they claim to be: a picture can be decoded.

use crate::post::{Media, MediaKind};
use bytes::Bytes;

/// A square grey picture of noise, of about `size` bytes, with an alt text that names it.
pub fn png(id: &str, size: usize) -> (Media, Bytes) {
    let edge = u16::try_from(size.isqrt()).unwrap_or(u16::MAX).max(8);
    let bytes = png_of(id, edge);
    let pixels = Some(u32::from(edge));
    file(id, bytes, MediaKind::Image, "image/png", (pixels, pixels))
}

/// What begins like a film of `size` bytes, 640 × 480, with an alt text that names it. It cannot be played.
pub fn mp4(id: &str, size: usize) -> (Media, Bytes) {
    let head: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom";
    let mut bytes = [head, id.as_bytes()].concat();
    bytes.resize(bytes.len().max(size), 7);
    file(
        id,
        bytes,
        MediaKind::Video,
        "video/mp4",
        (Some(640), Some(480)),
    )
}

fn file(
    id: &str,
    bytes: Vec<u8>,
    kind: MediaKind,
    mime: &str,
    (width, height): (Option<u32>, Option<u32>),
) -> (Media, Bytes) {
    let media = Media {
        id: id.to_owned(),
        kind,
        mime: mime.to_owned(),
        size_bytes: bytes.len() as u64,
        width,
        height,
        alt_text: Some(format!("alternative-{id}")),
        ..Media::default()
    };
    (media, bytes.into())
}

/// A PNG of `side` × `side` grey pixels, not compressed. Source: the PNG specification, RFC 1950, RFC 1951.
fn png_of(id: &str, side: u16) -> Vec<u8> {
    let mut noise = id.bytes().fold(0x811c_9dc5_u32, |state, byte| {
        (state ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let mut rows = Vec::new();
    for _ in 0..side {
        rows.extend_from_slice(&[0]); // no filter
        for _ in 0..side {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            rows.push(noise.to_be_bytes()[0]);
        }
    }
    let mut zlib = vec![0x78, 0x01];
    let mut blocks = rows.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        zlib.push(u8::from(blocks.peek().is_none()));
        zlib.extend_from_slice(&length.to_le_bytes());
        zlib.extend_from_slice(&(!length).to_le_bytes());
        zlib.extend_from_slice(block);
    }
    zlib.extend_from_slice(&adler32(&rows).to_be_bytes());
    let side = u32::from(side).to_be_bytes();
    let header = [&side[..], &side[..], &[8, 0, 0, 0, 0]].concat();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", header), (b"IDAT", zlib), (b"IEND", vec![])] {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let chunk = [&name[..], &data[..]].concat();
        file.extend_from_slice(&length.to_be_bytes());
        file.extend_from_slice(&chunk);
        file.extend_from_slice(&crc32(&chunk).to_be_bytes());
    }
    file
}

fn adler32(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    (high << 16) | low
}

fn crc32(bytes: &[u8]) -> u32 {
    let rest = bytes.iter().fold(u32::MAX, |rest, byte| {
        (0..8).fold(rest ^ u32::from(*byte), |rest, _| {
            (rest >> 1) ^ (0xedb8_8320 & (rest & 1).wrapping_neg())
        })
    });
    !rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_specifications() {
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn no_two_pictures_are_the_same() {
        let ((one, first), (_, second)) = (png("one", 3_000), png("two", 3_000));
        assert_ne!(first, second);
        assert!((2_900..3_300).contains(&first.len()), "{}", first.len());
        assert_eq!(one.size_bytes, first.len() as u64);
    }

    #[cfg(feature = "image")]
    #[tokio::test]
    async fn a_picture_can_be_decoded() {
        let (media, bytes) = png("one", 100_000);
        let wanted = crate::image::Wanted {
            bytes_max: 50_000,
            side_max: 10_000,
            types: &["image/jpeg"],
        };
        let fitted = crate::image::fit(bytes, wanted).await.unwrap();
        assert_eq!(fitted.mime, "image/jpeg");
        assert!(fitted.before.unwrap().width == media.width.unwrap());
    }
}
