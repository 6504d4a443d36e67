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

/// One platform's ability to connect accounts and to keep their tokens alive.
///
/// There are two ways to connect: a *form*, whose entries go straight to [`Authorizer::complete`], and a *consent page* of the
/// platform, to which [`Authorizer::begin`] sends the person and from which they come back with a code.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// The form that a person fills in; none where they are sent to the platform instead.
    fn form(&self) -> Option<Form>;

    /// Where the person must be sent, for platforms without a form.
    ///
    /// The caller has made `start` for this one connection, keeps its state and its verifier, and hands the verifier to
    /// [`Authorizer::complete`]. Errors: `OperatorBlocked` while this installation is not registered with the platform.
    async fn begin(&self, start: &Start, deadline: Deadline) -> Result<Consent, Failure> {
        let _ = (start, deadline);
        Err(Failure::rejected(
            "connect.form",
            "accounts of this platform are connected with a form",
        ))
    }

    /// Turns what the person entered, or brought back as `code`, `redirectUri` and `codeVerifier`, into accounts and their
    /// tokens: one, or as many as the person granted at once (Facebook: one for each page).
    ///
    /// Errors: [`crate::failure::Class::Rejected`] with a rule for what the caller can correct, `AccountBlocked` for refused
    /// credentials, `OperatorBlocked` for a refused registration, `Transient` or `RateLimited` when the platform could not be
    /// asked. None granted is no error.
    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure>;

    /// Exchanges the stored tokens for fresh ones. Called once at a time for an account, and never without
    /// [`TokenSet::refresh`].
    ///
    /// Errors: `AccountBlocked` when the platform says that a person must connect again; anything else is tried again, with
    /// the same tokens: an exchange whose answer was lost is repeated.
    async fn refresh(
        &self,
        account: &Account,
        tokens: &TokenSet,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Refreshed, Failure>;

    /// Tells the platform to forget the tokens, where it can be told; best effort, one bounded call.
    async fn revoke(
        &self,
        account: &Account,
        tokens: &TokenSet,
        deadline: Deadline,
    ) -> Result<(), Failure>;

    /// What a post of this account may choose among (`kind`: Pinterest `board`, YouTube `playlist`), as the platform lists it
    /// now; of a section, `within` is its board.
    ///
    /// Errors: `Rejected` where the platform has nothing of that kind.
    async fn choices(&self, ask: Choosing<'_>, deadline: Deadline) -> Result<Vec<Choice>, Failure> {
        let _ = deadline;
        Err(no_choice(ask.kind))
    }

    /// Makes one more of what [`Authorizer::choices`] lists. Errors: as there; `Duplicate` where one of that name exists.
    async fn add_choice(
        &self,
        ask: Choosing<'_>,
        new: &NewChoice,
        deadline: Deadline,
    ) -> Result<Choice, Failure> {
        let _ = (new, deadline);
        Err(no_choice(ask.kind))
    }
}

fn no_choice(kind: &str) -> Failure {
    Failure::rejected(
        "account.choices",
        format!("accounts of this platform have nothing of the kind `{kind}`"),
    )
}

/// Of whose things, and which, a choice is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Choosing<'a> {
    /// Whose.
    pub account: &'a Account,
    /// The account's access token.
    pub token: &'a SecretString,
    /// The kind, as the platform's page names it.
    pub kind: &'a str,
    /// What they are part of, by the platform's id; none for what stands alone.
    pub within: Option<&'a str>,
}

/// One thing that a post can be put into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The platform's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who can see it, in the platform's own word.
    pub privacy: Option<String>,
}

/// A thing to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewChoice {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// Who is to see it, in the platform's own word.
    pub privacy: Option<String>,
}

/// What one connection by consent begins with; made anew for each. Debug shows where it returns to, and no secret.
#[derive(Clone, Debug)]
pub struct Start {
    /// Comes back unchanged; nobody but us and the person's browser knows it.
    pub state: SecretString,
    /// The PKCE verifier (RFC 7636): 43 to 128 characters.
    pub verifier: SecretString,
    /// Where the platform sends the person afterwards; repeated byte for byte at the exchange.
    pub redirect_uri: String,
}

/// What a client needs to show in order to connect an account.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Descriptor {
    /// A form.
    Credentials(Form),
    /// The platform's consent page.
    OAuth(Consent),
}

/// A form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    /// One or two sentences above it.
    pub help_text: String,
    /// In order.
    pub fields: Vec<Field>,
}

/// The platform's consent page. Serialized it holds the secrets of this one connection, for whoever began it.
#[derive(Clone)]
pub struct Consent {
    /// Where to send the person; the state is part of it.
    pub authorization_url: url::Url,
    /// What comes back with the person.
    pub state: SecretString,
    /// What they are asked to grant.
    pub scopes: Vec<String>,
    /// Where they come back to.
    pub redirect_uri: String,
    /// The PKCE verifier, only where the wire contract hands it to the client (`twitter`, `tiktok`); we keep it anyway.
    pub code_verifier: Option<SecretString>,
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consent")
            .field("scopes", &self.scopes)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

impl Serialize for Consent {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown<'a> {
            authorization_url: &'a str,
            state: &'a str,
            scopes: &'a [String],
            redirect_uri: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            code_verifier: Option<&'a str>,
        }
        Shown {
            authorization_url: self.authorization_url.as_str(),
            state: self.state.expose_secret(),
            scopes: &self.scopes,
            redirect_uri: &self.redirect_uri,
            code_verifier: self.code_verifier.as_ref().map(ExposeSecret::expose_secret),
        }
        .serialize(to)
    }
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

/// What the person entered or brought back: the completing request's fields by name. Every value counts as secret.
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

/// What a refresh brought.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// The fresh tokens.
    pub tokens: TokenSet,
    /// What replaces [`Grant::profile`], where the account has changed meanwhile (Bluesky: it lives on another PDS). Stored
    /// in the same commit as the tokens.
    pub profile: Option<serde_json::Value>,
}

impl From<TokenSet> for Refreshed {
    fn from(tokens: TokenSet) -> Self {
        Self {
            tokens,
            profile: None,
        }
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
    /// What the platform exchanges for a new one; none where only a person can renew it (LinkedIn without a partner's rights).
    /// A platform whose access token renews itself (Instagram, Threads) has it here once more.
    pub refresh: Option<SecretString>,
    /// Other secrets that the connector needs (Bluesky: the app password), by name.
    pub others: BTreeMap<String, SecretString>,
    /// When `access` stops working; none if it does not.
    pub expires_at: Option<DateTime<Utc>>,
    /// When `refresh` stops working; none if it does not, or the platform does not say.
    pub refresh_expires_at: Option<DateTime<Utc>>,
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
            "refresh_expires_at": self.refresh_expires_at,
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
            #[serde(default)]
            refresh_expires_at: Option<DateTime<Utc>>,
            scopes: Vec<String>,
        }
        let Stored {
            access,
            refresh,
            others,
            expires_at,
            refresh_expires_at,
            scopes,
        } = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            access,
            refresh,
            others,
            expires_at,
            refresh_expires_at,
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
            refresh_expires_at: None,
            scopes: vec!["atproto".to_owned()],
        };
        let back = TokenSet::from_sealable(set.to_sealable().expose_secret().as_bytes()).unwrap();
        assert_eq!(back.others["appPassword"].expose_secret(), "pw-s3cret");
        assert_eq!(back.refresh.as_ref().unwrap().expose_secret(), "ref-s3cret");
        assert!(!format!("{back:?}").contains("s3cret"));
    }
}
