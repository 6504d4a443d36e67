//! The liar's accounts: those of the toys, unless the lie concerns tokens.

use super::liar::Lie;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use publisher::{
    Account, Authorizer, Class, Deadline, Entered, Failure, Form, Grant, Refreshed, TokenSet,
};
use std::sync::Arc;

pub(super) struct Accounts {
    pub(super) lie: Lie,
    pub(super) honest: Arc<dyn Authorizer>,
}

#[async_trait]
impl Authorizer for Accounts {
    fn form(&self) -> Option<Form> {
        self.honest.form()
    }

    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure> {
        self.honest.complete(entered, now, deadline).await
    }

    async fn refresh(
        &self,
        account: &Account,
        tokens: &TokenSet,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Refreshed, Failure> {
        if self.lie == Lie::KeepsTheOldToken {
            return Ok(tokens.clone().into());
        }
        match self.honest.refresh(account, tokens, now, deadline).await {
            Err(_) if self.lie == Lie::RefreshesTwice => {
                self.honest.refresh(account, tokens, now, deadline).await
            }
            Err(failure) if self.lie == Lie::TakesRevocationForTransient => Err(Failure {
                class: Class::Transient,
                ..failure
            }),
            outcome => outcome,
        }
    }

    async fn revoke(
        &self,
        account: &Account,
        tokens: &TokenSet,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        self.honest.revoke(account, tokens, deadline).await
    }
}
