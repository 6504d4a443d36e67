//! Content ids, computed for real: DAG-CBOR, SHA-256, base32.
//!
//! Two records are the same to a PDS exactly if their ids are, and that is what the connector's safety rests on; so the
//! fake does not take a shortcut here. Source: the data model of the AT Protocol, RFC 8949, the CID specification.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// Version 1, SHA-256, 32 bytes: the only form that the protocol uses; with the codec before the hash.
const DAG_CBOR: u8 = 0x71;
const RAW: u8 = 0x55;
const PREFIX_BYTES: usize = 4;

/// RFC 4648 base32, small letters, without padding.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A content id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cid([u8; PREFIX_BYTES + 32]);

impl Cid {
    /// The id of a file's bytes.
    pub(super) fn of_bytes(bytes: &[u8]) -> Self {
        Self::hashed(RAW, bytes)
    }

    /// The id of a record; none if the data model has no such value (a fraction, a malformed link).
    pub(super) fn of_record(record: &Value) -> Option<Self> {
        let mut cbor = Vec::new();
        encode(record, &mut cbor)?;
        Some(Self::hashed(DAG_CBOR, &cbor))
    }

    fn hashed(codec: u8, bytes: &[u8]) -> Self {
        let mut cid = [1, codec, 0x12, 0x20].to_vec();
        cid.extend_from_slice(&Sha256::digest(bytes));
        Self(
            cid.try_into()
                .unwrap_or_else(|_| unreachable!("4 and 32 bytes")),
        )
    }

    /// Reads the text form; none if it is not of the protocol's one form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0_u32);
        for letter in text.strip_prefix('b')?.bytes() {
            held = (held << 5) | u32::try_from(BASE32.iter().position(|b| *b == letter)?).ok()?;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push(u8::try_from(held >> bits).ok()?);
                held &= (1 << bits) - 1;
            }
        }
        let cid = Self(bytes.try_into().ok()?);
        let known = matches!(cid.0[..PREFIX_BYTES], [1, DAG_CBOR | RAW, 0x12, 0x20]);
        (held == 0 && known).then_some(cid)
    }

    /// Whether it names a file and not a record.
    pub(super) fn is_raw(&self) -> bool {
        self.0[1] == RAW
    }
}

impl std::fmt::Display for Cid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::from("b");
        for five in self.0.chunks(5) {
            let mut held = [0; 8];
            held[3..3 + five.len()].copy_from_slice(five);
            let held = u64::from_be_bytes(held);
            let letters = (five.len() * 8).div_ceil(5);
            for place in 0..letters {
                let index = (held >> (35 - 5 * place)) & 31;
                text.push(char::from(
                    BASE32[usize::try_from(index).unwrap_or_default()],
                ));
            }
        }
        f.write_str(&text)
    }
}

fn encode(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(false) => out.push(0xf4),
        Value::Bool(true) => out.push(0xf5),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => head(0, positive, out),
            (None, Some(negative)) => head(1, negative.unsigned_abs() - 1, out),
            _ => return None,
        },
        Value::String(text) => encode_text(text, out),
        Value::Array(items) => {
            head(4, items.len() as u64, out);
            items.iter().try_for_each(|item| encode(item, out))?;
        }
        Value::Object(fields) => encode_fields(fields, out)?,
    }
    Some(())
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    head(3, text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn encode_fields(fields: &Map<String, Value>, out: &mut Vec<u8>) -> Option<()> {
    if let (1, Some(link)) = (fields.len(), fields.get("$link")) {
        let cid = Cid::parse(link.as_str()?)?;
        head(6, 42, out);
        head(2, cid.0.len() as u64 + 1, out);
        out.push(0); // the identity multibase, by history
        out.extend_from_slice(&cid.0);
        return Some(());
    }
    let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then(a.cmp(b)));
    head(5, sorted.len() as u64, out);
    sorted.into_iter().try_for_each(|(name, value)| {
        encode_text(name, out);
        encode(value, out)
    })
}

/// The first byte of a CBOR item and its number, in the shortest form.
fn head(major: u8, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (short, length) = match number {
        0..=23 => (bytes[7], 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    out.push((major << 5) | short);
    out.extend_from_slice(&bytes[8 - length..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_protocols_own_example_has_the_published_id() {
        // interop-test-files/data-model/data-model-fixtures.json, first fixture.
        let record = json!({
            "string": "abc",
            "unicode": "a~öñ©⽘☎𓋓😀👨‍👩‍👧‍👧",
            "integer": 123,
            "bool": true,
            "null": null,
            "array": ["abc", "def", "ghi"],
            "object": { "string": "abc", "number": 123, "bool": true, "arr": ["abc", "def", "ghi"] },
        });
        let cid = Cid::of_record(&record).unwrap();
        assert_eq!(
            cid.to_string(),
            "bafyreiclp443lavogvhj3d2ob2cxbfuscni2k5jk7bebjzg7khl3esabwq"
        );
        assert_eq!(Cid::parse(&cid.to_string()), Some(cid));
    }

    #[test]
    fn the_empty_file_has_its_well_known_id() {
        assert_eq!(
            Cid::of_bytes(b"").to_string(),
            "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
        );
    }

    #[test]
    fn what_the_data_model_does_not_have_has_no_id() {
        assert_eq!(Cid::of_record(&json!({ "a": 0.5 })), None);
        assert_eq!(Cid::of_record(&json!({ "$link": "nonsense" })), None);
    }
}
