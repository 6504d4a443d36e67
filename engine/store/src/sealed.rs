//! Sealed values as a rotation of master keys sees them: which key each names, and its replacement by compare-and-set.
//!
//! The key id stands in clear in the first bytes of every sealed value; nothing here can open one.

use crate::{Store, StoreError};
use publisher::id::OrgId;
use uuid::Uuid;

/// Where sealed values lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedIn {
    /// The tokens of accounts.
    Tokens,
    /// The checkpoints of jobs.
    Checkpoints,
    /// The checkpoints of dead letters.
    Letters,
}

impl SealedIn {
    /// Every place.
    pub const ALL: [Self; 3] = [Self::Tokens, Self::Checkpoints, Self::Letters];
}

/// A sealed value that is not under the active master key.
#[derive(Clone, Debug)]
pub struct StaleRow {
    /// Its organisation.
    pub org: OrgId,
    /// The account, the job or the dead letter.
    pub id: Uuid,
    /// The account, or the post: whom it is sealed for.
    pub subject: Uuid,
    /// The value as it was read.
    pub sealed: Vec<u8>,
}

/// How many sealed values name a master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUseRow {
    /// The key's id; none for values that are no sealed value of a known version.
    pub key_id: Option<String>,
    /// Tokens of accounts.
    pub tokens: i64,
    /// Checkpoints of jobs.
    pub checkpoints: i64,
    /// Checkpoints of dead letters.
    pub letters: i64,
}

impl KeyUseRow {
    /// All of them.
    pub fn total(&self) -> i64 {
        self.tokens + self.checkpoints + self.letters
    }
}

impl Store {
    /// How many sealed values name each master key. Reads all of them.
    pub async fn count_key_uses(&self) -> Result<Vec<KeyUseRow>, StoreError> {
        Ok(
            sqlx::query_file_as!(KeyUseRow, "queries/vault/count_key_uses.sql")
                .fetch_all(&self.ordinary)
                .await?,
        )
    }

    /// The next values of one place that are not under the master key `active`, by organisation and id, behind `after`.
    pub async fn list_stale(
        &self,
        place: SealedIn,
        active: &str,
        after: Option<(OrgId, Uuid)>,
        room: i32,
    ) -> Result<Vec<StaleRow>, StoreError> {
        let (org, id) = after.map_or((Uuid::nil(), Uuid::nil()), |(org, id)| (org.uuid(), id));
        let pool = &self.ordinary;
        Ok(match place {
            SealedIn::Tokens => {
                sqlx::query_file_as!(
                    StaleRow,
                    "queries/vault/list_stale_tokens.sql",
                    active,
                    org,
                    id,
                    room
                )
                .fetch_all(pool)
                .await?
            }
            SealedIn::Checkpoints => {
                sqlx::query_file_as!(
                    StaleRow,
                    "queries/vault/list_stale_checkpoints.sql",
                    active,
                    org,
                    id,
                    room
                )
                .fetch_all(pool)
                .await?
            }
            SealedIn::Letters => {
                sqlx::query_file_as!(
                    StaleRow,
                    "queries/vault/list_stale_letters.sql",
                    active,
                    org,
                    id,
                    room
                )
                .fetch_all(pool)
                .await?
            }
        })
    }

    /// Puts each second value in the place of the row's, unless that has changed since; returns how many had not.
    pub async fn rewrap(
        &self,
        place: SealedIn,
        rewrapped: &[(StaleRow, Vec<u8>)],
    ) -> Result<i64, StoreError> {
        let orgs: Vec<Uuid> = rewrapped.iter().map(|(row, _)| row.org.uuid()).collect();
        let ids: Vec<Uuid> = rewrapped.iter().map(|(row, _)| row.id).collect();
        let old: Vec<Vec<u8>> = rewrapped
            .iter()
            .map(|(row, _)| row.sealed.clone())
            .collect();
        let new: Vec<Vec<u8>> = rewrapped.iter().map(|(_, new)| new.clone()).collect();
        let pool = &self.ordinary;
        Ok(match place {
            SealedIn::Tokens => {
                sqlx::query_file!("queries/vault/rewrap_tokens.sql", &orgs, &ids, &old, &new)
                    .fetch_one(pool)
                    .await?
                    .count
            }
            SealedIn::Checkpoints => {
                sqlx::query_file!(
                    "queries/vault/rewrap_checkpoints.sql",
                    &orgs,
                    &ids,
                    &old,
                    &new
                )
                .fetch_one(pool)
                .await?
                .count
            }
            SealedIn::Letters => {
                sqlx::query_file!("queries/vault/rewrap_letters.sql", &orgs, &ids, &old, &new)
                    .fetch_one(pool)
                    .await?
                    .count
            }
        })
    }

    /// Forgets a master key; false when a sealed value names it, or nothing is known of it.
    pub async fn drop_canary(&self, key_id: &str) -> Result<bool, StoreError> {
        let row = sqlx::query_file!("queries/vault/drop_canary.sql", key_id)
            .fetch_optional(&self.ordinary)
            .await?;
        Ok(row.is_some())
    }
}
