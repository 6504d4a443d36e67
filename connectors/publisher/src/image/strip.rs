//! Taking the metadata out of a picture without touching its pixels.
//!
//! By a list of what stays, not of what goes: a part that nobody here knows may say where somebody lives. What a format's
//! parts mean is in its specification (JFIF 1.02, PNG third edition, RFC 9649 for WebP, GIF89a).

use image::ImageFormat;

/// A picture without its metadata.
pub(super) struct Stripped {
    pub(super) bytes: Vec<u8>,
    /// Whether it is animated.
    pub(super) moves: bool,
}

/// The picture without its metadata; none if its parts cannot be told apart, which a decoder may still manage.
pub(super) fn metadata(format: ImageFormat, bytes: &[u8]) -> Option<Stripped> {
    match format {
        ImageFormat::Jpeg => jpeg(bytes),
        ImageFormat::Png => png(bytes),
        ImageFormat::WebP => webp(bytes),
        ImageFormat::Gif => gif(bytes),
        _ => None,
    }
}

fn jpeg(bytes: &[u8]) -> Option<Stripped> {
    let mut out = vec![0xff, 0xd8];
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        while *bytes.get(at)? == 0xff {
            at += 1;
        }
        let marker = bytes[at];
        at += 1;
        match marker {
            // Whatever follows the end is not the picture: a film, a second picture, a map.
            0xd9 => {
                out.extend([0xff, 0xd9]);
                return Some(Stripped {
                    bytes: out,
                    moves: false,
                });
            }
            0x01 | 0xd0..=0xd7 => {
                out.extend([0xff, marker]);
                continue;
            }
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let segment = bytes
            .get(at..at + length)
            .filter(|segment| segment.len() >= 2)?;
        keep_segment(marker, segment, &mut out);
        at += length;
        if marker == 0xda {
            let end = end_of_scan(bytes, at)?;
            out.extend_from_slice(&bytes[at..end]);
            at = end;
        }
    }
}

/// Keeps what is needed to decode and to show: tables, frames, scans; the versions of JFIF and Adobe, the colour profile.
fn keep_segment(marker: u8, segment: &[u8], out: &mut Vec<u8>) {
    let body = &segment[2..];
    match marker {
        // Without its thumbnail, which may show what was cut off.
        0xe0 if body.starts_with(b"JFIF\0") && body.len() >= 14 => {
            out.extend([0xff, 0xe0, 0, 16]);
            out.extend_from_slice(&body[..12]);
            out.extend([0, 0]);
            return;
        }
        0xe2 if body.starts_with(b"ICC_PROFILE\0") => {}
        0xee if body.starts_with(b"Adobe") => {}
        0xe0..=0xef | 0xfe => return,
        _ => {}
    }
    out.extend([0xff, marker]);
    out.extend_from_slice(segment);
}

/// Where the compressed data end: at the next marker that is neither a stuffed byte nor a restart.
fn end_of_scan(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        match bytes.get(at + 1)? {
            0 | 0xd0..=0xd7 => at += 2,
            0xff => at += 1,
            _ => return Some(at),
        }
    }
}

/// Chunks that say how a PNG looks.
const PNG_CHUNKS: [&[u8; 4]; 19] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT",
    b"bKGD", b"pHYs", b"hIST", b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
];

fn png(bytes: &[u8]) -> Option<Stripped> {
    let (signature, mut rest) = bytes.split_at_checked(8)?;
    let mut out = signature.to_vec();
    let mut moves = false;
    loop {
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        let whole = usize::try_from(length).ok()?.checked_add(12)?;
        let (chunk, after) = rest.split_at_checked(whole)?;
        let kind: &[u8; 4] = chunk[4..8].try_into().ok()?;
        if PNG_CHUNKS.contains(&kind) {
            out.extend_from_slice(chunk);
        }
        moves |= kind == b"acTL";
        if kind == b"IEND" {
            return Some(Stripped { bytes: out, moves });
        }
        rest = after;
    }
}

/// Chunks that say how a WebP looks.
const WEBP_CHUNKS: [&[u8; 4]; 7] = [
    b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP",
];

/// Bits of a WebP's extended header.
const WEBP_MOVES: u8 = 0x02;
const WEBP_METADATA: u8 = 0x04 | 0x08;

fn webp(bytes: &[u8]) -> Option<Stripped> {
    let size = usize::try_from(u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?)).ok()?;
    let mut rest = bytes.get(12..size.checked_add(8)?)?;
    let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
    let mut moves = false;
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?);
        let padded = usize::try_from(length).ok()?.checked_next_multiple_of(2)?;
        let (chunk, after) = rest.split_at_checked(padded.checked_add(8)?)?;
        let kind: &[u8; 4] = chunk[..4].try_into().ok()?;
        if WEBP_CHUNKS.contains(&kind) {
            let flags = out.len() + 8;
            out.extend_from_slice(chunk);
            if kind == b"VP8X" {
                let flags = out.get_mut(flags)?;
                moves |= *flags & WEBP_MOVES != 0;
                *flags &= !WEBP_METADATA;
            }
        }
        rest = after;
    }
    let size = u32::try_from(out.len() - 8).ok()?;
    out[4..8].copy_from_slice(&size.to_le_bytes());
    Some(Stripped { bytes: out, moves })
}

fn gif(bytes: &[u8]) -> Option<Stripped> {
    let mut at = 13 + table_bytes(*bytes.get(10)?);
    let mut out = bytes.get(..at)?.to_vec();
    let mut frames = 0;
    loop {
        let start = at;
        match bytes.get(at)? {
            0x3b => {
                out.push(0x3b);
                return Some(Stripped {
                    bytes: out,
                    moves: frames > 1,
                });
            }
            0x2c => {
                frames += 1;
                at += 10 + table_bytes(*bytes.get(at + 9)?) + 1;
                at = end_of_blocks(bytes, at)?;
                out.extend_from_slice(&bytes[start..at]);
            }
            0x21 => {
                let label = *bytes.get(at + 1)?;
                at = end_of_blocks(bytes, at + 2)?;
                let extension = &bytes[start..at];
                let loops = extension
                    .get(3..14)
                    .is_some_and(|name| name == b"NETSCAPE2.0" || name == b"ANIMEXTS1.0");
                if label == 0xf9 || (label == 0xff && loops) {
                    out.extend_from_slice(extension);
                }
            }
            _ => return None,
        }
    }
}

/// Size of the colour table that these flags announce.
fn table_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 {
        0
    } else {
        3 << ((flags & 7) + 1)
    }
}

/// Where a sequence of sub-blocks ends, its terminator included.
fn end_of_blocks(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1 + length;
        if length == 0 {
            return (at <= bytes.len()).then_some(at);
        }
    }
}
