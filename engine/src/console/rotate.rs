//! Rotating master keys: everything that is sealed under an old one is rewrapped under the active one, while all else runs.
//!
//! The one idea: what is left to do is read from the values themselves, so a rotation that was cut is simply begun again.
//! A value is replaced only if it is still what was read; whatever changed meanwhile is found by the next round. A retired
//! key is forgotten by the statement that has just looked that nothing names it.

use super::Console;
use crate::canary::{CanaryError, compare, put_active};
use std::collections::BTreeSet;
use store::{KeyUseRow, SealedIn, StaleRow, StoreError};
use vault::{KeyId, Owner, Purpose, RewrapError, Vault};

/// How many rounds a rotation goes before it says that somebody still seals under an old key.
const ROUNDS_MAX: u32 = 8;

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotateProgress {
    /// Values rewrapped so far.
    pub rewrapped: i64,
    /// Values that were to be rewrapped when it began.
    pub found: i64,
}

/// What a rotation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The key that everything is under now.
    pub active: KeyId,
    /// Values that were rewrapped.
    pub rewrapped: i64,
    /// Values that do not open under the key they name, or are no sealed values: damaged, and left as they are.
    pub unopened: i64,
    /// Values that were still under an old key after the last round: a process still seals under it.
    pub left: i64,
    /// Key ids that nothing names any more, retired or already gone from the list.
    pub retired: Vec<String>,
}

/// Why nothing was rotated.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// There is one key only, and everything is under it.
    #[error("there is only one master key, `{active}`, and everything is sealed under it")]
    NoNewKey {
        /// The key.
        active: KeyId,
    },
    /// Values name a key that the ring lacks.
    #[error("{values} sealed values are under master key `{key_id}`, which is not configured")]
    MissingKey {
        /// The key's id.
        key_id: String,
        /// How many.
        values: i64,
    },
    /// A key of the ring is another one than the database was written with.
    #[error(transparent)]
    Canary(#[from] CanaryError),
    /// The operating system gave no random bytes.
    #[error("a sealed value could not be rewrapped")]
    Rewrap(#[source] RewrapError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What one round found.
#[derive(Default)]
struct Round {
    found: i64,
    rewrapped: i64,
    unopened: i64,
}

impl Console {
    /// Rewraps everything that is sealed under another key than the active one, `batch` values at a time, and forgets the
    /// keys that nothing names any more. Tells `progress` after each batch.
    ///
    /// Errors: see [`RotateError`]; nothing was touched then, but for `Rewrap` and `Store`, after which it can be repeated.
    pub async fn rotate(
        &self,
        vault: &Vault,
        batch: i32,
        mut progress: impl FnMut(RotateProgress) + Send,
    ) -> Result<Rotated, RotateError> {
        let found = self.ready_to_rotate(vault).await?;
        put_active(&self.store, &self.store.list_canaries().await?, vault).await?;
        let mut rewrapped = 0;
        let mut last = Round::default();
        for _ in 0..ROUNDS_MAX {
            last = Round::default();
            for place in SealedIn::ALL {
                self.rewrap_all(vault, place, batch, &mut last, |so_far| {
                    progress(RotateProgress {
                        rewrapped: rewrapped + so_far,
                        found,
                    });
                })
                .await?;
            }
            rewrapped += last.rewrapped;
            if last.found == last.unopened {
                break;
            }
        }
        Ok(Rotated {
            active: vault.keyring().active_id(),
            rewrapped,
            unopened: last.unopened,
            left: last.found - last.unopened,
            retired: self.forget_unused(vault).await?,
        })
    }

    /// How many values are under another key than the active one; an error if not all of them could be opened.
    async fn ready_to_rotate(&self, vault: &Vault) -> Result<i64, RotateError> {
        let active = vault.keyring().active_id();
        let ids: BTreeSet<String> = vault.keyring().ids().map(|id| id.to_string()).collect();
        let uses = self.store.count_key_uses().await?;
        for used in &uses {
            if let Some(key_id) = used.key_id.as_ref().filter(|id| !ids.contains(*id)) {
                return Err(RotateError::MissingKey {
                    key_id: key_id.clone(),
                    values: used.total(),
                });
            }
        }
        let canaries = self.store.list_canaries().await?;
        compare(&canaries, vault).or_else(|error| match error {
            // Nothing names it; it is forgotten below.
            CanaryError::MissingKey { .. } => Ok(()),
            wrong => Err(wrong),
        })?;
        let others = canaries.iter().any(|c| c.key_id != active.to_string());
        if ids.len() == 1 && !others {
            return Err(RotateError::NoNewKey { active });
        }
        Ok(stale(&uses, active))
    }

    async fn rewrap_all(
        &self,
        vault: &Vault,
        place: SealedIn,
        batch: i32,
        round: &mut Round,
        mut progress: impl FnMut(i64) + Send,
    ) -> Result<(), RotateError> {
        let active = vault.keyring().active_id().to_string();
        let mut after = None;
        loop {
            let rows = self.store.list_stale(place, &active, after, batch).await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = Some((last.org, last.id));
            let mut rewrapped = Vec::with_capacity(rows.len());
            for row in rows {
                round.found += 1;
                match rewrap_one(vault, place, &row) {
                    Ok(Some(sealed)) => rewrapped.push((row, sealed)),
                    Ok(None) => {}
                    Err(RewrapError::Open(error)) => {
                        round.unopened += 1;
                        tracing::warn!(org = %row.org, id = %row.id, ?place, %error, "a sealed value does not open");
                    }
                    Err(error) => return Err(RotateError::Rewrap(error)),
                }
            }
            if !rewrapped.is_empty() {
                round.rewrapped += self.store.rewrap(place, &rewrapped).await?;
            }
            progress(round.rewrapped);
        }
    }

    /// Forgets every key but the active one that nothing names; returns those that nothing names.
    async fn forget_unused(&self, vault: &Vault) -> Result<Vec<String>, StoreError> {
        let active = vault.keyring().active_id().to_string();
        for canary in self.store.list_canaries().await? {
            if canary.key_id != active {
                self.store.drop_canary(&canary.key_id).await?;
            }
        }
        let uses = self.store.count_key_uses().await?;
        let retired = vault.keyring().ids().map(|id| id.to_string());
        Ok(retired
            .filter(|id| *id != active && !uses.iter().any(|used| used.key_id.as_ref() == Some(id)))
            .collect())
    }
}

fn stale(uses: &[KeyUseRow], active: KeyId) -> i64 {
    let active = active.to_string();
    uses.iter()
        .filter(|used| used.key_id.as_deref() != Some(&active))
        .map(KeyUseRow::total)
        .sum()
}

fn rewrap_one(
    vault: &Vault,
    place: SealedIn,
    row: &StaleRow,
) -> Result<Option<Vec<u8>>, RewrapError> {
    let (owner, purpose) = match place {
        SealedIn::Tokens => (Owner::account(row.subject), Purpose::AccountToken),
        SealedIn::Checkpoints | SealedIn::Letters => {
            (Owner::post(row.subject), Purpose::Checkpoint)
        }
    };
    let rewrapped = vault.rewrap(&row.sealed, owner, purpose)?;
    Ok(rewrapped.map(vault::Sealed::into_bytes))
}
