//! The toys' accounts: a name and a password, then an access token and a refresh token that changes with every use.

use super::Toy;
use crate::{
    authorizer::{Authorizer, Entered, Field, Form, Grant, Refreshed, TokenSet},
    contract::Account,
    failure::Failure,
    fault,
    http::{Answer, Deadline},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

pub(super) struct ToyAccounts(pub(super) Toy);

#[derive(Deserialize)]
struct Tokens {
    account: String,
    access_token: SecretString,
    refresh_token: SecretString,
    expires_in: u32,
}

impl Tokens {
    fn into_set(self, now: DateTime<Utc>) -> TokenSet {
        TokenSet {
            access: self.access_token,
            refresh: Some(self.refresh_token),
            others: BTreeMap::new(),
            expires_at: Some(now + TimeDelta::seconds(i64::from(self.expires_in))),
            refresh_expires_at: None,
            scopes: vec!["posts".to_owned()],
        }
    }
}

#[async_trait]
impl Authorizer for ToyAccounts {
    fn form(&self) -> Option<Form> {
        Some(Form {
            help_text: "Any name will do; the first connection decides on the password.".to_owned(),
            fields: vec![
                Field {
                    name: "identifier",
                    label: "Name",
                    input: "text",
                    required: true,
                },
                Field {
                    name: "password",
                    label: "Password",
                    input: "password",
                    required: true,
                },
            ],
        })
    }

    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure> {
        let body = json!({
            "identifier": self.required(entered, "identifier")?,
            "password": self.required(entered, "password")?,
        });
        let answer = self.ask("session", &body, deadline).await?;
        let tokens = self.tokens("session", &answer)?;
        Ok(vec![Grant {
            platform_account_id: tokens.account.clone(),
            display_name: Some(tokens.account.clone()),
            handle: Some(tokens.account.clone()),
            profile: json!({}),
            tokens: tokens.into_set(now),
        }])
    }

    async fn refresh(
        &self,
        _account: &Account,
        tokens: &TokenSet,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Refreshed, Failure> {
        let Some(refresh) = &tokens.refresh else {
            return Err(Failure::account_blocked(
                self.0.code("token.none"),
                "there is no refresh token; connect the account again",
            ));
        };
        let body = json!({ "refresh_token": refresh.expose_secret() });
        let answer = self.ask("token", &body, deadline).await?;
        fault::point("refresh.after_answer");
        Ok(self.tokens("token", &answer)?.into_set(now).into())
    }

    async fn revoke(
        &self,
        _account: &Account,
        tokens: &TokenSet,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Some(refresh) = &tokens.refresh else {
            return Ok(());
        };
        let body = json!({ "refresh_token": refresh.expose_secret() });
        let answer = self.ask("revoke", &body, deadline).await?;
        if answer.is_success() {
            Ok(())
        } else {
            Err(self.refused("revoke", &answer))
        }
    }
}

impl ToyAccounts {
    fn required<'a>(&self, entered: &'a Entered, name: &str) -> Result<&'a str, Failure> {
        entered.get(name).ok_or_else(|| {
            Failure::rejected(
                self.0.code("connect.missing"),
                format!("`{name}` is missing"),
            )
            .rule(self.0.code(&format!("connect.{name}")))
            .remediation(format!("Enter `{name}`."))
        })
    }

    async fn ask(
        &self,
        what: &str,
        body: &serde_json::Value,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        let url = self.0.url(&["toys", what]);
        let call = self.0.http.post(&url).json(body).deadline(deadline);
        call.send()
            .await
            .map_err(|e| e.failure(&self.0.code(&format!("{what}.unanswered"))))
    }

    fn tokens(&self, what: &str, answer: &Answer) -> Result<Tokens, Failure> {
        if !answer.is_success() {
            return Err(self.refused(what, answer));
        }
        // The error of the parser could quote the body, which holds tokens.
        answer.json().map_err(|_| {
            let message = "the platform's answer holds no tokens";
            Failure::transient(self.0.code(&format!("{what}.unclear")), message)
        })
    }

    fn refused(&self, what: &str, answer: &Answer) -> Failure {
        let code = |fact: &str| self.0.code(&format!("{what}.{fact}"));
        let failure = match answer.status {
            400 | 401 | 403 => Failure::account_blocked(
                code("refused"),
                "the platform refused the credentials; connect the account again",
            ),
            429 => Failure::rate_limited(code("rate_limited"), "too many requests")
                .retry_in(answer.retry_after().unwrap_or(self.0.times.quiet)),
            status => {
                Failure::transient(code("unclear"), format!("the platform answered {status}"))
            }
        };
        failure.status(answer.status)
    }
}
