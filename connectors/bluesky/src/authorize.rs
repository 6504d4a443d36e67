//! Connecting an account by app password, and keeping its session alive.
//!
//! Logging in is limited to 30 in 5 minutes and 300 a day, so it happens once; afterwards the refresh token is exchanged.
//! Only a refresh token that the PDS no longer knows leads back to the app password, which is kept for that. An app
//! password that is refused too was revoked or changed: then a person must connect again.
//!
//! Login happens where the account lives: at the PDS that the person named, or at the one that the DID document names. Only
//! who enters an e-mail address alone is asked for at the entryway. An account that moves is followed at its next refresh:
//! its document is looked at once a day, and whenever its PDS does not want it any more.

use crate::{
    failures,
    form::{self, IDENTIFIER_RULE, Identifier, PDS_URL_RULE, refused},
    identity::{Freshness, Identities, casts_doubt},
    publish::{is_did, pds, unreachable},
    session::{self, APP_PASSWORD},
    text::is_handle,
    wire::{Login, Session, Xrpc, XrpcError},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use publisher::{
    Account, Answer, Authorizer, CallError, Class, Deadline, Entered, Failure, Form, Grant, Http,
    Refreshed, TokenSet, fault, http::CallErrorKind,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use std::sync::Arc;
use url::Url;

/// Bluesky's authorizer.
#[derive(Debug)]
pub(crate) struct AppPasswords {
    pub(crate) http: Http,
    /// Where accounts log in of which nothing is known but an e-mail address.
    pub(crate) entryway: Url,
    pub(crate) identities: Arc<Identities>,
}

/// What a refresh has to do with.
#[derive(Clone, Copy)]
struct Renewal<'a> {
    account: &'a Account,
    tokens: &'a TokenSet,
    now: DateTime<Utc>,
    deadline: Deadline,
}

#[async_trait]
impl Authorizer for AppPasswords {
    fn form(&self) -> Option<Form> {
        Some(form::form())
    }

    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure> {
        let identifier = form::identifier(entered)?;
        let password = form::app_password(entered)?;
        let named = form::named_pds(entered)?;
        let found = match &named {
            Some(_) => None,
            None => self.find(&identifier, now, deadline).await?,
        };
        let (did, home) = found.unzip();
        let host = named.as_ref().or(home.as_ref()).unwrap_or(&self.entryway);
        let login = did.as_deref().unwrap_or(identifier.as_str());
        let answer = self
            .ask_to_log_in(host, login, &password, deadline)
            .await
            .map_err(|e| out_of_reach(&e, named.is_some()))?;
        let session = logged_in(&answer, now)?;
        session::active(&session)?;
        if did.is_some_and(|did| did != session.did) {
            return Err(other_account(Xrpc::CreateSession));
        }
        let profile = match (named, home) {
            (Some(named), _) => profile(&named, true),
            (None, Some(home)) => profile(&home, false),
            (None, None) => {
                let home = session::pds_of(session.did_doc.as_ref());
                profile(home.as_ref().unwrap_or(&self.entryway), false)
            }
        };
        let handle = Some(session.handle.clone())
            .filter(|handle| is_handle(&handle.to_ascii_lowercase()) && handle != "handle.invalid");
        Ok(vec![Grant {
            tokens: session::tokens(&session, Some(password)),
            display_name: Some(handle.clone().unwrap_or_else(|| session.did.clone())),
            handle,
            profile,
            platform_account_id: session.did,
        }])
    }

    async fn refresh(
        &self,
        account: &Account,
        tokens: &TokenSet,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Refreshed, Failure> {
        let home = pds(account)?;
        let renewal = Renewal {
            account,
            tokens,
            now,
            deadline,
        };
        // Who named a PDS may mean another address of it than the document has: it is followed only when it fails.
        let named = account.profile["named"] == true;
        if !named && let Some(new) = self.moved(&home, &renewal, Freshness::Routine).await {
            return self.move_in(&new, &renewal).await;
        }
        match self.renew(&home, &renewal).await {
            Ok(tokens) => Ok(tokens.into()),
            Err(failure) if casts_doubt(&failure) => {
                match self.moved(&home, &renewal, Freshness::InDoubt).await {
                    Some(new) => self.move_in(&new, &renewal).await,
                    None => Err(failure),
                }
            }
            Err(failure) => Err(failure),
        }
    }

    async fn revoke(
        &self,
        account: &Account,
        tokens: &TokenSet,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let Some(refresh) = &tokens.refresh else {
            return Ok(());
        };
        let call = self
            .http
            .post(&Xrpc::DeleteSession.at(&pds(account)?))
            .bearer(refresh)
            .deadline(deadline);
        let answer = call
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::DeleteSession, &e))?;
        if answer.is_success() || is_dead_token(answer.status, XrpcError::read(&answer).as_ref()) {
            return Ok(());
        }
        Err(failures::failure(
            Xrpc::DeleteSession,
            &answer,
            DateTime::UNIX_EPOCH,
        ))
    }
}

