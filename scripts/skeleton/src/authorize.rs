//! Connecting an account, and keeping its tokens alive.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use publisher::{Account, Authorizer, Deadline, Entered, Failure, Field, Form, Grant, Refreshed, TokenSet};

/// Skeleton's authorizer.
#[derive(Debug)]
pub(crate) struct Accounts;

#[async_trait]
impl Authorizer for Accounts {
    fn form(&self) -> Option<Form> {
        // To do: this form, or none and `begin`, where people agree on a page of the platform.
        Some(Form {
            help_text: "Enter an access token.".to_owned(),
            fields: vec![Field {
                name: "accessToken",
                label: "Access token",
                input: "password",
                required: true,
            }],
        })
    }

    async fn complete(
        &self,
        _entered: &Entered,
        _now: DateTime<Utc>,
        _deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure> {
        Err(not_built())
    }

    async fn refresh(
        &self,
        _account: &Account,
        _tokens: &TokenSet,
        _now: DateTime<Utc>,
        _deadline: Deadline,
    ) -> Result<Refreshed, Failure> {
        Err(not_built())
    }

    async fn revoke(
        &self,
        _account: &Account,
        _tokens: &TokenSet,
        _deadline: Deadline,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

fn not_built() -> Failure {
    Failure::operator_blocked(
        "skeleton.connect.not_built",
        "accounts cannot be connected yet",
    )
}
