//! The three endpoints.

use super::{
    Decision, FakeApp, Provider,
    grants::{Code, Holder, Refusal},
    lock,
};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use std::collections::HashMap;
use url::{Url, form_urlencoded};

const INVALID_REQUEST: Refusal = Refusal("invalid_request");
const INVALID_CLIENT: Refusal = Refusal("invalid_client");

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            INVALID_CLIENT => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = Json(json!({ "error": self.0, "error_description": "as the RFC has it" }));
        let headers = [(header::CACHE_CONTROL, "no-store")];
        (status, headers, body).into_response()
    }
}

/// Parameters by name. Errors: one comes twice (§3.1, §3.2).
fn parameters(encoded: &[u8]) -> Result<HashMap<String, String>, Refusal> {
    let mut found = HashMap::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        if found
            .insert(name.into_owned(), value.into_owned())
            .is_some()
        {
            return Err(INVALID_REQUEST);
        }
    }
    found.retain(|_, value| !value.is_empty());
    Ok(found)
}

/// The consent page. A wrong app or redirect address is answered here, everything else at the redirect address (§4.1.2.1).
pub(super) async fn authorize(State(provider): State<Provider>, uri: Uri) -> Response {
    let app = &provider.oauth.app;
    let Ok(asked) = parameters(uri.query().unwrap_or_default().as_bytes()) else {
        return INVALID_REQUEST.into_response();
    };
    let get = |name: &str| asked.get(name).map(String::as_str);
    let redirect = get("redirect_uri").and_then(|uri| Url::parse(uri).ok());
    let (Some(redirect), true) = (redirect, get("client_id") == Some(app.client_id.as_str()))
    else {
        return INVALID_CLIENT.into_response();
    };
    let redirect_uri = get("redirect_uri").unwrap_or_default().to_owned();
    let is_registered = app.redirect_uris.is_empty() || app.redirect_uris.contains(&redirect_uri);
    if !is_registered || redirect.fragment().is_some() {
        return INVALID_REQUEST.into_response();
    }
    let scopes: Vec<String> = get("scope")
        .unwrap_or_default()
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    let challenge = get("code_challenge").map(str::to_owned);
    let outcome = if get("response_type") != Some("code") {
        Err("unsupported_response_type".to_owned())
    } else if scopes.is_empty() || scopes.iter().any(|scope| !app.scopes.contains(scope)) {
        Err("invalid_scope".to_owned())
    } else if challenge.is_none() && app.requires_pkce
        || challenge.is_some() && get("code_challenge_method") != Some("S256")
    {
        Err("invalid_request".to_owned())
    } else {
        granted(&provider, scopes, redirect_uri, challenge)
    };
    let mut back = redirect;
    {
        let mut pairs = back.query_pairs_mut();
        match outcome {
            Ok(code) => pairs.append_pair("code", &code),
            Err(error) => pairs
                .append_pair("error", &error)
                .append_pair("error_description", "the person said no"),
        };
        if let Some(state) = get("state") {
            pairs.append_pair("state", state);
        }
    }
    (StatusCode::FOUND, [(header::LOCATION, String::from(back))]).into_response()
}

/// A code, or the error word.
fn granted(
    provider: &Provider,
    asked: Vec<String>,
    redirect_uri: String,
    challenge: Option<String>,
) -> Result<String, String> {
    let (accounts, ticked) = match lock(&provider.oauth.decision).clone() {
        Decision::Deny(word) => return Err(word),
        Decision::Grant { accounts, scopes } => (accounts, scopes),
    };
    let scopes = asked
        .into_iter()
        .filter(|scope| ticked.as_ref().is_none_or(|ticked| ticked.contains(scope)))
        .collect();
    let code = Code {
        holder: Holder { accounts, scopes },
        redirect_uri,
        challenge,
    };
    let now = provider.clock.now();
    Ok(provider
        .oauth
        .grants()
        .give_code(code, &provider.oauth.app, now))
}

pub(super) async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match exchanged(&provider, &headers, &body) {
        Ok(tokens) => ([(header::CACHE_CONTROL, "no-store")], Json(tokens)).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

fn exchanged(
    provider: &Provider,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<serde_json::Value, Refusal> {
    let app = &provider.oauth.app;
    let form = proven(app, headers, body)?;
    let required = |name: &str| form.get(name).map(String::as_str).ok_or(INVALID_REQUEST);
    let now = provider.clock.now();
    let mut grants = provider.oauth.grants();
    match required("grant_type")? {
        "authorization_code" => {
            let verifier = form.get("code_verifier").map(String::as_str);
            let (code, uri) = (required("code")?, required("redirect_uri")?);
            grants.redeem(code, uri, verifier, app, now)
        }
        "refresh_token" => grants.refresh(required("refresh_token")?, app, now),
        _ => Err(Refusal("unsupported_grant_type")),
    }
}

pub(super) async fn revoke(
    State(provider): State<Provider>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = match proven(&provider.oauth.app, &headers, &body) {
        Ok(form) => form,
        Err(refusal) => return refusal.into_response(),
    };
    match form.get("token") {
        // Also for a token that nobody knows (RFC 7009 §2.2).
        Some(token) => {
            provider.oauth.grants().revoke(token);
            StatusCode::OK.into_response()
        }
        None => INVALID_REQUEST.into_response(),
    }
}

/// The form of an app that has proved itself in the one way that it is registered for (§2.3).
fn proven(
    app: &FakeApp,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<HashMap<String, String>, Refusal> {
    let has_form = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    if !has_form {
        return Err(INVALID_REQUEST);
    }
    let form = parameters(body)?;
    let basic = basic(headers);
    let posted = form.get("client_id").zip(form.get("client_secret"));
    if basic.is_some() && form.contains_key("client_secret") {
        return Err(INVALID_REQUEST);
    }
    let is_proven = match &app.client_secret {
        Some(secret) if app.basic => {
            basic.is_some_and(|(id, word)| id == app.client_id && word == *secret)
        }
        Some(secret) => posted.is_some_and(|(id, word)| *id == app.client_id && word == secret),
        None => form.get("client_id") == Some(&app.client_id),
    };
    if is_proven {
        Ok(form)
    } else {
        Err(INVALID_CLIENT)
    }
}

/// Id and secret of `Authorization: Basic`, form-decoded (§2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = BASE64_STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decoded = |text: &str| {
        form_urlencoded::parse(format!("x={text}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
    };
    Some((decoded(id)?, decoded(secret)?))
}
