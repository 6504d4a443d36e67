//! Making a picture fit what a platform takes.
//!
//! What fits already is not touched but for its metadata, which never goes out: cameras write down where they were. What
//! is turned by its metadata is turned for real. What is too large is encoded anew, with less quality first and fewer
//! pixels then, never refused for its size alone; except what moves, because a still of it would be something else.
//!
//! Judged by bytes, never by the type that somebody declared. Nothing is decoded before its header has been read: a picture
//! of too many pixels is refused while it is still small. The work runs on the runtime's blocking threads, few at a time.
//! The same bytes always give the same result, so that a repeated upload has the same content id.

mod shrink;
mod strip;

use bytes::Bytes;
use image::{ImageDecoder as _, ImageFormat, ImageReader, Limits, metadata::Orientation};
use std::io::Cursor;
use tokio::sync::Semaphore;

/// Pixels of a picture that is worked on: 200 MB when it is decoded.
pub const PIXELS_MAX: u64 = 50_000_000;

/// Pictures that are worked on at the same time in this process.
const AT_ONCE: usize = 2;

/// Memory that one decoder may take, in bytes.
const DECODER_BYTES_MAX: u64 = 8 * PIXELS_MAX;

static ROOM: Semaphore = Semaphore::const_new(AT_ONCE);

/// What a platform takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Bytes of the file.
    pub bytes_max: usize,
    /// Pixels of the longer side.
    pub side_max: u32,
    /// Types, `image/jpeg` among them; what is of another one is encoded anew.
    pub types: &'static [&'static str],
}

/// A picture that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// The file, without metadata.
    pub bytes: Bytes,
    /// What the bytes are.
    pub mime: &'static str,
    /// Pixels as displayed.
    pub width: u32,
    /// Pixels as displayed.
    pub height: u32,
    /// The picture before, if it had to be encoded anew to fit; turning alone does not count.
    pub before: Option<Before>,
}

/// A picture before it was made to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Size of the file.
    pub bytes: usize,
    /// Pixels as displayed.
    pub width: u32,
    /// Pixels as displayed.
    pub height: u32,
}

impl Fitted {
    /// What became of it, with the figures of before and after; none if nothing did.
    pub fn change(&self) -> Option<String> {
        let before = self.before?;
        Some(format!(
            "{} bytes and {}×{} pixels became {} bytes and {}×{} pixels ({})",
            before.bytes,
            before.width,
            before.height,
            self.bytes.len(),
            self.width,
            self.height,
            self.mime
        ))
    }
}

/// Why a picture cannot be made to fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Of no type that is known here.
    #[error("the bytes are no JPEG, PNG, WebP or GIF")]
    Unrecognised,
    /// More pixels than anybody needs: a bomb, or a mistake.
    #[error("the picture has {pixels} pixels; at most {PIXELS_MAX} are worked on")]
    TooManyPixels {
        /// Width times height.
        pixels: u64,
    },
    /// It moves, and does not fit as it is.
    #[error("the picture is animated and has {bytes} bytes; at most {bytes_max} fit")]
    Animated {
        /// Size of the file without its metadata.
        bytes: usize,
        /// What was allowed.
        bytes_max: usize,
    },
    /// Broken.
    #[error("the picture cannot be read: {0}")]
    Unreadable(String),
    /// Not even very small.
    #[error("the picture cannot be made smaller than {bytes_max} bytes")]
    Incompressible {
        /// What was allowed.
        bytes_max: usize,
    },
}

/// Makes a picture fit. What fits as it is comes back at once; what must be encoded anew waits for its turn.
///
/// # Errors
/// It is no picture, too large to be looked at, animated and too large, or broken.
pub async fn fit(bytes: Bytes, wanted: Wanted) -> Result<Fitted, Unfit> {
    let before = match look(&bytes, wanted)? {
        Seen::Fits(fitted) => return Ok(fitted),
        Seen::Anew(before) => before,
    };
    // The semaphore is never closed; were it, there would merely be no bound.
    let _turn = ROOM.acquire().await.ok();
    let work = tokio::task::spawn_blocking(move || anew(&bytes, wanted, before));
    work.await
        .unwrap_or_else(|_| Err(Unfit::Unreadable("its decoder failed".to_owned())))
}

/// What a look at a picture's header and parts says.
enum Seen {
    Fits(Fitted),
    /// It must be encoded anew; with its figures, unless only to be turned.
    Anew(Option<Before>),
}

/// Decides what is to be done, without decoding a pixel.
fn look(bytes: &Bytes, wanted: Wanted) -> Result<Seen, Unfit> {
    let (format, mut decoder) = open(bytes)?;
    let mime = mime(format).ok_or(Unfit::Unrecognised)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > PIXELS_MAX {
        return Err(Unfit::TooManyPixels { pixels });
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let stripped = strip::metadata(format, bytes);
    let small = stripped
        .as_ref()
        .is_some_and(|stripped| stripped.bytes.len() <= wanted.bytes_max);
    let taken = wanted.types.contains(&mime) && width.max(height) <= wanted.side_max;
    match stripped {
        Some(stripped) if small && taken && orientation == Orientation::NoTransforms => {
            return Ok(Seen::Fits(Fitted {
                bytes: stripped.bytes.into(),
                mime,
                width,
                height,
                before: None,
            }));
        }
        Some(stripped) if stripped.moves => {
            return Err(Unfit::Animated {
                bytes: stripped.bytes.len(),
                bytes_max: wanted.bytes_max,
            });
        }
        _ => {}
    }
    let (width, height) = turned(orientation, width, height);
    Ok(Seen::Anew((!(small && taken)).then_some(Before {
        bytes: bytes.len(),
        width,
        height,
    })))
}

/// Encodes a picture anew.
fn anew(bytes: &Bytes, wanted: Wanted, before: Option<Before>) -> Result<Fitted, Unfit> {
    let (_, mut decoder) = open(bytes)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let fitted = shrink::encode(decoder, orientation, wanted)?;
    Ok(Fitted { before, ..fitted })
}

/// The picture's header, read by its own bytes' type.
fn open(bytes: &Bytes) -> Result<(ImageFormat, impl image::ImageDecoder), Unfit> {
    let format = image::guess_format(bytes).map_err(|_| Unfit::Unrecognised)?;
    if mime(format).is_none() {
        return Err(Unfit::Unrecognised);
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes.as_ref()), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    Ok((format, reader.into_decoder()?))
}

/// Width and height as displayed.
fn turned(orientation: Orientation, width: u32, height: u32) -> (u32, u32) {
    match orientation {
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => (height, width),
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => (width, height),
    }
}

fn mime(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Jpeg => Some("image/jpeg"),
        ImageFormat::Png => Some("image/png"),
        ImageFormat::WebP => Some("image/webp"),
        ImageFormat::Gif => Some("image/gif"),
        _ => None,
    }
}

impl From<image::ImageError> for Unfit {
    fn from(error: image::ImageError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

#[cfg(test)]
mod tests;
