//! Tells a wrong master key from a right one before anything is opened with it.

use store::{CanaryRow, Store, StoreError};
use vault::{KeyId, OpenError, Vault};

/// The configured key ring does not fit the database.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    /// A key of the ring has an id the database knows, and is another key.
    #[error(
        "master key `{id}` is not the key this database was written with; set POSTRIDER_MASTER_KEY to the original \
         `{id}:…`, or give a new key a new id and keep the old one behind it, separated by a comma"
    )]
    WrongKey {
        /// Which.
        id: KeyId,
    },
    /// The database holds values sealed under a key that the ring lacks.
    #[error(
        "the database was written with master key `{id}`, which is not configured; add it to POSTRIDER_MASTER_KEY \
         behind the active key, separated by a comma: `<active>,{id}:…`"
    )]
    MissingKey {
        /// Its id, as stored.
        id: String,
    },
    /// No canary could be sealed.
    #[error("the canary of a master key could not be sealed")]
    Seal(#[from] vault::SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Checks every key of the ring against the database, and stores the canary of the active key if its id is new.
///
/// A retired key gets none: it had one when it was active, and a rotation that forgot it is not undone by a process that
/// still lists it.
///
/// Errors: see [`CanaryError`]; nothing is stored unless all known ids fit.
pub async fn check_canaries(store: &Store, vault: &Vault) -> Result<(), CanaryError> {
    let stored = store.list_canaries().await?;
    compare(&stored, vault)?;
    put_active(store, &stored, vault).await
}

/// Whether the ring opens every canary: wrong keys first, then missing ones.
pub(crate) fn compare(stored: &[CanaryRow], vault: &Vault) -> Result<(), CanaryError> {
    let mut missing = None;
    for canary in stored {
        let Some(id) = vault
            .keyring()
            .ids()
            .find(|id| id.to_string() == canary.key_id)
        else {
            missing = missing.or(Some(canary.key_id.clone()));
            continue;
        };
        match vault.open_canary(&canary.sealed) {
            Ok(opened) if opened == id => {}
            Ok(_) | Err(OpenError::Malformed | OpenError::Forged | OpenError::UnknownKey(_)) => {
                return Err(CanaryError::WrongKey { id });
            }
        }
    }
    missing.map_or(Ok(()), |id| Err(CanaryError::MissingKey { id }))
}

/// Stores the canary of the active key unless it has one.
pub(crate) async fn put_active(
    store: &Store,
    stored: &[CanaryRow],
    vault: &Vault,
) -> Result<(), CanaryError> {
    let active = vault.keyring().active_id();
    let word = active.to_string();
    if !stored.iter().any(|canary| canary.key_id == word) {
        let canary = vault.seal_canary(active)?;
        store.put_canary(&word, canary.as_bytes()).await?;
    }
    Ok(())
}
