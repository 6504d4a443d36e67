//! Connecting an account: the platform grants, the vault seals, the store keeps.

use super::Client;
use crate::error::ConnectError;
use crate::error::chain;
use crate::settle::host_of_profile;
use publisher::id::{AccountId, OrgId, ProfileId};
use publisher::{Deadline, Entered, Form, Grant};
use secrecy::ExposeSecret as _;
use store::{AccountRow, NewAccount, StoreError};
use vault::{Owner, Purpose};

/// An account that is to be connected.
#[derive(Debug)]
pub struct ConnectRequest<'a> {
    /// For whom.
    pub org: OrgId,
    /// Into which profile, if it is new.
    pub profile: ProfileId,
    /// Which platform.
    pub platform: &'a str,
    /// What the person entered.
    pub entered: Entered,
}

/// An account that is connected.
#[derive(Clone, Debug)]
pub struct Connected {
    /// As it is now.
    pub account: AccountRow,
    /// False when it was connected before and has fresh tokens now.
    pub created: bool,
}

impl Client {
    /// What a person must enter to connect an account of this platform; none if it is not served here, or has no form.
    pub fn connect_form(&self, platform: &str) -> Option<Form> {
        self.registry.get(platform)?.authorizer.form()
    }

    /// Completes a connection. A known account keeps its id and profile, and what was held for it goes on.
    pub async fn connect_account(
        &self,
        ask: ConnectRequest<'_>,
    ) -> Result<Connected, ConnectError> {
        let connector = self
            .registry
            .get(ask.platform)
            .ok_or(ConnectError::UnknownPlatform)?;
        let (_, now) = self.store.ping().await?;
        let deadline = Deadline::after(connector.habits.call_deadline);
        let grants = connector
            .authorizer
            .complete(&ask.entered, now, deadline)
            .await?;
        // A form names one account.
        let grant = grants.into_iter().next().ok_or(ConnectError::NoneGranted)?;
        let host = if connector.habits.hosts_chosen_by_users {
            host_of_profile(&grant.profile)
        } else {
            None
        };
        // A twin may connect the same account at the same time; then it is found under the twin's id.
        for _ in 0..3 {
            let known = self
                .store
                .find_identity(ask.org, connector.platform, &grant.platform_account_id)
                .await?;
            let id = known.unwrap_or_default();
            match self
                .store_grant(&ask, connector.platform, id, &grant, host.as_deref())
                .await
            {
                Ok(Some(created)) => {
                    let account = self.store.get_account(ask.org, id, None).await?;
                    let account = account.ok_or(StoreError::Inconsistent {
                        table: "accounts",
                        column: "id",
                        row: id.to_string(),
                    })?;
                    return Ok(Connected { account, created });
                }
                Ok(None) => {}
                Err(ConnectError::Store(error)) if error.is_passing() => {
                    tracing::debug!(error = chain(&error), "connecting again");
                }
                Err(error) => return Err(error),
            }
        }
        Err(ConnectError::Store(StoreError::Conflict {
            constraint: "accounts_identity".to_owned(),
        }))
    }

    async fn store_grant(
        &self,
        ask: &ConnectRequest<'_>,
        platform: &str,
        id: AccountId,
        grant: &Grant,
        host: Option<&str>,
    ) -> Result<Option<bool>, ConnectError> {
        let sealable = grant.tokens.to_sealable();
        let sealed = self.vault.seal(
            sealable.expose_secret().as_bytes(),
            Owner::account(id.uuid()),
            Purpose::AccountToken,
        )?;
        let account = NewAccount {
            org: ask.org,
            id,
            profile: ask.profile,
            platform,
            platform_account_id: &grant.platform_account_id,
            display_name: grant.display_name.as_deref(),
            handle: grant.handle.as_deref(),
            profile_data: &grant.profile,
            scopes: &grant.tokens.scopes,
            sealed_tokens: sealed.as_bytes(),
            token_expires_at: grant.tokens.expires_at,
            host,
        };
        Ok(self.store.connect_account(account).await?)
    }
}
