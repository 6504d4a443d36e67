//! Consents under way: begun here, completed once by whoever comes back with the state.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{ApiKeyId, OrgId, ProfileId};
use std::time::Duration;
use uuid::Uuid;

/// A consent to be remembered. No secret is in it in clear.
#[derive(Clone, Copy, Debug)]
pub struct NewPendingConnect<'a> {
    /// For whom.
    pub org: OrgId,
    /// Its id; the organisation's and this one are its key.
    pub id: Uuid,
    /// SHA-256 of the state.
    pub state_hash: &'a [u8; 32],
    /// Into which profile new accounts go.
    pub profile: ProfileId,
    /// Wire id of the platform.
    pub platform: &'a str,
    /// The key that began it.
    pub begun_by: ApiKeyId,
    /// Where the platform sends the person back to.
    pub redirect_uri: &'a str,
    /// Where the person is sent in the end.
    pub return_to: Option<&'a str>,
    /// The PKCE verifier, sealed for the organisation.
    pub sealed_verifier: &'a [u8],
    /// How long it may be completed.
    pub lives: Duration,
    /// At most so many of an organisation at a time.
    pub room: i32,
}

/// A consent that was taken: it is nowhere else any more.
#[derive(Clone, Debug)]
pub struct PendingConnectRow {
    /// For whom.
    pub org: OrgId,
    /// Into which profile new accounts go.
    pub profile: ProfileId,
    /// Wire id of the platform.
    pub platform: String,
    /// The key that began it.
    pub begun_by: ApiKeyId,
    /// Where the platform sent the person back to.
    pub redirect_uri: String,
    /// Where the person is sent in the end.
    pub return_to: Option<String>,
    /// The sealed PKCE verifier.
    pub sealed_verifier: Vec<u8>,
    /// Whether it had not expired.
    pub is_valid: bool,
}

impl Store {
    /// Remembers a consent; returns when it expires, or nothing when the organisation has too many under way.
    pub async fn insert_pending_connect(
        &self,
        new: NewPendingConnect<'_>,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let row = sqlx::query_file!(
            "queries/accounts/insert_pending_connect.sql",
            new.org.uuid(),
            new.id,
            &new.state_hash[..],
            new.profile.uuid(),
            new.platform,
            new.begun_by.uuid(),
            new.redirect_uri,
            new.return_to,
            new.sealed_verifier,
            i64::try_from(new.lives.as_millis()).unwrap_or(i64::MAX),
            new.room,
            now,
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.map(|row| row.expires_at))
    }

    /// Takes a consent: of several who come with its state one gets it. `by` narrows it to what this key of this organisation
    /// began.
    pub async fn take_pending_connect(
        &self,
        state_hash: &[u8; 32],
        by: Option<(OrgId, ApiKeyId)>,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<PendingConnectRow>, StoreError> {
        let row = sqlx::query_file_as!(
            PendingConnectRow,
            "queries/accounts/take_pending_connect.sql",
            &state_hash[..],
            by.map(|(org, _)| org.uuid()),
            by.map(|(_, key)| key.uuid()),
            now,
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row)
    }

    /// Forgets consents that expired more than an hour ago; returns how many.
    pub async fn prune_pending_connects(
        &self,
        room: i32,
        now: Option<DateTime<Utc>>,
    ) -> Result<i64, StoreError> {
        let row = sqlx::query_file!("queries/accounts/prune_pending_connects.sql", room, now)
            .fetch_one(&self.ordinary)
            .await?;
        Ok(row.count)
    }
}
