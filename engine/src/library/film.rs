//! What the boxes of an ISO media file (MP4, QuickTime) say: whether the file is whole, how large its picture is, how long
//! it lasts. Headers only: nothing is decoded, and what the film weighs does not matter.
//!
//! Source: ISO/IEC 14496-12 (boxes, `mvhd`, `tkhd`, `hdlr`, `mehd`); QuickTime uses the same ones.

use std::io::{self, Read, Seek, SeekFrom};

/// More boxes than any real file has, so that a file of nothing but empty boxes cannot keep us busy.
const BOXES_MAX: u32 = 200_000;

/// What is known of a film.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Film {
    /// Pixels as displayed: rotation applied.
    pub(super) width: u32,
    /// Pixels as displayed: rotation applied.
    pub(super) height: u32,
    /// None where the file does not say.
    pub(super) duration_ms: Option<u32>,
}

/// Why nothing is known of it.
#[derive(Debug)]
pub(super) enum Unfit {
    /// The file is not what it claims, or not all of it; says what is wrong.
    Broken(&'static str),
    /// The disk.
    Io(io::Error),
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Broken(CUT_OFF),
            _ => Self::Io(error),
        }
    }
}

const CUT_OFF: &str = "it ends in the middle of a box, so it was cut off";

/// One box: its kind, and where its content lies.
#[derive(Clone, Copy)]
struct Box {
    kind: [u8; 4],
    start: u64,
    end: u64,
}

/// Walks boxes of a file, and counts them.
struct Walk<'a, F> {
    file: &'a mut F,
    left: u32,
}

/// Reads what the boxes of a file of `length` bytes say. Errors: it is broken, cut off or holds no picture; the disk.
pub(super) fn probe(file: &mut (impl Read + Seek), length: u64) -> Result<Film, Unfit> {
    let mut walk = Walk {
        file,
        left: BOXES_MAX,
    };
    let (mut index, mut has_content) = (None, false);
    let mut at = 0;
    while let Some(found) = walk.next(at, length)? {
        match &found.kind {
            b"moov" => index = Some(found),
            b"mdat" | b"moof" => has_content = true,
            _ => {}
        }
        at = found.end;
    }
    let index = index.ok_or(Unfit::Broken("its index (the box moov) is missing"))?;
    if !has_content {
        return Err(Unfit::Broken("its content (the box mdat) is missing"));
    }
    walk.index(index)
}

impl<F: Read + Seek> Walk<'_, F> {
    /// The box at `at`, inside of what ends at `end`; none behind the last.
    fn next(&mut self, at: u64, end: u64) -> Result<Option<Box>, Unfit> {
        // Some writers leave a few bytes of padding behind the last box.
        if end.saturating_sub(at) < 8 {
            return Ok(None);
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(Unfit::Broken("it consists of too many boxes"))?;
        let head: [u8; 8] = self.read(at)?;
        let kind = [head[4], head[5], head[6], head[7]];
        let (head_bytes, size) = match number(&head, 0) {
            0 => (8, end - at),
            1 => {
                let long: [u8; 8] = self.read(at + 8)?;
                (16, u64::from_be_bytes(long))
            }
            size => (8, u64::from(size)),
        };
        if size < head_bytes {
            return Err(Unfit::Broken("a box claims to be smaller than its head"));
        }
        match at.checked_add(size) {
            Some(box_end) if box_end <= end => Ok(Some(Box {
                kind,
                start: at + head_bytes,
                end: box_end,
            })),
            _ => Err(Unfit::Broken(CUT_OFF)),
        }
    }

    /// The children of a box of one kind.
    fn children(&mut self, parent: Box, kind: [u8; 4]) -> Result<Vec<Box>, Unfit> {
        let mut found = Vec::new();
        let mut at = parent.start;
        while let Some(child) = self.next(at, parent.end)? {
            if child.kind == kind {
                found.push(child);
            }
            at = child.end;
        }
        Ok(found)
    }

    fn child(&mut self, parent: Box, kind: [u8; 4]) -> Result<Option<Box>, Unfit> {
        Ok(self.children(parent, kind)?.first().copied())
    }

    fn index(&mut self, moov: Box) -> Result<Film, Unfit> {
        let mut picture = None;
        for track in self.children(moov, *b"trak")? {
            if picture.is_none() && self.is_picture(track)? {
                picture = self.size(track)?;
            }
        }
        let (width, height) = picture.ok_or(Unfit::Broken("it holds no picture"))?;
        Ok(Film {
            width,
            height,
            duration_ms: self.duration(moov)?,
        })
    }

    fn is_picture(&mut self, track: Box) -> Result<bool, Unfit> {
        let Some(media) = self.child(track, *b"mdia")? else {
            return Ok(false);
        };
        let Some(handler) = self.child(media, *b"hdlr")? else {
            return Ok(false);
        };
        let head: [u8; 12] = self.read(handler.start)?;
        Ok(head[8..] == *b"vide")
    }

    /// Width and height of a track as displayed; none if it says zero.
    fn size(&mut self, track: Box) -> Result<Option<(u32, u32)>, Unfit> {
        let Some(header) = self.child(track, *b"tkhd")? else {
            return Ok(None);
        };
        let [version]: [u8; 1] = self.read(header.start)?;
        // The matrix, then width and height with 16 bits of fraction.
        let matrix_at = if version == 1 { 52 } else { 40 };
        let tail: [u8; 44] = self.read(header.start + matrix_at)?;
        let (width, height) = (number(&tail, 36) >> 16, number(&tail, 40) >> 16);
        let turned = number(&tail, 0) == 0 && number(&tail, 16) == 0;
        let size = if turned {
            (height, width)
        } else {
            (width, height)
        };
        Ok((width > 0 && height > 0).then_some(size))
    }

    /// The length that the index names; of a fragmented file the one of its fragments.
    fn duration(&mut self, moov: Box) -> Result<Option<u32>, Unfit> {
        let Some(header) = self.child(moov, *b"mvhd")? else {
            return Ok(None);
        };
        let [version]: [u8; 1] = self.read(header.start)?;
        let (scale, mut units) = if version == 1 {
            let body: [u8; 32] = self.read(header.start)?;
            (number(&body, 20), long(&body, 24))
        } else {
            let body: [u8; 20] = self.read(header.start)?;
            (number(&body, 12), u64::from(number(&body, 16)))
        };
        if units == 0
            && let Some(extends) = self.child(moov, *b"mvex")?
            && let Some(fragments) = self.child(extends, *b"mehd")?
        {
            let [version]: [u8; 1] = self.read(fragments.start)?;
            units = if version == 1 {
                let body: [u8; 12] = self.read(fragments.start)?;
                long(&body, 4)
            } else {
                let body: [u8; 8] = self.read(fragments.start)?;
                u64::from(number(&body, 4))
            };
        }
        let millis = u128::from(units) * 1000 / u128::from(scale.max(1));
        Ok(u32::try_from(millis)
            .ok()
            .filter(|millis| *millis > 0 && scale > 0))
    }

    fn read<const N: usize>(&mut self, at: u64) -> Result<[u8; N], Unfit> {
        let mut bytes = [0; N];
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// The 32-bit number at `at`.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4]
        .iter()
        .fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// The 64-bit number at `at`.
fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at)) << 32 | u64::from(number(bytes, at + 4))
}

#[cfg(test)]
#[path = "film_tests.rs"]
mod tests;
