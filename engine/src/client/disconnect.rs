//! Disconnecting an account: its platform is told, then everything of it ends and is forgotten, in one transaction.
//!
//! Telling the platform is one bounded call and best effort: whatever becomes of it, the account is disconnected. A process
//! that dies between the two leaves an account whose session has ended; it is disconnected by asking again.

use super::Client;
use crate::error::DisconnectError;
use publisher::id::{AccountId, ApiKeyId, OrgId};
use publisher::{Account, Deadline, TokenSet, Warning};
use serde_json::json;
use std::time::Duration;
use store::queue::LoadedAccount;
use store::{Disconnect, Ended, LastWords};
use vault::{Owner, Purpose};

/// How long the platform may take to forget its tokens; it is not waited for any longer.
const REVOKE_MAX: Duration = Duration::from_secs(10);

/// An account that is to be disconnected.
#[derive(Clone, Copy, Debug)]
pub struct DisconnectRequest<'a> {
    /// Whose it is.
    pub org: OrgId,
    /// The account.
    pub account: AccountId,
    /// The key that asks for it, read again when it is done; none on an operator's word.
    pub api_key: Option<ApiKeyId>,
    /// In whose name, for the log.
    pub by: &'a str,
}

/// An account that is gone.
#[derive(Clone, Debug)]
pub struct Disconnected {
    /// What became of the posts that waited or were under way.
    pub ended: Ended,
    /// Why the platform was not told, if it was not.
    pub warning: Option<Warning>,
}

impl Client {
    /// Disconnects an account: its tokens and whatever its platform gave or said are deleted everywhere, what has not been sent
    /// is canceled, and what may be public becomes an ambiguous dead letter.
    pub async fn disconnect_account(
        &self,
        ask: DisconnectRequest<'_>,
    ) -> Result<Disconnected, DisconnectError> {
        let loaded = self.store.load_accounts(&[(ask.org, ask.account)]).await?;
        let loaded = loaded.first().ok_or(DisconnectError::NotFound)?;
        let warning = self.revoke(loaded).await.err().map(|why| not_told(&why));
        let done = self
            .store
            .disconnect_account(ask.org, ask.account, ask.api_key, &last_words(), None)
            .await?;
        let ended = match done {
            Disconnect::Done(ended) => ended,
            Disconnect::Gone => return Err(DisconnectError::NotFound),
            Disconnect::KeyRevoked => return Err(DisconnectError::KeyRevoked),
        };
        let Ended {
            canceled,
            unresolved,
            published,
        } = ended;
        let by = ask.by;
        tracing::info!(account = %ask.account, by, canceled, unresolved, published, "disconnected");
        Ok(Disconnected { ended, warning })
    }

    /// Tells the platform to forget the tokens. Errors: in our words, why it could not be told.
    async fn revoke(&self, loaded: &LoadedAccount) -> Result<(), String> {
        let Some(sealed) = &loaded.sealed_tokens else {
            return Ok(());
        };
        let connector = self
            .registry
            .get(&loaded.platform)
            .ok_or("this server does not serve the platform any more")?;
        let owner = Owner::account(loaded.id.uuid());
        let tokens = self
            .vault
            .open(sealed, owner, Purpose::AccountToken)
            .ok()
            .and_then(|plain| TokenSet::from_sealable(&plain))
            .ok_or("the stored tokens do not open")?;
        let account = Account {
            id: loaded.id,
            platform_account_id: loaded.platform_account_id.clone(),
            handle: loaded.handle.clone(),
            profile: loaded.profile_data.clone(),
        };
        let longest = connector.habits.call_deadline.min(REVOKE_MAX);
        let told = connector
            .authorizer
            .revoke(&account, &tokens, Deadline::after(longest));
        match tokio::time::timeout(REVOKE_MAX, told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                let code = &failure.code;
                // Never its words: what is logged outlives the account.
                tracing::warn!(account = %loaded.id, code, "the platform was not told of a disconnection");
                Err(format!("the platform did not do it ({code})"))
            }
            Err(_) => Err("the platform did not answer in time".to_owned()),
        }
    }
}

fn not_told(why: &str) -> Warning {
    Warning {
        code: "account.not_revoked".to_owned(),
        message: format!(
            "The account is disconnected, but its session on the platform was not ended: {why}. End it in the platform's settings."
        ),
    }
}

/// What is written about the posts that end with their account.
fn last_words() -> LastWords {
    const CODE: &str = "account.disconnected";
    const RULE: &str = "publish.outcome_unknown";
    let unknown = "its account was disconnected while it was being sent: it may be public, and nobody can look any more";
    let remedy = "look at the account on its platform";
    let warning = |message: &str| Warning {
        code: CODE.to_owned(),
        message: message.to_owned(),
    };
    LastWords {
        code: CODE.to_owned(),
        message: "its account was disconnected".to_owned(),
        forgotten: "deleted when the account was disconnected".to_owned(),
        canceled: warning("canceled because its account was disconnected"),
        cut: warning("its account was disconnected before the rest of it was sent"),
        error: json!({"code": "platform_unavailable", "message": unknown, "rule": RULE, "remediation": remedy}),
        failure: json!({"class": "ambiguous", "code": CODE, "message": unknown, "rule": RULE, "remediation": remedy}),
        fingerprint: format!(":ambiguous:{CODE}:{RULE}"),
    }
}
