//! Master keys and their names.
//!
//! The one idea: a ring has one *active* key, which seals, and any number of *retired* ones, which only open. To
//! rotate is to put a new key in front, rewrap what is stored, and drop the old key when nothing names it any more.
//!
//! This module does not know where the list of keys comes from (environment, file, command); it is handed the text.

use crate::{KeyIdError, KeyringError, ZeroKey, cipher::KEY_BYTES};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT},
};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

/// Length of a key id inside a sealed value.
pub(crate) const KEY_ID_BYTES: usize = 8;

/// The name of a master key: 1 to 8 characters out of `A-Z`, `a-z`, `0-9`, `_` and `-`.
///
/// It is public: it stands in every sealed value, in errors and in `Debug`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KEY_ID_BYTES]);

impl KeyId {
    /// As it is stored: padded with NULs.
    pub(crate) fn padded(&self) -> &[u8; KEY_ID_BYTES] {
        &self.0
    }

    /// Reads the stored form; `None` unless it is exactly what some id is stored as.
    pub(crate) fn from_padded(bytes: [u8; KEY_ID_BYTES]) -> Option<Self> {
        let length = bytes
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(KEY_ID_BYTES);
        let (text, padding) = bytes.split_at(length);
        let good = length > 0
            && text.iter().copied().all(is_id_byte)
            && padding.iter().all(|&byte| byte == 0);
        good.then_some(Self(bytes))
    }

    fn as_str(&self) -> &str {
        // Only ASCII gets in, so the fallback is never taken.
        std::str::from_utf8(&self.0)
            .unwrap_or_default()
            .trim_end_matches('\0')
    }
}

fn is_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        let text = text.as_bytes();
        let mut padded = [0; KEY_ID_BYTES];
        padded
            .get_mut(..text.len())
            .ok_or(KeyIdError)?
            .copy_from_slice(text);
        // A NUL in the text would pass for padding.
        if text.contains(&0) {
            return Err(KeyIdError);
        }
        Self::from_padded(padded).ok_or(KeyIdError)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A key that wraps data keys: 32 bytes, wiped when dropped, never printed, never all zeros.
///
/// Boxed, so that moving it moves a pointer and leaves no copy of the bytes behind.
pub struct MasterKey(Box<Zeroizing<[u8; KEY_BYTES]>>);

impl MasterKey {
    /// Copies the key out of `bytes`, which the caller wipes.
    ///
    /// # Errors
    /// [`ZeroKey`] when every byte is zero: that is a forgotten value, not a key.
    pub fn new(bytes: &[u8; KEY_BYTES]) -> Result<Self, ZeroKey> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Err(ZeroKey);
        }
        let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
        key.copy_from_slice(bytes);
        Ok(Self(key))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// The master keys of an installation: one active, which seals, and the retired ones, which still open.
pub struct Keyring {
    /// The active key comes first. A handful at most, so a list beats a map.
    keys: Vec<(KeyId, MasterKey)>,
}

impl Keyring {
    /// A ring of one key.
    pub fn new(active: (KeyId, MasterKey)) -> Self {
        Self { keys: vec![active] }
    }

    /// Adds a key that opens what it once sealed and seals nothing new.
    ///
    /// # Errors
    /// `DuplicateId` when the ring has a key of this id already.
    pub fn with_retired(mut self, id: KeyId, key: MasterKey) -> Result<Self, KeyringError> {
        if self.get(id).is_some() {
            return Err(KeyringError::DuplicateId { id });
        }
        self.keys.push((id, key));
        Ok(self)
    }

    /// Reads a list of master keys.
    ///
    /// Shape: entries `<id>:<base64 of 32 bytes>`, separated by commas or line breaks, blanks around them ignored;
    /// the first is active, the others retired. Base64 in the standard or the URL-safe alphabet, padded or not.
    /// Blank lines are skipped; a blank between commas is an error, because it is a variable that came out empty and
    /// the key behind it would silently become the active one.
    ///
    /// # Errors
    /// One [`KeyringError`] variant per rule, for the first entry that breaks one. None repeats key material.
    pub fn parse(list: &str) -> Result<Self, KeyringError> {
        let lines = list
            .split(['\n', '\r'])
            .filter(|line| !line.trim().is_empty());
        let entries = lines.flat_map(|line| line.split(',')).enumerate();
        let mut ring: Option<Self> = None;
        for (index, entry) in entries {
            let (id, key) = parse_entry(entry.trim(), index + 1)?;
            ring = Some(match ring {
                None => Self::new((id, key)),
                Some(ring) => ring.with_retired(id, key)?,
            });
        }
        ring.ok_or(KeyringError::Empty)
    }

    /// The id of the key that seals.
    pub fn active_id(&self) -> KeyId {
        self.active().0
    }

    /// Every id, the active one first, the retired ones as they were added.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.iter().map(|(id, _)| *id)
    }

    pub(crate) fn active(&self) -> (KeyId, &MasterKey) {
        let (id, key) = &self.keys[0];
        (*id, key)
    }

    pub(crate) fn get(&self, id: KeyId) -> Option<&MasterKey> {
        self.keys
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, key)| key)
    }
}

/// Ids only, the active one first.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")?;
        f.debug_list().entries(self.ids()).finish()
    }
}

fn parse_entry(entry: &str, position: usize) -> Result<(KeyId, MasterKey), KeyringError> {
    let (id, text) = entry
        .split_once(':')
        .ok_or(KeyringError::NoColon { position })?;
    let id: KeyId = id
        .trim()
        .parse()
        .map_err(|rule| KeyringError::BadId { position, rule })?;
    let text = text.trim();
    let engine = if text.contains(['-', '_']) {
        URL_SAFE_PAD_INDIFFERENT
    } else {
        STANDARD_PAD_INDIFFERENT
    };
    // Room for all of it beforehand: a buffer that grows leaves half a key behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    engine
        .decode_vec(text, &mut decoded)
        .map_err(|_| KeyringError::BadBase64 { id })?;
    let bytes: &[u8; KEY_BYTES] =
        decoded
            .as_slice()
            .try_into()
            .map_err(|_| KeyringError::WrongLength {
                id,
                bytes: decoded.len(),
            })?;
    let key = MasterKey::new(bytes).map_err(|ZeroKey| KeyringError::ZeroKey { id })?;
    Ok((id, key))
}
