//! What is searched, and for what: a secret in every form in which it could have been written.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// Something that was written, stored or answered.
pub(crate) struct Haystack {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Haystack {
    pub(crate) fn holds(&self, needle: &[u8]) -> bool {
        self.find(needle).is_some()
    }

    /// The surroundings of a needle, as text.
    pub(crate) fn around(&self, needle: &[u8]) -> String {
        let Some(at) = self.find(needle) else {
            return String::new();
        };
        let from = at.saturating_sub(120);
        let to = (at + needle.len() + 60).min(self.bytes.len());
        String::from_utf8_lossy(&self.bytes[from..to]).into_owned()
    }

    fn find(&self, needle: &[u8]) -> Option<usize> {
        let first = needle.first()?;
        let mut from = 0;
        while let Some(step) = self.bytes[from..].iter().position(|byte| byte == first) {
            let at = from + step;
            if self.bytes[at..].starts_with(needle) {
                return Some(at);
            }
            from = at + 1;
        }
        None
    }
}

/// A dump of the whole database, by the pg_dump of the PostgreSQL that the scripts use.
pub(crate) fn dump(url: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = Command::new(root.join("scripts/postgres"))
        .arg("find")
        .current_dir(&root)
        .output()
        .unwrap();
    assert!(
        found.status.success(),
        "{}",
        String::from_utf8_lossy(&found.stderr)
    );
    let programs = PathBuf::from(String::from_utf8(found.stdout).unwrap().trim());
    let dumped = Command::new(programs.join("pg_dump"))
        .arg(url)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        dumped.status.success(),
        "pg_dump: {}",
        String::from_utf8_lossy(&dumped.stderr)
    );
    dumped.stdout
}

/// The secret as it is, in hexadecimal, and in base64 wherever it begins in what was encoded.
pub(crate) fn needles(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut needles = vec![
        ("plain", secret.to_vec()),
        ("hex", hex_of(secret).into_bytes()),
    ];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(secret);
        let encoded = BASE64_STANDARD.encode(&padded);
        // What its neighbours could change is cut off.
        let (from, to) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        needles.push(("base64", encoded.as_bytes()[from..to].to_vec()));
    }
    needles
}

fn hex_of(bytes: &[u8]) -> String {
    let digits = |byte: &u8| {
        [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
    };
    bytes.iter().flat_map(digits).collect()
}

/// Reads what `encode(…, 'hex')` wrote.
pub(crate) fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks_exact(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = b"zqmark-a-secret";
    let in_base64 =
        |before: &str| BASE64_STANDARD.encode(format!("{before}zqmark-a-secret and more"));
    let written = [
        "say zqmark-a-secret!".to_owned(),
        format!("\\x00{}ff", hex_of(secret)),
        in_base64(""),
        in_base64("1"),
        in_base64("12"),
        in_base64("123"),
    ];
    for text in written {
        let haystack = Haystack {
            name: String::new(),
            bytes: text.clone().into_bytes(),
        };
        assert!(
            needles(secret)
                .iter()
                .any(|(_, needle)| haystack.holds(needle)),
            "{text}"
        );
    }
    let innocent = Haystack {
        name: String::new(),
        bytes: b"zqmark-a-secre and nothing more".to_vec(),
    };
    assert!(
        !needles(secret)
            .iter()
            .any(|(_, needle)| innocent.holds(needle))
    );
    assert_eq!(bytes_of("00ff7a"), [0, 255, b'z']);
}
