//! Encoding anew: less quality first, fewer pixels then.

use super::{Fitted, Unfit, Wanted};
use image::{
    DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, Rgb, RgbImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
    imageops::FilterType,
    metadata::Orientation,
};

/// JPEG qualities that are tried at each size.
const QUALITIES: [u8; 3] = [90, 82, 74];

/// How often the picture is made smaller before it is given up.
const SIZES: usize = 8;

/// Each size is this much of the one before, in percent.
const NEXT_SIZE_PERCENT: u32 = 80;

/// Decodes, turns, and encodes until it fits. What is transparent stays so (PNG) if the platform takes it; everything else
/// becomes a JPEG. The colour profile is kept, because without it the numbers mean other colours.
pub(super) fn encode(
    mut decoder: impl ImageDecoder,
    orientation: Orientation,
    wanted: Wanted,
) -> Result<Fitted, Unfit> {
    let profile = decoder
        .color_type()
        .has_color()
        .then(|| decoder.icc_profile().ok().flatten())
        .flatten();
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let side = picture.width().max(picture.height());
    if side > wanted.side_max {
        picture = resized(&picture, wanted.side_max);
    }
    let transparent = wanted.types.contains(&"image/png") && is_transparent(&picture);
    for _ in 0..SIZES {
        let found = if transparent {
            png(&picture, profile.as_ref(), wanted.bytes_max)?
        } else {
            jpeg(&picture, profile.as_ref(), wanted.bytes_max)?
        };
        if let Some(fitted) = found {
            return Ok(fitted);
        }
        let side = picture.width().max(picture.height());
        picture = resized(&picture, (side * NEXT_SIZE_PERCENT / 100).max(1));
    }
    Err(Unfit::Incompressible {
        bytes_max: wanted.bytes_max,
    })
}

/// The same picture with this longer side.
fn resized(picture: &DynamicImage, side: u32) -> DynamicImage {
    picture.resize(side, side, FilterType::CatmullRom)
}

fn is_transparent(picture: &DynamicImage) -> bool {
    picture.color().has_alpha() && picture.to_rgba8().pixels().any(|pixel| pixel.0[3] < 255)
}

fn png(
    picture: &DynamicImage,
    profile: Option<&Vec<u8>>,
    bytes_max: usize,
) -> Result<Option<Fitted>, Unfit> {
    let pixels = picture.to_rgba8();
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new(&mut bytes);
    if let Some(profile) = profile {
        encoder.set_icc_profile(profile.clone()).ok();
    }
    let (width, height) = pixels.dimensions();
    encoder.write_image(&pixels, width, height, ExtendedColorType::Rgba8)?;
    Ok((bytes.len() <= bytes_max).then(|| fitted(bytes, "image/png", width, height)))
}

fn jpeg(
    picture: &DynamicImage,
    profile: Option<&Vec<u8>>,
    bytes_max: usize,
) -> Result<Option<Fitted>, Unfit> {
    let pixels = on_white(picture);
    let (width, height) = pixels.dimensions();
    for quality in QUALITIES {
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
        if let Some(profile) = profile {
            encoder.set_icc_profile(profile.clone()).ok();
        }
        encoder.write_image(&pixels, width, height, ExtendedColorType::Rgb8)?;
        if bytes.len() <= bytes_max {
            return Ok(Some(fitted(bytes, "image/jpeg", width, height)));
        }
    }
    Ok(None)
}

/// Without transparency: what shows through is white.
fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let pixels = picture.to_rgba8();
    RgbImage::from_fn(pixels.width(), pixels.height(), |x, y| {
        let [red, green, blue, alpha] = pixels.get_pixel(x, y).0.map(u16::from);
        let over = |colour: u16| {
            u8::try_from((colour * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        Rgb([over(red), over(green), over(blue)])
    })
}

fn fitted(bytes: Vec<u8>, mime: &'static str, width: u32, height: u32) -> Fitted {
    Fitted {
        bytes: bytes.into(),
        mime,
        width,
        height,
        before: None,
    }
}
