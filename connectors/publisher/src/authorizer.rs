//! Accounts and their tokens: the second half of a platform.
//!
//! A second trait beside [`crate::contract::Publisher`] because the life of an account and publishing change for different
//! reasons and on different schedules.

use crate::contract::Account;
use crate::failure::Failure;
use crate::http::Deadline;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::collections::BTreeMap;

/// One platform's ability to connect an account and to keep its token alive.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// What a person must enter, or where they must be sent, to connect an account.
    fn begin(&self) -> Descriptor;

    /// Turns what the person entered or brought back into an account and its tokens.
    ///
    /// Errors: [`crate::failure::Class::Rejected`] with a rule for what the caller can correct, `AccountBlocked` for refused
    /// credentials, `Transient` or `RateLimited` when the platform could not be asked.
    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Grant, Failure>;

    /// Exchanges the stored tokens for fresh ones.
    ///
    /// Errors: `AccountBlocked` when the platform says that a person must connect again; anything else is tried again.
    async fn refresh(
        &self,
        account: &Account,
        tokens: &TokenSet,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<TokenSet, Failure>;

    /// Tells the platform to forget the tokens, where it can be told; best effort, one bounded call.
    async fn revoke(
        &self,
        account: &Account,
        tokens: &TokenSet,
        deadline: Deadline,
    ) -> Result<(), Failure>;
}

/// What a client needs to show in order to connect an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum Descriptor {
    /// A form.
    Credentials {
        /// One or two sentences above the form.
        help_text: String,
        /// In the order of the form.
        fields: Vec<Field>,
    },
}

/// One field of a credentials form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Key in the body of the completing request.
    pub name: &'static str,
    /// Label for people.
    pub label: &'static str,
    /// `text`, `password` or `url`.
    #[serde(rename = "type")]
    pub input: &'static str,
    /// Whether it may be left out.
    pub required: bool,
}

/// What the person entered: the completing request's fields by name. Every value counts as secret.
#[derive(Clone, Debug, Default)]
pub struct Entered(pub BTreeMap<String, SecretString>);

impl Entered {
    /// The value of a field, without surrounding white space; none if absent or blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(|value| value.expose_secret().trim())
            .filter(|value| !value.is_empty())
    }
}

/// A connected account with its tokens.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The platform's id of the account (Bluesky: the DID).
    pub platform_account_id: String,
    /// The name that identifies it to people.
    pub display_name: Option<String>,
    /// The platform's name of it, as typed after an `@`.
    pub handle: Option<String>,
    /// What the connector needs to know of it later and is no secret (Bluesky: the PDS); an object.
    pub profile: serde_json::Value,
    /// Its tokens.
    pub tokens: TokenSet,
}

/// The tokens of one account. Debug shows names and expiry, never a value.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// What [`crate::contract::Step::token`] will hold.
    pub access: SecretString,
    /// What the platform exchanges for a new one.
    pub refresh: Option<SecretString>,
    /// Other secrets that the connector needs (Bluesky: the app password), by name.
    pub others: BTreeMap<String, SecretString>,
    /// When `access` stops working; none if it does not.
    pub expires_at: Option<DateTime<Utc>>,
    /// What the account granted.
    pub scopes: Vec<String>,
}

impl TokenSet {
    /// The set as JSON, to be sealed at once and to go nowhere else.
    pub fn to_sealable(&self) -> SecretString {
        let others: BTreeMap<&str, &str> = self
            .others
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        let json = serde_json::json!({
            "access": self.access.expose_secret(),
            "refresh": self.refresh.as_ref().map(ExposeSecret::expose_secret),
            "others": others,
            "expires_at": self.expires_at,
            "scopes": self.scopes,
        });
        SecretString::from(json.to_string())
    }

    /// Reads what [`TokenSet::to_sealable`] wrote.
    ///
    /// Errors: none is returned if the bytes are not such JSON; the caller names the row.
    pub fn from_sealable(bytes: &[u8]) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Stored {
            access: SecretString,
            refresh: Option<SecretString>,
            others: BTreeMap<String, SecretString>,
            expires_at: Option<DateTime<Utc>>,
            scopes: Vec<String>,
        }
        let Stored {
            access,
            refresh,
            others,
            expires_at,
            scopes,
        } = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            access,
            refresh,
            others,
            expires_at,
            scopes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_set_survives_sealing_and_never_shows_itself() {
        let set = TokenSet {
            access: "acc-s3cret".to_owned().into(),
            refresh: Some("ref-s3cret".to_owned().into()),
            others: [(
                "appPassword".to_owned(),
                SecretString::from("pw-s3cret".to_owned()),
            )]
            .into(),
            expires_at: None,
            scopes: vec!["atproto".to_owned()],
        };
        let back = TokenSet::from_sealable(set.to_sealable().expose_secret().as_bytes()).unwrap();
        assert_eq!(back.others["appPassword"].expose_secret(), "pw-s3cret");
        assert_eq!(back.refresh.as_ref().unwrap().expose_secret(), "ref-s3cret");
        assert!(!format!("{back:?}").contains("s3cret"));
    }
}
