//! Secrets at rest: sealed values that only this installation opens, each for one owner and one purpose.
//!
//! The one idea: every value is encrypted under a data key of its own, made for it and used once; the data key is
//! encrypted (*wrapped*) under a master key that is never stored beside the data; and both encryptions name the owner
//! and the purpose, so a value works only where it belongs. Changing the master key re-encrypts 32 bytes per value,
//! not the value. The cipher is AES-256-GCM-SIV (RFC 8452), which stays safe even if a nonce is ever repeated.
//!
//! This crate is bytes in, bytes out. It does not know where keys come from, where values are stored or what they
//! mean; it has no clock, no log and no I/O but the operating system's random bytes.
//!
//! # What it protects against
//! - **A stolen database**, dump, backup or replica: without a master key, sealed values are noise. What remains
//!   visible is each value's length (the plaintext's plus 97) and the id of its master key.
//! - **A writer in the database** who has no master key: a value that was changed, cut, glued together from two, or
//!   moved to another owner or purpose does not open ([`OpenError::Forged`], [`OpenError::Malformed`]).
//! - **A wrong master key after a restore or a typing error**: the canary of a key id
//!   ([`Vault::seal_canary`]) opens under the right key only, so a process can refuse to start before it seals
//!   anything under the wrong one.
//! - **Carelessness**: keys and opened values are wiped when dropped; nothing here prints a key, a plaintext or a
//!   ciphertext, in `Debug` or in an error.
//!
//! # What it does not protect against
//! - **Whoever has the master key**, or reads the memory of a running process (core dump, swap, debugger, root).
//!   Wiping shortens how long a secret lies about; it cannot reach copies in registers, on the stack or with the
//!   caller.
//! - **Rollback**: a writer who puts back an older value of the *same* owner and purpose succeeds; it is a genuine
//!   value. Deleting one succeeds, too. Only the database's own integrity helps here.
//! - **Two values of one owner and purpose being swapped.** Seal together what belongs together.
//! - **A leaked master key, by rotating alone**: a rewrap keeps the data key, so whoever had the old key *and* an old
//!   copy of the value still reads that copy. The secrets themselves must be replaced then.
//! - **A lost master key**: nothing opens any more, by design.

mod binding;
mod cipher;
mod error;
mod keyring;
mod sealed;

pub use binding::{Owner, Purpose};
pub use error::{KeyIdError, KeyringError, OpenError, RewrapError, SealError, ZeroKey};
pub use keyring::{KeyId, Keyring, MasterKey};
pub use sealed::{OVERHEAD_BYTES, PLAINTEXT_BYTES_MAX, Sealed};

use cipher::{KEY_BYTES, NONCE_BYTES};
use sealed::{Envelope, Wrap};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// What a canary says. It is no secret; what counts is that it opens.
const CANARY: &[u8] = b"postrider canary";

/// Seals and opens values under the master keys of a [`Keyring`].
///
/// Cheap to clone: clones share the ring.
#[derive(Clone)]
pub struct Vault {
    ring: Arc<Keyring>,
}

impl Vault {
    /// A vault over these master keys.
    pub fn new(ring: Keyring) -> Self {
        Self {
            ring: Arc::new(ring),
        }
    }

    /// The master keys: their ids, that is; the keys themselves cannot be read back.
    pub fn keyring(&self) -> &Keyring {
        &self.ring
    }

    /// Seals `plaintext` under the active master key so that it opens only for this `owner` and `purpose`.
    ///
    /// Shape: one self-contained byte string, [`OVERHEAD_BYTES`] longer than the input; it fits one column. Sealing
    /// the same bytes twice gives unrelated outputs.
    ///
    /// # Errors
    /// `TooLong` beyond [`PLAINTEXT_BYTES_MAX`], which is a caller's bug; `Random` when the operating system gives no
    /// random bytes.
    ///
    /// Guarantee (I13): what was sealed for one owner and purpose never opens for another.
    /// Source: RFC 8452; the layout is that of v1, 1 version ‖ 8 key id ‖ 12 nonce ‖ 48 wrapped data key ‖ 12 nonce ‖
    /// payload ‖ 16 tag.
    pub fn seal(
        &self,
        plaintext: &[u8],
        owner: Owner,
        purpose: Purpose,
    ) -> Result<Sealed, SealError> {
        let (id, master) = self.ring.active();
        seal_under(id, master, plaintext, owner, purpose)
    }

    /// Opens what [`Vault::seal`] sealed for the same `owner` and `purpose`, under any key of the ring.
    ///
    /// # Errors
    /// `Malformed` when the bytes are no sealed value; `UnknownKey` when its master key is not on the ring; `Forged`
    /// when it was changed, belongs to another owner or purpose, or the ring has another key under that id.
    pub fn open(
        &self,
        sealed: &[u8],
        owner: Owner,
        purpose: Purpose,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let Envelope { wrap, body } = Envelope::parse(sealed)?;
        let data_key = self.unwrap(&wrap, owner, purpose)?;
        let mut payload = Zeroizing::new(body.ciphertext.to_vec());
        let bound = binding::of_payload(owner, purpose);
        cipher::decrypt(&data_key, body.nonce, &bound, &mut payload, body.tag)
            .map_err(|_| OpenError::Forged)?;
        Ok(payload)
    }

