//! `toy_oauth`: publishes like `toy_list`, and is connected on a consent page.

use super::{Toy, ToyTimes, base, connector};
use crate::{
    authorizer::{Authorizer, Consent, Entered, Form, Grant, Refreshed, Start, TokenSet},
    connector::{Connector, Setup, SetupError},
    contract::Account,
    failure::Failure,
    http::Deadline,
    oauth::{ClientAuth, OAuth, Provider, Revocation},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// The wire id.
pub const CONSENT_PLATFORM: &str = "toy_oauth";

/// What is asked for, and what each serves.
const SCOPES: [&str; 2] = ["posts", "profile"];

/// The connector of `toy_oauth`, for the app that `setup.apps` names for it; without one it can connect nobody.
///
/// # Errors
/// As [`super::connectors`].
pub fn consent_connector(setup: &Setup, times: ToyTimes) -> Result<Connector, SetupError> {
    let base = base(setup)?;
    let toy = Toy::new(CONSENT_PLATFORM, setup, base, times);
    let provider = Provider {
        client_auth: ClientAuth::Basic,
        scopes: SCOPES.to_vec(),
        needed: vec!["posts"],
        revoke: Some(Revocation {
            url: toy.url(&[CONSENT_PLATFORM, "revoke"]),
            refresh: true,
            authenticated: true,
        }),
        ..Provider::new(
            CONSENT_PLATFORM,
            toy.url(&[CONSENT_PLATFORM, "authorize"]),
            toy.url(&[CONSENT_PLATFORM, "token"]),
        )
    };
    let app = setup.apps.get(CONSENT_PLATFORM).cloned();
    let oauth = OAuth::new(toy.http.clone(), provider, app);
    Ok(Connector {
        authorizer: Arc::new(Consenting { toy, oauth }),
        ..connector(CONSENT_PLATFORM, setup, base, times)
    })
}

struct Consenting {
    toy: Toy,
    oauth: OAuth,
}

#[derive(Deserialize)]
struct Mine {
    accounts: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[async_trait]
impl Authorizer for Consenting {
    fn form(&self) -> Option<Form> {
        None
    }

    async fn begin(&self, start: &Start, _: Deadline) -> Result<Consent, Failure> {
        self.oauth.begin(start)
    }

    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure> {
        let issued = self.oauth.exchange(entered, deadline).await?;
        let tokens = issued.into_set(now, &SCOPES, None);
        let mine = self.mine(&tokens.access, deadline).await?;
        let grant = |account: Named| Grant {
            display_name: Some(account.id.clone()),
            handle: Some(account.id.clone()),
            platform_account_id: account.id,
            profile: json!({}),
            tokens: tokens.clone(),
        };
        Ok(mine.accounts.into_iter().map(grant).collect())
    }

    async fn refresh(
        &self,
        _: &Account,
        tokens: &TokenSet,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Refreshed, Failure> {
        let issued = self.oauth.refresh(tokens, deadline).await?;
        Ok(issued.into_set(now, &SCOPES, Some(tokens)).into())
    }

    async fn revoke(
        &self,
        _: &Account,
        tokens: &TokenSet,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        self.oauth.revoke(tokens, deadline).await
    }
}

impl Consenting {
    /// The accounts that a token stands for.
    async fn mine(&self, token: &SecretString, deadline: Deadline) -> Result<Mine, Failure> {
        let code = |fact: &str| self.toy.code(&format!("me.{fact}"));
        let call = self.toy.http.get(&self.toy.url(&[CONSENT_PLATFORM, "me"]));
        let answer = call.bearer(token).deadline(deadline).send().await;
        let answer = answer.map_err(|e| e.failure(&code("unanswered")))?;
        if answer.status == 401 {
            let why = "the platform refused the token that it had just issued";
            return Err(Failure::account_blocked(code("refused"), why).status(401));
        }
        let unclear =
            || Failure::transient(code("unclear"), "the platform did not say whose it is");
        if !answer.is_success() {
            return Err(unclear().status(answer.status));
        }
        answer.json().map_err(|_| unclear())
    }
}
