//! Connected accounts.

mod disconnect;

pub use disconnect::{Disconnect, Ended, LastWords};

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, BucketId, OrgId, ProfileId};

/// An account as its owner sees it; no secret in it.
#[derive(Clone, Debug)]
pub struct AccountRow {
    /// Its id; also its bucket's.
    pub id: AccountId,
    /// Its profile.
    pub profile: ProfileId,
    /// Wire id of its platform.
    pub platform: String,
    /// The platform's id of it.
    pub platform_account_id: String,
    /// The name that identifies it to people.
    pub display_name: Option<String>,
    /// The platform's name of it, as typed after an `@`.
    pub handle: Option<String>,
    /// What the connector asked to be kept.
    pub profile_data: serde_json::Value,
    /// What it granted.
    pub scopes: Vec<String>,
    /// `active`, `needs_reauth` or `paused`.
    pub status: String,
    /// What happened, and what to do.
    pub status_reason: Option<String>,
    /// When its access token ends.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// How often its tokens were replaced, and one.
    pub token_generation: i32,
    /// When it was connected.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// An account to be stored, its tokens sealed for `id`.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// Its organisation.
    pub org: OrgId,
    /// Its id: the one found by [`Store::find_identity`], or a new one.
    pub id: AccountId,
    /// Whether the id was found.
    pub known: bool,
    /// The profile of a new account; a known one stays where it is.
    pub profile: ProfileId,
    /// Wire id of its platform.
    pub platform: &'a str,
    /// The platform's id of it.
    pub platform_account_id: &'a str,
    /// The name that identifies it to people.
    pub display_name: Option<&'a str>,
    /// The platform's name of it.
    pub handle: Option<&'a str>,
    /// What the connector asked to be kept.
    pub profile_data: &'a serde_json::Value,
    /// What it granted.
    pub scopes: &'a [String],
    /// Its sealed tokens.
    pub sealed_tokens: &'a [u8],
    /// When its access token ends.
    pub token_expires_at: Option<DateTime<Utc>>,
    /// Whether its access token can be renewed without a person.
    pub renewable: bool,
    /// Where users choose the host: its host.
    pub host: Option<&'a str>,
}

impl Store {
    /// The id under which a platform's account is already connected.
    pub async fn find_identity(
        &self,
        org: OrgId,
        platform: &str,
        platform_account_id: &str,
    ) -> Result<Option<AccountId>, StoreError> {
        let row = sqlx::query_file!(
            "queries/accounts/find_identity.sql",
            org.uuid(),
            platform,
            platform_account_id
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.map(|row| row.id.into()))
    }

    /// Stores a granted account with its buckets, or renews the one that is there: it keeps id and profile, its buckets open,
    /// and what was held for the reconnection goes on. False if somebody connected it under another id meanwhile, or
    /// disconnected it (ask [`Store::find_identity`] again, seal again, repeat).
    pub async fn connect_account(&self, account: NewAccount<'_>) -> Result<bool, StoreError> {
        let row = sqlx::query_file!(
            "queries/accounts/connect_account.sql",
            account.org.uuid(),
            account.id.uuid(),
            account.profile.uuid(),
            account.platform,
            account.platform_account_id,
            account.display_name,
            account.handle,
            account.profile_data,
            account.scopes,
            account.sealed_tokens,
            account.token_expires_at,
            BucketId::new().uuid(),
            account.host,
            None::<DateTime<Utc>>,
            account.renewable,
            account.known,
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.is_some())
    }

    /// The accounts of an organisation, oldest first.
    pub async fn list_accounts(
        &self,
        org: OrgId,
        profile: Option<ProfileId>,
        platform: Option<&str>,
    ) -> Result<Vec<AccountRow>, StoreError> {
        let profile = profile.map(ProfileId::uuid);
        Ok(sqlx::query_file_as!(
            AccountRow,
            "queries/accounts/list_accounts.sql",
            org.uuid(),
            profile,
            platform
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// One account, if the organisation (and the profile, when given) has it.
    pub async fn get_account(
        &self,
        org: OrgId,
        account: AccountId,
        profile: Option<ProfileId>,
    ) -> Result<Option<AccountRow>, StoreError> {
        let profile = profile.map(ProfileId::uuid);
        Ok(sqlx::query_file_as!(
            AccountRow,
            "queries/accounts/get_account.sql",
            org.uuid(),
            account.uuid(),
            profile
        )
        .fetch_optional(&self.ordinary)
        .await?)
    }
}
