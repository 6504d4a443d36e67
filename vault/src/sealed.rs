//! Wire format v1 of a sealed value.
//!
//! ```text
//! offset  bytes
//!      0      1  version, 1
//!      1      8  id of the master key, padded with NULs
//!      9     12  nonce of the wrapped data key
//!     21     48  wrapped data key: 32 of ciphertext, 16 of tag
//!     69     12  nonce of the payload
//!     81      n  payload, as long as the plaintext
//!   81+n     16  tag of the payload
//! ```
//!
//! The one idea: an envelope carries everything but the master key and the binding, so it fits one column and needs
//! no companion. Everything up to offset 69 is the *wrap* and changes with a rewrap; everything from there is the
//! *body* and never does.
//!
//! This module knows lengths and places; it does not know the cipher.

use crate::{
    KeyId, OpenError,
    cipher::{KEY_BYTES, NONCE_BYTES, TAG_BYTES},
    keyring::KEY_ID_BYTES,
};
use std::fmt;

/// The version written, and the only one read.
pub(crate) const VERSION: u8 = 1;

/// The longest plaintext that is sealed, in bytes: 1 MiB.
pub const PLAINTEXT_BYTES_MAX: usize = 1 << 20;

const WRAP_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// How much longer a sealed value is than its plaintext, in bytes: 97.
pub const OVERHEAD_BYTES: usize = WRAP_BYTES + NONCE_BYTES + TAG_BYTES;

/// A sealed value: safe to store, useless without the master key.
///
/// It is made by [`Vault::seal`](crate::Vault::seal) and its siblings only, so it is always well formed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl AsRef<[u8]> for Sealed {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Length and key id only; ciphertext in a log is of use to nobody honest.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Envelope::parse(&self.0).map(|envelope| envelope.wrap.key_id);
        let mut out = f.debug_struct("Sealed");
        out.field("bytes", &self.0.len());
        if let Ok(key) = key {
            out.field("key", &key);
        }
        out.finish()
    }
}

/// The first 69 bytes: the data key, wrapped under a master key.
pub(crate) struct Wrap {
    pub(crate) key_id: KeyId,
    pub(crate) nonce: [u8; NONCE_BYTES],
    pub(crate) data_key: [u8; KEY_BYTES],
    pub(crate) tag: [u8; TAG_BYTES],
}

/// The rest: the payload, encrypted under the data key.
pub(crate) struct Body<'a> {
    pub(crate) nonce: &'a [u8; NONCE_BYTES],
    pub(crate) ciphertext: &'a [u8],
    pub(crate) tag: &'a [u8; TAG_BYTES],
}

/// A sealed value, taken apart. Only lengths, version and the spelling of the key id are checked; nothing is
/// authenticated yet.
pub(crate) struct Envelope<'a> {
    pub(crate) wrap: Wrap,
    pub(crate) body: Body<'a>,
}

impl<'a> Envelope<'a> {
    /// Errors: `Malformed` when too short, longer than anything sealed here, of another version, or with a key id
    /// that is spelled wrong.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, OpenError> {
        Self::split(bytes).ok_or(OpenError::Malformed)
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > OVERHEAD_BYTES + PLAINTEXT_BYTES_MAX {
            return None;
        }
        let (&version, rest) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        let (key_id, rest) = rest.split_first_chunk::<KEY_ID_BYTES>()?;
        let (wrap_nonce, rest) = rest.split_first_chunk()?;
        let (data_key, rest) = rest.split_first_chunk()?;
        let (wrap_tag, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (ciphertext, tag) = rest.split_last_chunk()?;
        Some(Self {
            wrap: Wrap {
                key_id: KeyId::from_padded(*key_id)?,
                nonce: *wrap_nonce,
                data_key: *data_key,
                tag: *wrap_tag,
            },
            body: Body {
                nonce,
                ciphertext,
                tag,
            },
        })
    }
}

impl Wrap {
    /// Starts a sealed value with room for a payload of `payload_bytes`, so that it never moves while it is filled:
    /// a buffer that grows leaves its old content, plaintext perhaps, behind.
    pub(crate) fn start(&self, payload_bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(OVERHEAD_BYTES + payload_bytes);
        out.push(VERSION);
        out.extend_from_slice(self.key_id.padded());
        out.extend_from_slice(&self.nonce);
        out.extend_from_slice(&self.data_key);
        out.extend_from_slice(&self.tag);
        out
    }

    /// Puts this wrap before a body that stays byte for byte what it is.
    pub(crate) fn around(&self, body: &Body<'_>) -> Sealed {
        let mut out = self.start(body.ciphertext.len());
        out.extend_from_slice(body.nonce);
        out.extend_from_slice(body.ciphertext);
        out.extend_from_slice(body.tag);
        Sealed(out)
    }

    /// Puts this wrap before a plaintext, which `encrypt` turns into ciphertext where it stands.
    pub(crate) fn before(
        &self,
        nonce: &[u8; NONCE_BYTES],
        plaintext: &[u8],
        encrypt: impl FnOnce(&mut [u8]) -> [u8; TAG_BYTES],
    ) -> Sealed {
        let mut out = self.start(plaintext.len());
        out.extend_from_slice(nonce);
        let payload_at = out.len();
        out.extend_from_slice(plaintext);
        let tag = encrypt(&mut out[payload_at..]);
        out.extend_from_slice(&tag);
        Sealed(out)
    }
}
