//! Films made by hand, box by box.

use super::*;
use std::io::Cursor;

fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes()[..], &kind, content].concat()
}

/// A track of `width` by `height`, turned by a quarter if asked, of the kind `handler`.
fn track(handler: [u8; 4], (width, height): (u32, u32), turned: bool) -> Vec<u8> {
    let one = 0x1_0000_u32.to_be_bytes();
    let zero = [0; 4];
    let matrix = if turned {
        [zero, one, zero, one, zero, zero, zero, zero, one]
    } else {
        [one, zero, zero, zero, one, zero, zero, zero, one]
    };
    let mut header = vec![0; 40];
    header.extend(matrix.concat());
    header.extend((width << 16).to_be_bytes());
    header.extend((height << 16).to_be_bytes());
    let hdlr = [&[0; 8][..], &handler, &[0; 12]].concat();
    let media = boxed(*b"mdia", &boxed(*b"hdlr", &hdlr));
    boxed(*b"trak", &[boxed(*b"tkhd", &header), media].concat())
}

fn movie_header(scale: u32, units: u32) -> Vec<u8> {
    let mut body = vec![0; 12];
    body.extend(scale.to_be_bytes());
    body.extend(units.to_be_bytes());
    body.resize(100, 0);
    boxed(*b"mvhd", &body)
}

/// A whole film: sound first, then a picture.
fn film(turned: bool) -> Vec<u8> {
    let sound = track(*b"soun", (0, 0), false);
    let picture = track(*b"vide", (1_920, 1_080), turned);
    let moov = boxed(
        *b"moov",
        &[movie_header(600, 600 * 90), sound, picture].concat(),
    );
    let start = boxed(*b"ftyp", b"isom\0\0\x02\0isom");
    [start, moov, boxed(*b"mdat", &[7; 5_000])].concat()
}

fn probed(bytes: &[u8]) -> Result<Film, Unfit> {
    probe(&mut Cursor::new(bytes), bytes.len() as u64)
}

fn wrong(bytes: &[u8]) -> &'static str {
    match probed(bytes) {
        Err(Unfit::Broken(what)) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_film_says_how_large_and_how_long_it_is() {
    let expected = Film {
        width: 1_920,
        height: 1_080,
        duration_ms: Some(90_000),
    };
    assert_eq!(probed(&film(false)).unwrap(), expected);
    let upright = probed(&film(true)).unwrap();
    assert_eq!((upright.width, upright.height), (1_080, 1_920));
}

#[test]
fn a_film_that_was_cut_off_anywhere_is_broken() {
    let whole = film(false);
    // Up to seven bytes behind a box count as padding; the boxes before must then be all there are.
    for length in (0..whole.len() - 8).step_by(13) {
        wrong(&whole[..length]);
    }
    assert!(wrong(&whole[..whole.len() - 1]).contains("cut off"));
}

#[test]
fn padding_behind_the_last_box_is_no_mistake() {
    let mut padded = film(false);
    padded.extend([0; 7]);
    assert!(probed(&padded).is_ok());
    padded.extend([0; 100]);
    assert!(probed(&padded).is_ok());
}

#[test]
fn what_is_no_film_is_broken_and_says_why() {
    let start = boxed(*b"ftyp", b"isom");
    let sound = boxed(*b"moov", &track(*b"soun", (0, 0), false));
    let content = boxed(*b"mdat", b"x");
    assert!(wrong(&start).contains("moov"));
    assert!(wrong(&[start.clone(), sound.clone()].concat()).contains("mdat"));
    assert!(wrong(&[start, sound, content].concat()).contains("no picture"));
    assert!(wrong(&[0, 0, 0, 3, b'm', b'o', b'o', b'v']).contains("smaller"));
    assert!(wrong(&boxed(*b"free", b"").repeat(200_001)).contains("too many"));
}

#[test]
fn a_long_box_and_a_fragmented_film_are_read() {
    let picture = track(*b"vide", (640, 360), false);
    let fragments = boxed(
        *b"mvex",
        &boxed(*b"mehd", &[&[0; 4][..], &3_000_u32.to_be_bytes()].concat()),
    );
    let moov = boxed(
        *b"moov",
        &[movie_header(1_000, 0), picture, fragments].concat(),
    );
    let long = [
        &1_u32.to_be_bytes()[..],
        b"mdat",
        &20_u64.to_be_bytes(),
        b"abcd",
    ]
    .concat();
    let film = probed(&[moov, boxed(*b"moof", b""), long].concat()).unwrap();
    assert_eq!((film.width, film.duration_ms), (640, Some(3_000)));
}
