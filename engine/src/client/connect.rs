//! Connecting an account: the platform grants, the vault seals, the store keeps.

use super::Client;
use crate::error::ConnectError;
use crate::error::chain;
use crate::settle::host_of_profile;
use publisher::id::{AccountId, OrgId, ProfileId};
use publisher::{Connector, Deadline, Entered, Grant};
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

/// Where granted accounts go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    pub(super) org: OrgId,
    /// The profile of those that are new.
    pub(super) profile: ProfileId,
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
    /// Completes a connection by form. A known account keeps its id and profile, and what was held for it goes on.
    pub async fn connect_account(
        &self,
        ask: ConnectRequest<'_>,
    ) -> Result<Connected, ConnectError> {
        let home = Home {
            org: ask.org,
            profile: ask.profile,
        };
        let connected = self.complete(home, ask.platform, &ask.entered).await?;
        // A form names one account.
        connected
            .into_iter()
            .next()
            .ok_or(ConnectError::NoneGranted)
    }

    /// Asks the platform, and stores every account that it grants. Errors: `NoneGranted` for none.
    pub(super) async fn complete(
        &self,
        home: Home,
        platform: &str,
        entered: &Entered,
    ) -> Result<Vec<Connected>, ConnectError> {
        let connector = self
            .registry
            .get(platform)
            .ok_or(ConnectError::UnknownPlatform)?;
        let (_, now) = self.store.ping().await?;
        let deadline = Deadline::after(connector.habits.call_deadline);
        let grants = connector
            .authorizer
            .complete(entered, now, deadline)
            .await?;
        if grants.is_empty() {
            return Err(ConnectError::NoneGranted);
        }
        let mut connected = Vec::with_capacity(grants.len());
        for grant in &grants {
            connected.push(self.keep(home, connector, grant).await?);
        }
        Ok(connected)
    }

    async fn keep(
        &self,
        home: Home,
        connector: &Connector,
        grant: &Grant,
    ) -> Result<Connected, ConnectError> {
        let host = if connector.habits.hosts_chosen_by_users {
            host_of_profile(&grant.profile)
        } else {
            None
        };
        // A twin may connect the same account at the same time, or disconnect it; then it is found under the twin's id, or not.
        for _ in 0..3 {
            let known = self
                .store
                .find_identity(home.org, connector.platform, &grant.platform_account_id)
                .await?;
            let id = known.unwrap_or_default();
            let is_known = known.is_some();
            match self
                .store_grant(
                    home,
                    connector.platform,
                    (id, is_known),
                    grant,
                    host.as_deref(),
                )
                .await
            {
                Ok(true) => {
                    // None: it was disconnected in this very moment.
                    if let Some(account) = self.store.get_account(home.org, id, None).await? {
                        let created = !is_known;
                        return Ok(Connected { account, created });
                    }
                }
                Ok(false) => {}
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
        home: Home,
        platform: &str,
        (id, known): (AccountId, bool),
        grant: &Grant,
        host: Option<&str>,
    ) -> Result<bool, ConnectError> {
        let sealable = grant.tokens.to_sealable();
        let sealed = self.vault.seal(
            sealable.expose_secret().as_bytes(),
            Owner::account(id.uuid()),
            Purpose::AccountToken,
        )?;
        let account = NewAccount {
            org: home.org,
            id,
            known,
            profile: home.profile,
            platform,
            platform_account_id: &grant.platform_account_id,
            display_name: grant.display_name.as_deref(),
            handle: grant.handle.as_deref(),
            profile_data: &grant.profile,
            scopes: &grant.tokens.scopes,
            sealed_tokens: sealed.as_bytes(),
            token_expires_at: grant.tokens.expires_at,
            renewable: grant.tokens.refresh.is_some(),
            host,
        };
        Ok(self.store.connect_account(account).await?)
    }
}