impl AppPasswords {
    /// The DID and the PDS of who entered a handle or a DID.
    async fn find(
        &self,
        identifier: &Identifier,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Option<(String, Url)>, Failure> {
        let found = match identifier {
            Identifier::Handle(handle) => self.identities.of_handle(handle, now, deadline).await,
            Identifier::Did(did) => {
                let in_doubt = Freshness::InDoubt;
                self.identities.of_did(did, in_doubt, now, deadline).await
            }
            Identifier::Email(_) => return Ok(None),
        };
        let identity = found.map_err(|lost| lost.failure(IDENTIFIER_RULE))?;
        let Some(home) = identity.pds else {
            return Err(refused(
                IDENTIFIER_RULE,
                format!("identifier: the document of {} names no PDS", identity.did),
                "Enter the address of your PDS too (pdsUrl).",
            ));
        };
        Ok(Some((identity.did, home)))
    }

    async fn moved(&self, home: &Url, renewal: &Renewal<'_>, freshness: Freshness) -> Option<Url> {
        let did = &renewal.account.platform_account_id;
        let (now, deadline) = (renewal.now, renewal.deadline);
        self.identities
            .moved_from(home, did, freshness, now, deadline)
            .await
    }

    /// Begins a session where the account lives now. A PDS that moved as a whole knows the refresh token; where the account
    /// moved alone, its app password may be unknown.
    async fn move_in(&self, home: &Url, renewal: &Renewal<'_>) -> Result<Refreshed, Failure> {
        let host = home.host_str().unwrap_or_default();
        let tokens = self.renew(home, renewal).await.map_err(|failure| {
            if failure.class != Class::AccountBlocked {
                return failure;
            }
            Failure::account_blocked(
                "bluesky.account.moved",
                format!(
                    "the account has moved to {host}, which refuses its app password: {}",
                    failure.message
                ),
            )
            .remediation("Make an app password at the new host and connect the account again.")
        })?;
        tracing::info!(
            did = renewal.account.platform_account_id,
            host,
            "the account has moved"
        );
        Ok(Refreshed {
            tokens,
            profile: Some(profile(home, false)),
        })
    }

    /// Exchanges the refresh token at `home`, or logs in there again.
    async fn renew(&self, home: &Url, renewal: &Renewal<'_>) -> Result<TokenSet, Failure> {
        let Renewal {
            account,
            tokens,
            now,
            deadline,
        } = *renewal;
        let password = tokens.others.get(APP_PASSWORD);
        let refresh = tokens.refresh.as_ref();
        let session = match self.exchange(home, refresh, now, deadline).await? {
            Some(session) => session,
            None => {
                self.log_in_again(home, account, password, now, deadline)
                    .await?
            }
        };
        fault::point("refresh.after_answer");
        session::active(&session)?;
        if session.did != account.platform_account_id {
            return Err(other_account(Xrpc::RefreshSession));
        }
        Ok(session::tokens(&session, password.cloned()))
    }

    async fn ask_to_log_in(
        &self,
        host: &Url,
        identifier: &str,
        password: &SecretString,
        deadline: Deadline,
    ) -> Result<Answer, CallError> {
        let body = Login {
            identifier,
            password: password.expose_secret(),
        };
        self.http
            .post(&Xrpc::CreateSession.at(host))
            .json(&body)
            .deadline(deadline)
            .send()
            .await
    }

    /// Exchanges the refresh token; none if the PDS says that it is expired, revoked or unknown.
    async fn exchange(
        &self,
        pds: &Url,
        refresh: Option<&SecretString>,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Option<Session>, Failure> {
        let Some(refresh) = refresh else {
            return Ok(None);
        };
        // No body and no content type: a PDS refuses an empty JSON object here.
        let call = self
            .http
            .post(&Xrpc::RefreshSession.at(pds))
            .bearer(refresh)
            .deadline(deadline);
        let answer = call
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::RefreshSession, &e))?;
        if answer.is_success() {
            let session = answer
                .json()
                .map_err(|_| failures::unreadable(Xrpc::RefreshSession, &answer))?;
            return Ok(Some(session));
        }
        if is_dead_token(answer.status, XrpcError::read(&answer).as_ref()) {
            return Ok(None);
        }
        Err(failures::failure(Xrpc::RefreshSession, &answer, now))
    }

