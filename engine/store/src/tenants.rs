//! Organisations, profiles, keys and canaries.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{ApiKeyId, OrgId, ProfileId};
use uuid::Uuid;

/// Whoever holds a valid key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedCaller {
    /// The one organisation the key is bound to.
    pub org: OrgId,
    /// The key.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// `lmp_live_` or `lmp_test_`.
    pub prefix: String,
    /// Empty means all.
    pub scopes: Vec<String>,
    /// The one profile it may touch, if it is pinned.
    pub profile: Option<Uuid>,
}

/// A key to be stored; the key itself stays with whoever made it.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// Its organisation.
    pub org: OrgId,
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: &'a str,
    /// `lmp_live_` or `lmp_test_`.
    pub prefix: &'a str,
    /// Last four characters, for recognising it.
    pub last4: &'a str,
    /// SHA-256 of the whole key.
    pub hash: &'a [u8],
    /// What it may do.
    pub scopes: &'a [String],
    /// The one profile it may touch, if it is pinned.
    pub profile: Option<ProfileId>,
}

/// A key as listed.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its organisation.
    pub org: OrgId,
    /// The organisation's name.
    pub organisation: String,
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// `lmp_live_` or `lmp_test_`.
    pub prefix: String,
    /// Last four characters.
    pub last4: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// The one profile it may touch, if it is pinned.
    pub profile: Option<Uuid>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// An organisation.
#[derive(Clone, Debug)]
pub struct OrganisationRow {
    /// Its id.
    pub id: OrgId,
    /// Its name, unique whatever its case.
    pub name: String,
}

/// A profile.
#[derive(Clone, Debug)]
pub struct ProfileRow {
    /// Its id.
    pub id: ProfileId,
    /// Its name.
    pub name: String,
    /// Its slug, unique in the organisation.
    pub slug: String,
}

/// The canary of one master key id.
#[derive(Clone, Debug)]
pub struct CanaryRow {
    /// The key id.
    pub key_id: String,
    /// The sealed word.
    pub sealed: Vec<u8>,
    /// Since when the key id is known.
    pub created_at: DateTime<Utc>,
}

impl Store {
    /// The caller behind a key's hash, if the key is valid now.
    pub async fn find_key(&self, hash: &[u8]) -> Result<Option<KeyedCaller>, StoreError> {
        Ok(
            sqlx::query_file_as!(KeyedCaller, "queries/tenants/find_key.sql", hash)
                .fetch_optional(&self.ordinary)
                .await?,
        )
    }

    /// Notes that a key was used; at most once a minute.
    pub async fn touch_key(&self, org: OrgId, key: ApiKeyId) -> Result<(), StoreError> {
        sqlx::query_file!("queries/tenants/touch_key.sql", org.uuid(), key.uuid())
            .execute(&self.ordinary)
            .await?;
        Ok(())
    }

    /// Whether a key may still be used.
    pub async fn is_key_valid(&self, org: OrgId, key: ApiKeyId) -> Result<bool, StoreError> {
        Ok(
            sqlx::query_file!("queries/tenants/key_is_valid.sql", org.uuid(), key.uuid())
                .fetch_one(&self.ordinary)
                .await?
                .valid,
        )
    }

    /// Stores a new key's hash and returns when.
    pub async fn insert_key(&self, key: NewKey<'_>) -> Result<DateTime<Utc>, StoreError> {
        let profile = key.profile.map(ProfileId::uuid);
        let row = sqlx::query_file!(
            "queries/tenants/insert_key.sql",
            key.org.uuid(),
            key.id.uuid(),
            key.name,
            key.prefix,
            key.last4,
            key.hash,
            key.scopes,
            profile,
        )
        .fetch_one(&self.ordinary)
        .await?;
        Ok(row.created_at)
    }

    /// The keys of one organisation, or of all; newest first, revoked ones included.
    pub async fn list_keys(&self, org: Option<OrgId>) -> Result<Vec<KeyRow>, StoreError> {
        let org = org.map(OrgId::uuid);
        Ok(
            sqlx::query_file_as!(KeyRow, "queries/tenants/list_keys.sql", org)
                .fetch_all(&self.ordinary)
                .await?,
        )
    }

    /// Revokes a key at once; none if there is no such valid key.
    pub async fn revoke_key(
        &self,
        key: ApiKeyId,
        org: Option<OrgId>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let row = sqlx::query_file!(
            "queries/tenants/revoke_key.sql",
            key.uuid(),
            org.map(OrgId::uuid)
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.map(|row| row.revoked_at))
    }

    /// An organisation by its name, whatever its case, or by its id.
    pub async fn find_organisation(
        &self,
        name_or_id: &str,
    ) -> Result<Option<OrganisationRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            OrganisationRow,
            "queries/tenants/find_organisation.sql",
            name_or_id
        )
        .fetch_optional(&self.ordinary)
        .await?)
    }

    /// Makes an organisation with its Default profile; false when the name is taken.
    pub async fn insert_organisation(
        &self,
        id: OrgId,
        name: &str,
        profile: ProfileId,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query_file!(
            "queries/tenants/insert_organisation.sql",
            id.uuid(),
            name,
            profile.uuid()
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.is_some())
    }

    /// An organisation's Default profile.
    pub async fn default_profile(&self, org: OrgId) -> Result<Option<ProfileId>, StoreError> {
        let row = sqlx::query_file!("queries/tenants/default_profile.sql", org.uuid())
            .fetch_optional(&self.ordinary)
            .await?;
        Ok(row.map(|row| row.id.into()))
    }

    /// A profile, if it belongs to the organisation.
    pub async fn find_profile(
        &self,
        org: OrgId,
        profile: ProfileId,
    ) -> Result<Option<ProfileRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            ProfileRow,
            "queries/tenants/find_profile.sql",
            org.uuid(),
            profile.uuid()
        )
        .fetch_optional(&self.ordinary)
        .await?)
    }

    /// Stores the canary of a master key id that has none yet.
    pub async fn put_canary(&self, key_id: &str, sealed: &[u8]) -> Result<(), StoreError> {
        sqlx::query_file!("queries/tenants/put_canary.sql", key_id, sealed)
            .execute(&self.ordinary)
            .await?;
        Ok(())
    }

    /// The canary of every master key id ever used.
    pub async fn list_canaries(&self) -> Result<Vec<CanaryRow>, StoreError> {
        Ok(
            sqlx::query_file_as!(CanaryRow, "queries/tenants/list_canaries.sql")
                .fetch_all(&self.ordinary)
                .await?,
        )
    }
}
