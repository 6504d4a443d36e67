//! Connecting an account by app password, and keeping its session alive.
//!
//! Logging in is limited to 30 in 5 minutes and 300 a day, so it happens once; afterwards the refresh token is exchanged.
//! Only a refresh token that the PDS no longer knows leads back to the app password, which is kept for that. An app
//! password that is refused too was revoked or changed: then a person must connect again.
//!
//! Login happens at the entryway (or at the PDS that the person named); everything later at the account's own PDS.

use crate::{
    failures,
    publish::{is_did, pds, unreachable},
    session::{self, APP_PASSWORD},
    text::is_handle,
    wire::{Login, Session, Xrpc, XrpcError},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use publisher::{
    Account, Answer, Authorizer, CallError, Class, Deadline, Entered, Failure, Field, Form, Grant,
    Http, Refreshed, TokenSet, fault, http::CallErrorKind,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

/// Shorter passwords without a small letter are something else that was pasted.
const PASSWORD_CHARS_MIN: usize = 12;

/// The rule of the address of a PDS.
const PDS_URL_RULE: &str = "bluesky.connect.pds_url";

/// Bluesky's authorizer.
#[derive(Debug)]
pub(crate) struct AppPasswords {
    pub(crate) http: Http,
    /// Where accounts without a PDS of their own log in.
    pub(crate) entryway: Url,
}

#[async_trait]
impl Authorizer for AppPasswords {
    fn form(&self) -> Option<Form> {
        let field = |name, label, input, required| Field {
            name,
            label,
            input,
            required,
        };
        Some(Form {
            help_text: "Enter your handle and an app password (Bluesky: Settings, Privacy and security, App passwords); \
                        never your main password. Name your PDS only if you host your account yourself."
                .to_owned(),
            fields: vec![
                field("identifier", "Handle, e-mail or DID", "text", true),
                field(APP_PASSWORD, "App password", "password", true),
                field("pdsUrl", "PDS address", "url", false),
            ],
        })
    }

    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure> {
        let identifier = identifier(entered)?;
        let password = app_password(entered)?;
        let named = named_pds(entered)?;
        let host = named.as_ref().unwrap_or(&self.entryway);
        let answer = self
            .ask_to_log_in(host, &identifier, &password, deadline)
            .await
            .map_err(|e| out_of_reach(&e, named.is_some()))?;
        let session = logged_in(&answer, now)?;
        session::active(&session)?;
        let pds = named
            .or_else(|| session::pds_of(session.did_doc.as_ref()))
            .unwrap_or_else(|| self.entryway.clone());
        let handle = Some(session.handle.clone())
            .filter(|handle| is_handle(&handle.to_ascii_lowercase()) && handle != "handle.invalid");
        Ok(vec![Grant {
            tokens: session::tokens(&session, Some(password)),
            display_name: Some(handle.clone().unwrap_or_else(|| session.did.clone())),
            handle,
            profile: json!({ "pds": pds.origin().ascii_serialization() }),
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
        let pds = pds(account)?;
        let password = tokens.others.get(APP_PASSWORD);
        let session = match self
            .exchange(&pds, tokens.refresh.as_ref(), now, deadline)
            .await?
        {
            Some(session) => session,
            None => {
                self.log_in_again(&pds, account, password, now, deadline)
                    .await?
            }
        };
        fault::point("refresh.after_answer");
        session::active(&session)?;
        if session.did != account.platform_account_id {
            return Err(Failure::account_blocked(
                "bluesky.refresh_session.other_account",
                "the PDS answered the refresh with the session of another account",
            )
            .remediation("Connect the account again."));
        }
        Ok(session::tokens(&session, password.cloned()).into())
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

/// A login without an answer, at a PDS that a person `named` or at the entryway. An address that is never reached is a
/// mistake in the form; one that cannot be reached now may be one.
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

fn refused(rule: &str, message: impl Into<String>, remedy: &str) -> Failure {
    Failure::rejected(rule, message)
        .rule(rule)
        .remediation(remedy)
}

/// Handle, e-mail address or DID, as the PDS expects it.
fn identifier(entered: &Entered) -> Result<String, Failure> {
    const REMEDY: &str =
        "Enter the full handle, e.g. alice.bsky.social, the account's e-mail address or its DID.";
    let Some(typed) = entered.get("identifier") else {
        return Err(refused(
            "bluesky.connect.identifier",
            "identifier: nothing was entered",
            REMEDY,
        ));
    };
    // Copied handles carry invisible marks of writing direction.
    let visible: String =
        typed.chars().filter(|c| !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')).collect();
    let name = visible.strip_prefix('@').unwrap_or(&visible);
    if is_did(name) {
        return Ok(name.to_owned());
    }
    let name = name.to_lowercase();
    if is_handle(&name) || name.contains('@') {
        return Ok(name);
    }
    Err(refused(
        "bluesky.connect.identifier",
        "identifier: this is no handle, e-mail address or DID",
        REMEDY,
    ))
}

fn app_password(entered: &Entered) -> Result<SecretString, Failure> {
    const REMEDY: &str = "An app password looks like xxxx-xxxx-xxxx-xxxx; make one on Bluesky under Settings, App Passwords.";
    let Some(typed) = entered.get(APP_PASSWORD) else {
        return Err(refused(
            "bluesky.connect.app_password",
            "appPassword: nothing was entered",
            REMEDY,
        ));
    };
    if typed.chars().count() < PASSWORD_CHARS_MIN && typed == typed.to_uppercase() {
        return Err(refused(
            "bluesky.connect.app_password",
            "appPassword: this is no app password",
            REMEDY,
        ));
    }
    Ok(SecretString::from(typed.to_owned()))
}

fn named_pds(entered: &Entered) -> Result<Option<Url>, Failure> {
    let Some(typed) = entered.get("pdsUrl") else {
        return Ok(None);
    };
    session::host(typed).map(Some).map_err(|wrong| {
        refused(
            PDS_URL_RULE,
            format!("pdsUrl: {wrong}"),
            "Enter the address of your PDS, e.g. https://pds.example.com, or leave it empty.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entered(name: &str, value: &str) -> Entered {
        Entered([(name.to_owned(), SecretString::from(value.to_owned()))].into())
    }

    #[test]
    fn an_identifier_is_brought_into_the_form_the_server_expects() {
        for (typed, expected) in [
            ("@Alice.Bsky.Social", "alice.bsky.social"),
            ("\u{202a}@alice.test\u{202c}", "alice.test"),
            ("did:plc:abc", "did:plc:abc"),
            ("Me@Example.com", "me@example.com"),
        ] {
            assert_eq!(identifier(&entered("identifier", typed)).unwrap(), expected);
        }
        for typed in ["", "alice", "alice bsky", "did:", "-a.test"] {
            let failure = identifier(&entered("identifier", typed)).unwrap_err();
            assert_eq!(
                failure.rule.as_deref(),
                Some("bluesky.connect.identifier"),
                "{typed}"
            );
        }
    }

    #[test]
    fn what_cannot_be_an_app_password_is_not_sent() {
        for typed in ["", "HUNTER2", "123456"] {
            assert!(
                app_password(&entered("appPassword", typed)).is_err(),
                "{typed}"
            );
        }
        for typed in ["abcd-efgh-ijkl-mnop", "hunter2", "ABCDEFGHIJKLMNOP"] {
            assert!(
                app_password(&entered("appPassword", typed)).is_ok(),
                "{typed}"
            );
        }
    }
}
