//! API keys: made once, shown once, kept as a hash.

use super::Client;
use crate::error::chain;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use publisher::id::{ApiKeyId, OrgId, ProfileId};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use store::{KeyedCaller, NewKey, OrganisationRow, StoreError};

/// What a key may touch: its prefix says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Real accounts.
    Live,
    /// The sandbox.
    Test,
}

impl Environment {
    /// The beginning of every key of this environment.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Live => "lmp_live_",
            Self::Test => "lmp_test_",
        }
    }
}

/// A key that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct NewKeyRequest<'a> {
    /// Its organisation.
    pub org: OrgId,
    /// Its name, 1 to 100 characters.
    pub name: &'a str,
    /// What it may touch.
    pub environment: Environment,
    /// The one profile it may touch, if it is pinned.
    pub profile: Option<ProfileId>,
}

/// A key that was made. The key itself is here and nowhere else.
#[derive(Clone, Debug)]
pub struct CreatedKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The key, shown once.
    pub key: SecretString,
    /// Its last four characters.
    pub last4: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What new keys may do; an empty list in an older key means the same.
const SCOPES: [&str; 2] = ["posts:read", "posts:write"];

impl Client {
    /// Makes a key.
    pub async fn create_key(&self, request: NewKeyRequest<'_>) -> Result<CreatedKey, StoreError> {
        let mut random = [0u8; 24];
        getrandom::fill(&mut random).map_err(|e| StoreError::Inconsistent {
            table: "api_keys",
            column: "hash",
            row: format!("the system has no randomness: {e}"),
        })?;
        let key = format!(
            "{}{}",
            request.environment.prefix(),
            URL_SAFE_NO_PAD.encode(random)
        );
        let last4 = key[key.len() - 4..].to_owned();
        let id = ApiKeyId::new();
        let scopes: Vec<String> = SCOPES.iter().map(ToString::to_string).collect();
        let created_at = self
            .store
            .insert_key(NewKey {
                org: request.org,
                id,
                name: request.name,
                prefix: request.environment.prefix(),
                last4: &last4,
                hash: &hash_of(&key),
                scopes: &scopes,
                profile: request.profile,
            })
            .await?;
        Ok(CreatedKey {
            id,
            key: SecretString::from(key),
            last4,
            created_at,
        })
    }

    /// The caller behind a key, if it is valid now; notes its use.
    pub async fn authenticate(
        &self,
        key: &SecretString,
    ) -> Result<Option<KeyedCaller>, StoreError> {
        let caller = self.store.find_key(&hash_of(key.expose_secret())).await?;
        if let Some(caller) = &caller
            && let Err(error) = self.store.touch_key(caller.org, caller.id).await
        {
            tracing::debug!(error = chain(&error), "a key's last use could not be noted");
        }
        Ok(caller)
    }

    /// An organisation by its name; made, with its Default profile, when there is none.
    pub async fn organisation(&self, name: &str) -> Result<OrganisationRow, StoreError> {
        loop {
            if let Some(found) = self.store.find_organisation(name).await? {
                return Ok(found);
            }
            // Taken by a twin meanwhile: then it is found in the next turn.
            self.store
                .insert_organisation(OrgId::new(), name, ProfileId::new())
                .await?;
        }
    }
}

fn hash_of(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
