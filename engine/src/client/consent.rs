//! Connecting by consent: the person goes to the platform and comes back with a code.
//!
//! What belongs to one consent stays here: the state as a hash, the PKCE verifier sealed. A consent is taken by deleting it,
//! so that of several who come with one state exactly one completes it; what is wrong afterwards begins anew.

use super::Client;
use super::connect::{Connected, Home};
use crate::error::ConnectError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use publisher::id::{ApiKeyId, OrgId, ProfileId};
use publisher::{Consent, Deadline, Entered, Start};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{NewPendingConnect, StoreError};
use uuid::Uuid;
use vault::{Owner, Purpose};

/// How long a person may take on the platform's consent page.
pub const CONSENT_LIVES: Duration = Duration::from_mins(10);

/// Consents of one organisation that may be under way at a time.
pub const CONSENTS_MAX: i32 = 100;

/// A consent that is to begin.
#[derive(Clone, Copy, Debug)]
pub struct ConsentRequest<'a> {
    /// For whom.
    pub org: OrgId,
    /// Into which profile new accounts go.
    pub profile: ProfileId,
    /// Which platform.
    pub platform: &'a str,
    /// Who begins it; only this key, or the platform's own redirect, completes it.
    pub key: ApiKeyId,
    /// Where the platform sends the person back to.
    pub redirect_uri: &'a str,
    /// Where the person is sent in the end.
    pub return_to: Option<&'a str>,
}

/// A consent that was taken and cannot be taken again.
#[derive(Debug)]
pub struct TakenConsent {
    /// Where the person is sent in the end.
    pub return_to: Option<String>,
    org: OrgId,
    profile: ProfileId,
    platform: String,
    key: ApiKeyId,
    redirect_uri: String,
    verifier: SecretString,
}

/// What is wrong with what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentFault {
    /// The state is nothing that we ever made.
    Malformed,
    /// Nobody knows the state: never begun here, used before, or begun by somebody else.
    Unknown,
    /// It took too long.
    Expired,
    /// It was begun for another platform.
    OtherPlatform,
    /// The redirect address is not the one that it was begun with.
    OtherRedirect,
    /// The verifier is not the one that it was begun with.
    OtherVerifier,
    /// The key that began it was revoked.
    Revoked,
}

impl Client {
    /// Begins a consent. Errors: see [`ConnectError`]; `TooMany` while the organisation has [`CONSENTS_MAX`] under way.
    pub async fn begin_consent(&self, ask: ConsentRequest<'_>) -> Result<Consent, ConnectError> {
        let connector = self
            .registry
            .get(ask.platform)
            .ok_or(ConnectError::UnknownPlatform)?;
        let start = Start {
            state: random()?,
            verifier: random()?,
            redirect_uri: ask.redirect_uri.to_owned(),
        };
        let deadline = Deadline::after(connector.habits.call_deadline);
        let consent = connector.authorizer.begin(&start, deadline).await?;
        let sealed = self.vault.seal(
            start.verifier.expose_secret().as_bytes(),
            Owner::organisation(ask.org.uuid()),
            Purpose::PkceVerifier,
        )?;
        let pending = NewPendingConnect {
            org: ask.org,
            id: Uuid::now_v7(),
            state_hash: &hash_of(&start.state),
            profile: ask.profile,
            platform: connector.platform,
            begun_by: ask.key,
            redirect_uri: ask.redirect_uri,
            return_to: ask.return_to,
            sealed_verifier: sealed.as_bytes(),
            lives: CONSENT_LIVES,
            room: CONSENTS_MAX,
        };
        match self.store.insert_pending_connect(pending, None).await? {
            Some(_) => Ok(consent),
            None => Err(ConnectError::TooMany),
        }
    }

    /// Takes the consent that a state belongs to: once, whatever follows. `by` is the caller where one is known.
    pub async fn take_consent(
        &self,
        platform: &str,
        state: &SecretString,
        by: Option<(OrgId, ApiKeyId)>,
    ) -> Result<TakenConsent, ConnectError> {
        if !is_ours(state.expose_secret()) {
            return Err(ConsentFault::Malformed.into());
        }
        let hash = hash_of(state);
        let taken = self.store.take_pending_connect(&hash, by, None).await?;
        let taken = taken.ok_or(ConsentFault::Unknown)?;
        let connector = self.registry.get(platform);
        if connector.is_none_or(|connector| connector.platform != taken.platform) {
            return Err(ConsentFault::OtherPlatform.into());
        }
        if !taken.is_valid {
            return Err(ConsentFault::Expired.into());
        }
        if !self.is_key_valid(taken.org, taken.begun_by).await? {
            return Err(ConsentFault::Revoked.into());
        }
        let owner = Owner::organisation(taken.org.uuid());
        // What does not open was sealed under a master key that is gone: too long ago.
        let verifier = self
            .vault
            .open(&taken.sealed_verifier, owner, Purpose::PkceVerifier)
            .ok()
            .and_then(|plain| String::from_utf8(plain.to_vec()).ok())
            .ok_or(ConsentFault::Expired)?;
        Ok(TakenConsent {
            return_to: taken.return_to,
            org: taken.org,
            profile: taken.profile,
            platform: taken.platform,
            key: taken.begun_by,
            redirect_uri: taken.redirect_uri,
            verifier: verifier.into(),
        })
    }

    /// Exchanges the code and stores every account that was granted.
    ///
    /// Errors: see [`ConnectError`]; `NoneGranted` when the person granted no account. Accounts that were stored before an
    /// error stay stored.
    pub async fn complete_consent(
        &self,
        consent: TakenConsent,
        code: SecretString,
    ) -> Result<Vec<Connected>, ConnectError> {
        let entered = Entered(BTreeMap::from([
            ("code".to_owned(), code),
            ("redirectUri".to_owned(), consent.redirect_uri.into()),
            ("codeVerifier".to_owned(), consent.verifier),
        ]));
        let home = Home {
            org: consent.org,
            profile: consent.profile,
        };
        let connected = self.complete(home, &consent.platform, &entered).await?;
        if !self.is_key_valid(consent.org, consent.key).await? {
            return Err(ConsentFault::Revoked.into());
        }
        Ok(connected)
    }
}

impl TakenConsent {
    /// Compares what a caller repeats of the consent. Errors: the redirect address or the verifier is another one.
    pub fn compare(
        &self,
        redirect_uri: Option<&str>,
        verifier: Option<&SecretString>,
    ) -> Result<(), ConnectError> {
        if redirect_uri.is_some_and(|given| given != self.redirect_uri) {
            return Err(ConsentFault::OtherRedirect.into());
        }
        // Hashes: how far they agree says nothing.
        if verifier.is_some_and(|given| hash_of(given) != hash_of(&self.verifier)) {
            return Err(ConsentFault::OtherVerifier.into());
        }
        Ok(())
    }
}

/// 32 random bytes as 43 characters: what RFC 7636 §4.1 recommends for a verifier, and as good a state.
fn random() -> Result<SecretString, StoreError> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Inconsistent {
        table: "pending_connects",
        column: "state_hash",
        row: format!("the system has no randomness: {e}"),
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}

/// Whether a state can be one of ours.
fn is_ours(state: &str) -> bool {
    state.len() == 43
        && state
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn hash_of(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose_secret().as_bytes()).into()
}