    /// Moves a sealed value to the active master key; `None` when it is there already.
    ///
    /// Only the wrap of the data key changes; the payload stays byte for byte, and is neither decrypted nor checked.
    /// `None` is said from the key id alone. Store the result by compare-and-set: the value may have been replaced in
    /// the meantime.
    ///
    /// # Errors
    /// `Open` as [`Vault::open`] has it, for the wrap; `Random` when the operating system gives no random bytes. The
    /// value that was given stays good.
    pub fn rewrap(
        &self,
        sealed: &[u8],
        owner: Owner,
        purpose: Purpose,
    ) -> Result<Option<Sealed>, RewrapError> {
        let Envelope { wrap, body } = Envelope::parse(sealed)?;
        let (id, master) = self.ring.active();
        if wrap.key_id == id {
            return Ok(None);
        }
        let data_key = self.unwrap(&wrap, owner, purpose)?;
        let wrap = wrap_key(id, master, &data_key, owner, purpose).map_err(RewrapError::Random)?;
        Ok(Some(wrap.around(&body)))
    }

    /// The id of the master key that a sealed value names. It is not authenticated; only opening proves it.
    ///
    /// # Errors
    /// `Malformed` when the bytes are no sealed value.
    pub fn key_id_of(sealed: &[u8]) -> Result<KeyId, OpenError> {
        Envelope::parse(sealed).map(|envelope| envelope.wrap.key_id)
    }

    /// Seals a known value under the master key `id`, active or retired: to be stored when the key is first used, and
    /// asked at every start with [`Vault::open_canary`].
    ///
    /// # Errors
    /// `UnknownKey` when the ring has no such key; `Random` when the operating system gives no random bytes.
    pub fn seal_canary(&self, id: KeyId) -> Result<Sealed, SealError> {
        let master = self.ring.get(id).ok_or(SealError::UnknownKey(id))?;
        seal_under(id, master, CANARY, Owner::installation(), Purpose::Canary)
    }

    /// Decides whether the master key that a canary names is the one it was sealed under, and says which id that is.
    ///
    /// # Errors
    /// `Forged`: the ring has *another* key under this id; starting would seal values that the rest of the data's
    /// keys cannot open. `UnknownKey`: the ring lacks the id. `Malformed`: this is no sealed value.
    pub fn open_canary(&self, sealed: &[u8]) -> Result<KeyId, OpenError> {
        let said = self.open(sealed, Owner::installation(), Purpose::Canary)?;
        if said.as_slice() != CANARY {
            return Err(OpenError::Forged);
        }
        Self::key_id_of(sealed)
    }

    fn unwrap(&self, wrap: &Wrap, owner: Owner, purpose: Purpose) -> Result<DataKey, OpenError> {
        let master = self
            .ring
            .get(wrap.key_id)
            .ok_or(OpenError::UnknownKey(wrap.key_id))?;
        let mut data_key = DataKey::default();
        data_key.copy_from_slice(&wrap.data_key);
        let bound = binding::of_data_key(wrap.key_id, owner, purpose);
        cipher::decrypt(
            master.bytes(),
            &wrap.nonce,
            &bound,
            data_key.as_mut_slice(),
            &wrap.tag,
        )
        .map_err(|_| OpenError::Forged)?;
        Ok(data_key)
    }
}

/// The ids of the ring, the active one first.
impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("ring", &self.ring).finish()
    }
}

/// Boxed for the same reason as a [`MasterKey`]: returning it moves a pointer, not the bytes.
type DataKey = Box<Zeroizing<[u8; KEY_BYTES]>>;

fn seal_under(
    id: KeyId,
    master: &MasterKey,
    plaintext: &[u8],
    owner: Owner,
    purpose: Purpose,
) -> Result<Sealed, SealError> {
    if plaintext.len() > PLAINTEXT_BYTES_MAX {
        return Err(SealError::TooLong {
            bytes: plaintext.len(),
        });
    }
    let mut data_key = DataKey::default();
    getrandom::fill(data_key.as_mut_slice()).map_err(SealError::Random)?;
    let nonce = fresh_nonce().map_err(SealError::Random)?;
    let wrap = wrap_key(id, master, &data_key, owner, purpose).map_err(SealError::Random)?;
    let bound = binding::of_payload(owner, purpose);
    Ok(wrap.before(&nonce, plaintext, |payload| {
        cipher::encrypt(&data_key, &nonce, &bound, payload)
    }))
}

fn wrap_key(
    id: KeyId,
    master: &MasterKey,
    data_key: &DataKey,
    owner: Owner,
    purpose: Purpose,
) -> Result<Wrap, getrandom::Error> {
    let nonce = fresh_nonce()?;
    let bound = binding::of_data_key(id, owner, purpose);
    // Encrypted in a buffer that is wiped, so that only ciphertext is ever copied out of it.
    let mut wrapped = DataKey::default();
    wrapped.copy_from_slice(data_key.as_slice());
    let tag = cipher::encrypt(master.bytes(), &nonce, &bound, wrapped.as_mut_slice());
    Ok(Wrap {
        key_id: id,
        nonce,
        data_key: **wrapped,
        tag,
    })
}

fn fresh_nonce() -> Result<[u8; NONCE_BYTES], getrandom::Error> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)?;
    Ok(nonce)
}