    async fn log_in_again(
        &self,
        pds: &Url,
        account: &Account,
        password: Option<&SecretString>,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Session, Failure> {
        let revoked = || {
            Failure::account_blocked(
                "bluesky.refresh_session.app_password_revoked",
                "the session has ended and Bluesky refuses the app password: it was revoked or changed",
            )
            .remediation("Make a new app password (Bluesky: Settings, App Passwords) and connect the account again.")
        };
        let Some(password) = password else {
            return Err(revoked());
        };
        let answer = self
            .ask_to_log_in(pds, &account.platform_account_id, password, deadline)
            .await
            .map_err(|e| unreachable(Xrpc::CreateSession, &e))?;
        match logged_in(&answer, now) {
            Err(refused)
                if refused.class == Class::AccountBlocked
                    && refused.http_status == Some(401)
                    && refused.code == Xrpc::CreateSession.code("credentials_refused") =>
            {
                Err(revoked().status(401))
            }
            other => other,
        }
    }
}

/// What is kept of an account: its PDS, and whether a person named it.
fn profile(pds: &Url, named: bool) -> Value {
    let mut profile = json!({ "pds": pds.origin().ascii_serialization() });
    if named {
        profile["named"] = true.into();
    }
    profile
}

fn other_account(call: Xrpc) -> Failure {
    Failure::account_blocked(
        call.code("other_account"),
        "the PDS answered with the session of another account",
    )
    .remediation("Connect the account again.")
}

/// The session in the answer to a login. Errors: it is refused, or cannot be read.
fn logged_in(answer: &Answer, now: DateTime<Utc>) -> Result<Session, Failure> {
    if !answer.is_success() {
        return Err(failures::failure(Xrpc::CreateSession, answer, now));
    }
    let session: Option<Session> = answer.json().ok();
    session
        .filter(|session| is_did(&session.did))
        .ok_or_else(|| failures::unreadable(Xrpc::CreateSession, answer))
}

/// A login without an answer, at a PDS that a person `named` or at the one that was found. An address that is never reached
/// is a mistake in the form; one that cannot be reached now may be one.
fn out_of_reach(error: &CallError, named: bool) -> Failure {
    match error.kind {
        CallErrorKind::Refused if named => refused(
            PDS_URL_RULE,
            format!("pdsUrl: {error}"),
            "Enter a public https:// address. If this one is meant, whoever runs the server can allow it with its port \
             (POSTRIDER_EGRESS_ALLOW).",
        ),
        CallErrorKind::Unreachable | CallErrorKind::TimedOut | CallErrorKind::Broken if named => {
            unreachable(Xrpc::CreateSession, error).remediation(
                "Check that pdsUrl is the address of your PDS and that it is up, then try again.",
            )
        }
        _ => unreachable(Xrpc::CreateSession, error),
    }
}

/// Whether a PDS says that a refresh token is of no use any more.
fn is_dead_token(status: u16, error: Option<&XrpcError>) -> bool {
    matches!(status, 400 | 401)
        && error.is_some_and(|error| {
            matches!(
                error.error.as_str(),
                "ExpiredToken" | "InvalidToken" | "AuthMissing" | "AuthenticationRequired"
            )
        })
}
