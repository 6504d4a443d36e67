//! Sessions: what logging in and refreshing answer, and what we keep of it.
//!
//! Tokens of a PDS are JSON Web Tokens. We never trust their content, but their own expiry tells when to ask for the next.

use crate::wire::Session;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use publisher::{Failure, TokenSet};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

/// The name under which the app password is kept beside the tokens.
pub(crate) const APP_PASSWORD: &str = "appPassword";

/// What we keep of a session.
pub(crate) fn tokens(session: &Session, app_password: Option<SecretString>) -> TokenSet {
    TokenSet {
        access: session.access_jwt.clone(),
        refresh: Some(session.refresh_jwt.clone()),
        others: app_password
            .into_iter()
            .map(|password| (APP_PASSWORD.to_owned(), password))
            .collect(),
        expires_at: expiry(&session.access_jwt),
        refresh_expires_at: None,
        scopes: Vec::new(),
    }
}

/// When a token says that it ends; none if it does not say.
fn expiry(token: &SecretString) -> Option<DateTime<Utc>> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let claims = token.expose_secret().split('.').nth(1)?;
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(claims.trim_end_matches('='))
        .ok()?;
    DateTime::from_timestamp(serde_json::from_slice::<Claims>(&claims).ok()?.exp, 0)
}

/// Refuses a session of an account that cannot post. Errors: it is taken down, suspended or deactivated.
pub(crate) fn active(session: &Session) -> Result<(), Failure> {
    if session.active.unwrap_or(true) {
        return Ok(());
    }
    let status = session
        .status
        .as_deref()
        .filter(|status| status.bytes().all(|b| b.is_ascii_lowercase()));
    Err(Failure::account_blocked(
        "bluesky.account.inactive",
        format!("the Bluesky account is {}", status.unwrap_or("not active")),
    )
    .remediation("Make the account active again on Bluesky, then connect it again."))
}

/// The account's own server according to its DID document.
pub(crate) fn pds_of(did_doc: Option<&Value>) -> Option<Url> {
    let services = did_doc?["service"].as_array()?;
    let pds = services.iter().find(|service| {
        service["id"]
            .as_str()
            .is_some_and(|id| id.ends_with("#atproto_pds"))
            && service["type"] == "AtprotoPersonalDataServer"
    })?;
    host(pds["serviceEndpoint"].as_str()?).ok()
}

/// Reads the base address of a server. Errors: what is wrong with it.
pub(crate) fn host(entered: &str) -> Result<Url, &'static str> {
    let url =
        Url::parse(entered).map_err(|_| "it is no address; write it as https://pds.example.com")?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err("it must begin with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it must not contain a user name or a password");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("it must be the server only, without a path");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_says_when_it_ends() {
        let token = |claims: &str| {
            SecretString::from(format!("h.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims)))
        };
        assert_eq!(
            expiry(&token(r#"{"exp":1800000000}"#)).unwrap().timestamp(),
            1_800_000_000
        );
        assert_eq!(expiry(&token("{}")), None);
        assert_eq!(expiry(&SecretString::from("opaque".to_owned())), None);
    }

    #[test]
    fn the_pds_is_the_service_of_that_name_and_type() {
        let doc = json!({ "service": [
            { "id": "#bsky_fg", "type": "BskyFeedGenerator", "serviceEndpoint": "https://feed.test" },
            { "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.test" },
        ] });
        assert_eq!(pds_of(Some(&doc)).unwrap().as_str(), "https://pds.test/");
        assert_eq!(pds_of(Some(&json!({}))), None);
        assert_eq!(pds_of(None), None);
    }

    #[test]
    fn a_host_is_an_origin_and_nothing_more() {
        assert!(host("https://pds.test").is_ok() && host("http://127.0.0.1:2583/").is_ok());
        for bad in [
            "pds.test",
            "ftp://pds.test",
            "https://u:p@pds.test",
            "https://pds.test/xrpc",
            "https://pds.test/?a",
            "data:x",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
