//! Pictures that fit, that are made to fit, and that are refused.

use super::*;
use image::{DynamicImage, Rgb, RgbImage, Rgba, RgbaImage, codecs::gif};
use proptest::prelude::*;

const ALL: Wanted = Wanted {
    bytes_max: 2_000_000,
    side_max: 4_000,
    types: &["image/jpeg", "image/png", "image/webp", "image/gif"],
};

/// A picture that compresses badly and is the same each time.
fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 1_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = state.to_be_bytes();
        Rgb([a, b, c])
    })
}

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG with EXIF data that say: turned, and taken at this place.
fn jpeg_with_exif(width: u32, height: u32, orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.push(orientation);
    exif.extend(b"\0\0\0\0\0\0GPS 52.5200 13.4050");
    let plain = file(noise(width, height), ImageFormat::Jpeg);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    let mut bytes = plain[..2].to_vec();
    bytes.extend([0xff, 0xe1]);
    bytes.extend(length);
    bytes.extend(exif);
    bytes.extend(&plain[2..]);
    bytes.extend(b"GPS behind the end");
    bytes
}

fn has(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn run(bytes: Vec<u8>, wanted: Wanted) -> Result<Fitted, Unfit> {
    let bytes = Bytes::from(bytes);
    match look(&bytes, wanted)? {
        Seen::Fits(fitted) => Ok(fitted),
        Seen::Anew(before) => anew(&bytes, wanted, before),
    }
}

#[test]
fn what_fits_keeps_every_pixel_and_loses_where_it_was_taken() {
    let bytes = jpeg_with_exif(40, 30, 1);
    let fitted = run(bytes.clone(), ALL).unwrap();
    assert!(has(&bytes, b"GPS") && !has(&fitted.bytes, b"GPS") && !has(&fitted.bytes, b"Exif"));
    assert_eq!(
        (fitted.mime, fitted.width, fitted.height),
        ("image/jpeg", 40, 30)
    );
    assert_eq!((fitted.before, fitted.change()), (None, None));
    let pixels = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().to_rgb8();
    assert_eq!(pixels(&bytes), pixels(&fitted.bytes));
}

#[test]
fn what_is_turned_by_its_metadata_is_turned_for_real() {
    let bytes = jpeg_with_exif(40, 30, 6);
    let fitted = run(bytes, ALL).unwrap();
    assert_eq!((fitted.width, fitted.height), (30, 40));
    assert!(!has(&fitted.bytes, b"Exif") && fitted.before.is_none());
    let again = image::load_from_memory(&fitted.bytes).unwrap();
    assert_eq!((again.width(), again.height()), (30, 40));
}

#[test]
fn what_is_too_large_is_made_smaller_and_says_so() {
    let bytes = file(noise(300, 200), ImageFormat::Png);
    let wanted = Wanted {
        bytes_max: 20_000,
        ..ALL
    };
    let fitted = run(bytes.clone(), wanted).unwrap();
    assert!(fitted.bytes.len() <= 20_000 && fitted.mime == "image/jpeg");
    let before = Before {
        bytes: bytes.len(),
        width: 300,
        height: 200,
    };
    assert_eq!(fitted.before, Some(before));
    let said = fitted.change().unwrap();
    assert!(
        said.starts_with(&format!("{} bytes and 300×200 pixels became", bytes.len())),
        "{said}"
    );
    // The same bytes again: a repeated upload has the same content id.
    assert_eq!(run(bytes, wanted).unwrap(), fitted);
}

#[test]
fn a_long_side_is_shortened_and_the_ratio_kept() {
    let wanted = Wanted {
        side_max: 100,
        ..ALL
    };
    let fitted = run(file(noise(200, 100), ImageFormat::Png), wanted).unwrap();
    assert_eq!((fitted.width, fitted.height), (100, 50));
}

#[test]
fn what_is_transparent_stays_so_where_that_is_taken() {
    let picture = RgbaImage::from_fn(120, 120, |x, y| {
        let noise = (x * 7919 + y * 104_729) % 251;
        Rgba([
            u8::try_from(noise).unwrap(),
            u8::try_from(x).unwrap(),
            u8::try_from(y).unwrap(),
            90,
        ])
    });
    let bytes = file(picture, ImageFormat::Png);
    let small = Wanted {
        bytes_max: bytes.len() / 2,
        ..ALL
    };
    let fitted = run(bytes.clone(), small).unwrap();
    assert_eq!(fitted.mime, "image/png");
    assert!(
        image::load_from_memory(&fitted.bytes)
            .unwrap()
            .to_rgba8()
            .pixels()
            .any(|pixel| pixel.0[3] < 255)
    );
    let fitted = run(
        bytes,
        Wanted {
            types: &["image/jpeg"],
            ..ALL
        },
    )
    .unwrap();
    assert_eq!(fitted.mime, "image/jpeg");
    let white = image::load_from_memory(&fitted.bytes).unwrap().to_rgb8();
    assert!(
        white.pixels().all(|pixel| pixel.0[0] > 100),
        "what shows through is white"
    );
}

#[test]
fn a_bomb_is_refused_before_it_is_decoded() {
    // A PNG of 10,000 by 10,000 pixels: its header alone decides, the data are missing.
    let mut bytes = file(noise(1, 1), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&10_000_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&10_000_u32.to_be_bytes());
    let crc = crc(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(
        run(bytes, ALL),
        Err(Unfit::TooManyPixels {
            pixels: 100_000_000
        })
    );
}

/// The checksum of a PNG's chunk.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

fn gif_of(frames: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    {
        let mut encoder = gif::GifEncoder::new(&mut bytes);
        for _ in 0..frames {
            let frame = DynamicImage::from(noise(40, 40)).to_rgba8();
            encoder.encode_frame(image::Frame::new(frame)).unwrap();
        }
    }
    bytes
}

#[test]
fn what_moves_goes_as_it_is_or_not_at_all() {
    let still = gif_of(1);
    assert_eq!(run(still.clone(), ALL).unwrap().mime, "image/gif");
    let tight = Wanted {
        bytes_max: still.len() - 200,
        ..ALL
    };
    assert_ne!(run(still, tight).unwrap().mime, "image/gif");
    let moving = gif_of(3);
    assert_eq!(run(moving.clone(), ALL).unwrap().mime, "image/gif");
    let tight = Wanted {
        bytes_max: moving.len() - 200,
        ..ALL
    };
    assert!(matches!(run(moving, tight), Err(Unfit::Animated { .. })));
}

#[test]
fn a_webp_and_a_png_lose_their_metadata_too() {
    let mut webp = file(noise(20, 20), ImageFormat::WebP);
    let mut exif = b"EXIF".to_vec();
    exif.extend(4_u32.to_le_bytes());
    exif.extend(b"GPS!");
    webp.extend(exif);
    let size = u32::try_from(webp.len() - 8).unwrap();
    webp[4..8].copy_from_slice(&size.to_le_bytes());
    let fitted = run(webp, ALL).unwrap();
    assert!(!has(&fitted.bytes, b"GPS") && fitted.mime == "image/webp");
    image::load_from_memory(&fitted.bytes).unwrap();

    let plain = file(noise(20, 20), ImageFormat::Png);
    let mut text = 9_u32.to_be_bytes().to_vec();
    text.extend(b"tEXtwhere\0GPS");
    let sum = crc(&text[4..]);
    text.extend(sum.to_be_bytes());
    let end = plain.len() - 12;
    let png = [&plain[..end], &text[..], &plain[end..]].concat();
    let fitted = run(png, ALL).unwrap();
    assert_eq!(fitted.bytes, plain);
}

#[test]
fn what_is_no_picture_is_refused() {
    assert_eq!(
        run(b"<html>a lie</html>".to_vec(), ALL),
        Err(Unfit::Unrecognised)
    );
    let broken = file(noise(20, 20), ImageFormat::Png)[..60].to_vec();
    assert!(matches!(run(broken, ALL), Err(Unfit::Unreadable(_))));
    let tiny = Wanted {
        bytes_max: 10,
        ..ALL
    };
    assert_eq!(
        run(file(noise(20, 20), ImageFormat::Png), tiny),
        Err(Unfit::Incompressible { bytes_max: 10 })
    );
}

#[tokio::test]
async fn many_at_once_wait_for_their_turn() {
    let bytes = Bytes::from(file(noise(60, 60), ImageFormat::Png));
    let all = (0..12).map(|_| {
        fit(
            bytes.clone(),
            Wanted {
                bytes_max: 3_000,
                ..ALL
            },
        )
    });
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(|one| one == &all[0]) && all[0].is_ok());
}

proptest! {
    #[test]
    fn nothing_that_comes_makes_it_panic(kind in 0..4_usize, cut in 0..400_usize, at in 0..400_usize, byte: u8) {
        let format = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif][kind];
        let mut bytes = if format == ImageFormat::Gif { gif_of(2) } else { file(noise(6, 6), format) };
        let place = at.min(bytes.len() - 1);
        bytes[place] = byte;
        bytes.truncate(bytes.len() - cut.min(bytes.len() / 2));
        let _ = run(bytes, Wanted { bytes_max: 100, ..ALL });
    }
}
