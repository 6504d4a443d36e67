//! What can go wrong, one enum per verb.
//!
//! The one idea: errors of the key ring speak to an operator and name the remedy; errors of opening speak to a log
//! that an attacker may read, and say nothing that helps to forge. No error holds key material or plaintext, nor a
//! piece of input that might be key material put in the wrong place.

use crate::{KeyId, PLAINTEXT_BYTES_MAX};

/// Why a value was not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The plaintext is longer than [`PLAINTEXT_BYTES_MAX`].
    #[error(
        "{bytes} bytes cannot be sealed; a sealed value holds at most {PLAINTEXT_BYTES_MAX} bytes"
    )]
    TooLong {
        /// How many bytes were given.
        bytes: usize,
    },
    /// A canary was asked for under a master key that is not on the key ring.
    #[error("master key `{0}` is not on the key ring; add it to the list of master keys")]
    UnknownKey(KeyId),
    /// The operating system gave no random bytes; nothing was sealed.
    #[error("the operating system gave no random bytes ({0}); nothing was sealed")]
    Random(getrandom::Error),
}

/// Why a sealed value was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// These bytes are no sealed value of a version known here.
    #[error("this is not a sealed value of a known version")]
    Malformed,
    /// The value names a master key that is not on the key ring.
    #[error(
        "sealed under master key `{0}`, which is not on the key ring; add it to the list as a retired key"
    )]
    UnknownKey(KeyId),
    /// Changed, or sealed for another owner or purpose, or under another master key with the same id.
    #[error("the sealed value does not open for this owner and purpose")]
    Forged,
}

/// Why a sealed value was not moved to the active master key; the value that was given stays good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RewrapError {
    /// Its data key could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes ({0}); nothing was rewrapped")]
    Random(getrandom::Error),
}

/// A text is no key id. The text itself is not repeated: it may be a key in the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 1 to 8 characters out of A-Z, a-z, 0-9, `_` and `-`")]
pub struct KeyIdError;

/// 32 zero bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key of zeros protects nothing. Make one with: openssl rand -base64 32")]
pub struct ZeroKey;

/// Why a list of master keys is not a key ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no entry at all.
    #[error(
        "there is no master key in the list; it needs at least one entry <id>:<base64 of 32 bytes>. \
         Make the bytes with: openssl rand -base64 32"
    )]
    Empty,
    /// An entry is blank or has no colon.
    #[error(
        "entry {position} of the master keys is blank or has no colon; write it as <id>:<base64 of 32 bytes>"
    )]
    NoColon {
        /// Which entry, counted from 1.
        position: usize,
    },
    /// What stands before the colon is no key id.
    #[error(
        "entry {position} of the master keys has a bad id: {rule}; write it as <id>:<base64 of 32 bytes>"
    )]
    BadId {
        /// Which entry, counted from 1.
        position: usize,
        /// The rule for ids.
        rule: KeyIdError,
    },
    /// What stands behind the colon is not base64.
    #[error(
        "master key `{id}` is not base64; use the standard or the URL-safe alphabet, padded or not. \
         Make one with: openssl rand -base64 32"
    )]
    BadBase64 {
        /// Whose key.
        id: KeyId,
    },
    /// The decoded key is too short or too long.
    #[error(
        "master key `{id}` has {bytes} bytes after base64 decoding; it must have exactly 32. \
         Make one with: openssl rand -base64 32"
    )]
    WrongLength {
        /// Whose key.
        id: KeyId,
        /// How many bytes were decoded.
        bytes: usize,
    },
    /// The key is 32 zero bytes.
    #[error(
        "master key `{id}` is all zeros, which protects nothing. Make one with: openssl rand -base64 32"
    )]
    ZeroKey {
        /// Whose key.
        id: KeyId,
    },
    /// Two entries have the same id.
    #[error("master key id `{id}` is in the list twice; give every key an id of its own")]
    DuplicateId {
        /// The id that came twice.
        id: KeyId,
    },
}
