//! AES-256-GCM-SIV, and nothing around it: the only file that calls the cipher.
//!
//! The one idea: work is done in the caller's buffer. A plaintext therefore exists in exactly one allocation, which
//! the caller owns and wipes; nothing here makes a second copy that would outlive the call.
//!
//! This file does not know envelopes, key ids or owners. It stands alone (no path into the crate), so that the vector
//! tests compile this very file instead of a look-alike.
//!
//! Source: RFC 8452, <https://www.rfc-editor.org/rfc/rfc8452>.

use aes_gcm_siv::{AeadInOut, Aes256GcmSiv, Key, KeyInit, Nonce, Tag};
use zeroize::ZeroizeOnDrop;

/// `aes` is a direct dependency for its feature `zeroize` alone: that feature, and not the one of `aes-gcm-siv`, wipes
/// the expanded round keys when a cipher is dropped. Without it, this line does not compile.
const _: fn() = wiped_when_dropped::<aes::Aes256>;
const fn wiped_when_dropped<T: ZeroizeOnDrop>() {}

/// Length of a key, of master keys and data keys alike.
pub(crate) const KEY_BYTES: usize = 32;
/// Length of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;
/// Length of an authentication tag.
pub(crate) const TAG_BYTES: usize = 16;

/// The tag does not fit the key, the nonce, the associated data or the ciphertext. Which of them, nobody can tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejected;

/// Encrypts `text` where it stands and returns its tag; `associated` is authenticated, not stored.
#[expect(
    clippy::expect_used,
    reason = "unreachable: buffers here are bounded far below the cipher's limit"
)]
pub(crate) fn encrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    text: &mut [u8],
) -> [u8; TAG_BYTES] {
    let tag = cipher(key)
        .encrypt_inout_detached(&Nonce::from(*nonce), associated, text.into())
        .expect(
            "AES-GCM-SIV refuses only inputs beyond 64 GiB, and a sealed value has at most 1 MiB",
        );
    tag.into()
}

/// Decrypts `text` where it stands.
///
/// Errors: [`Rejected`] when the tag does not verify; `text` then holds ciphertext again, never unauthenticated
/// plaintext.
pub(crate) fn decrypt(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), Rejected> {
    cipher(key)
        .decrypt_inout_detached(
            &Nonce::from(*nonce),
            associated,
            text.into(),
            &Tag::from(*tag),
        )
        .map_err(|_| Rejected)
}

/// Borrows the key instead of converting it by value: a conversion would leave a copy on the stack.
fn cipher(key: &[u8; KEY_BYTES]) -> Aes256GcmSiv {
    let key: &Key<Aes256GcmSiv> = key.into();
    Aes256GcmSiv::new(key)
}
