//! Connecting by consent: what is begun with a key, and the platform's redirect, which has none.
//!
//! The state binds both: it is single-use, expires, and belongs to one organisation and profile. Nobody else learns anything
//! here: a state that is unknown, used, or somebody else's is one and the same, and nothing that came back is repeated.

use super::connect::{refused, told};
use super::{AccountView, view};
use crate::{
    State,
    auth::Caller,
    path::PathWord,
    problem::{Problem, Violation},
};
use axum::{
    Json,
    extract::{RawQuery, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use engine::{ConnectError, Connected, ConsentFault, ConsentRequest, TakenConsent};
use publisher::{Class, Consent, Warning, id::ProfileId};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use url::{Url, form_urlencoded};

/// Longest word of a platform's error that is handed on.
const WORD_CHARS_MAX: usize = 64;

/// What a completing request may hold.
const FIELDS: [&str; 4] = ["code", "state", "redirectUri", "codeVerifier"];

/// Every account of one consent: the first as itself, all in `accounts` when there are several.
#[derive(Debug, Serialize)]
pub(crate) struct Granted {
    #[serde(flatten)]
    first: AccountView,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<AccountView>,
}

/// Where a platform sends people back to.
pub(super) fn redirect_uri(state: &State, platform: &str) -> String {
    format!(
        "{}/v1/accounts/oauth/{platform}/callback",
        state.config().public_url
    )
}

/// Begins a consent of this caller.
pub(super) async fn begin(
    state: &State,
    caller: &Caller,
    platform: &'static str,
    profile: ProfileId,
    return_to: Option<&str>,
) -> Result<Consent, Problem> {
    let redirect_uri = redirect_uri(state, platform);
    let ask = ConsentRequest {
        org: caller.org,
        profile,
        platform,
        key: caller.key,
        redirect_uri: &redirect_uri,
        return_to: return_to.filter(|wish| is_trusted(state, wish)),
    };
    let begun = state.client().begin_consent(ask).await;
    begun.map_err(|error| refused(error, platform))
}

/// Completes a consent of this caller with what they bring: `code`, `state`, and perhaps `redirectUri` and `codeVerifier`.
pub(super) async fn complete(
    state: &State,
    caller: &Caller,
    platform: &'static str,
    form: Map<String, Value>,
) -> Result<(StatusCode, Json<Granted>), Problem> {
    let (mut form, warnings) = entered(form)?;
    let mut take = |name: &str| form.remove(name);
    let (Some(code), Some(word)) = (take("code"), take("state")) else {
        return Err(Problem::internal());
    };
    let (redirect, verifier) = (take("redirectUri"), take("codeVerifier"));
    let by = Some((caller.org, caller.key));
    let client = state.client();
    let done = async {
        let consent = client.take_consent(platform, &word.into(), by).await?;
        consent.compare(
            redirect.as_deref(),
            verifier.map(SecretString::from).as_ref(),
        )?;
        client.complete_consent(consent, code.into()).await
    };
    let connected = done.await.map_err(|error| refused(error, platform))?;
    let status = if connected.iter().any(|one| one.created) {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    granted(connected, warnings).map(|granted| (status, Json(granted)))
}

fn granted(connected: Vec<Connected>, warnings: Vec<Warning>) -> Result<Granted, Problem> {
    let mut accounts = Vec::new();
    if connected.len() > 1 {
        accounts = connected
            .iter()
            .map(|one| view(one.account.clone(), Vec::new()))
            .collect();
    }
    let first = connected.into_iter().next().ok_or_else(Problem::internal)?;
    Ok(Granted {
        first: view(first.account, warnings),
        accounts,
    })
}

/// The fields as text. Errors: 400 with all that is missing or no text.
fn entered(form: Map<String, Value>) -> Result<(BTreeMap<String, String>, Vec<Warning>), Problem> {
    let mut found = Vec::new();
    let mut warnings = Vec::new();
    let mut values = BTreeMap::new();
    for (name, value) in form {
        match value {
            _ if !FIELDS.contains(&name.as_str()) => {
                warnings.push(crate::wire::unknown_field(&crate::json::segment(&name)));
            }
            Value::String(text) if !text.trim().is_empty() => {
                values.insert(name, text.trim().to_owned());
            }
            Value::String(_) | Value::Null => {}
            _ => {
                let message = format!("`{name}` must be a string.");
                found.push(Violation::at(name, message));
            }
        }
    }
    for name in ["code", "state"] {
        if !values.contains_key(name) && found.iter().all(|violation| violation.path != name) {
            let remedy = format!("Send the `{name}` that came back with the person.");
            found.push(Violation::at(name, "Required").remedy(remedy));
        }
    }
    if found.is_empty() {
        Ok((values, warnings))
    } else {
        Err(Problem::invalid_all(found))
    }
}

/// `GET /v1/accounts/oauth/:platform/callback`: where the platform sends the person; always on to the dashboard.
pub(crate) async fn callback(
    Shared(state): Shared<State>,
    PathWord(platform): PathWord,
    RawQuery(query): RawQuery,
) -> Response {
    let mut sent = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        sent.entry(name.into_owned())
            .or_insert_with(|| value.into_owned());
    }
    let mut back = Back {
        to: None,
        platform: state
            .client()
            .registry()
            .get(&platform)
            .map(|found| found.platform),
    };
    let outcome = returned(&state, &platform, sent, &mut back).await;
    let to = back.address(&state, &outcome);
    let headers = [
        (header::LOCATION, to),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// Where the person is sent in the end.
struct Back {
    to: Option<String>,
    platform: Option<&'static str>,
}

/// Why somebody came back in vain.
struct Vain {
    reason: String,
    problem: Option<ConnectError>,
}

impl Vain {
    fn because(reason: &str) -> Self {
        Self {
            reason: reason.to_owned(),
            problem: None,
        }
    }
}

impl From<ConnectError> for Vain {
    fn from(error: ConnectError) -> Self {
        let reason = match &error {
            ConnectError::Consent(fault) => match fault {
                ConsentFault::Malformed => "invalid_state_malformed",
                ConsentFault::Unknown
                | ConsentFault::OtherRedirect
                | ConsentFault::OtherVerifier => "invalid_state_bad_signature",
                ConsentFault::Expired | ConsentFault::Revoked => "invalid_state_expired",
                ConsentFault::OtherPlatform => "platform_mismatch",
            },
            ConnectError::NoneGranted => "no_accounts_granted",
            ConnectError::Refused(failure) => match failure.class {
                Class::AccountBlocked | Class::Unauthorized => "platform_auth_failed",
                Class::RateLimited => "platform_unavailable",
                _ => "exchange_failed",
            },
            _ => "internal_error",
        };
        Self {
            reason: reason.to_owned(),
            problem: Some(error),
        }
    }
}

/// Completes what came back; says how many accounts are connected.
async fn returned(
    state: &State,
    platform: &str,
    mut sent: BTreeMap<String, String>,
    back: &mut Back,
) -> Result<usize, Vain> {
    let word = sent.remove("state").filter(|word| !word.is_empty());
    let consent = match word {
        // Taken also when the person said no: a state is good for one return.
        Some(word) => Some(
            state
                .client()
                .take_consent(platform, &word.into(), None)
                .await,
        ),
        None => None,
    };
    if let Some(Ok(taken)) = &consent {
        back.to.clone_from(&taken.return_to);
    }
    if let Some(error) = sent.remove("error").filter(|error| !error.is_empty()) {
        return Err(Vain::because(&plain_word(&error)));
    }
    let code = sent.remove("code").filter(|code| !code.is_empty());
    let (Some(consent), Some(code)) = (consent, code) else {
        return Err(Vain::because("missing_params"));
    };
    let consent: TakenConsent = consent?;
    let connected = state
        .client()
        .complete_consent(consent, code.into())
        .await?;
    Ok(connected.len())
}

/// A platform's error word as it is, if it is one.
fn plain_word(error: &str) -> String {
    let is_word = error.len() <= WORD_CHARS_MAX
        && error
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_word {
        error.to_owned()
    } else {
        "provider_error".to_owned()
    }
}

impl Back {
    fn address(&self, state: &State, outcome: &Result<usize, Vain>) -> String {
        let accounts = format!("{}/accounts", state.config().dashboard_url);
        let to = self.to.as_deref().unwrap_or(&accounts);
        let Ok(mut to) = Url::parse(to) else {
            return accounts;
        };
        {
            let mut pairs = to.query_pairs_mut();
            match outcome {
                Ok(count) => {
                    pairs
                        .append_pair("connected", self.platform.unwrap_or_default())
                        .append_pair("accounts", &count.to_string());
                }
                Err(vain) => {
                    pairs
                        .append_pair("connect_error", &vain.reason)
                        .append_pair("platform", self.platform.unwrap_or_default());
                    for (name, value) in vain.details() {
                        pairs.append_pair(name, &value);
                    }
                }
            }
        }
        to.into()
    }
}

impl Vain {
    fn details(&self) -> Vec<(&'static str, String)> {
        let Some(ConnectError::Refused(failure)) = &self.problem else {
            if let Some(error @ (ConnectError::Store(_) | ConnectError::Seal(_))) = &self.problem {
                crate::problem::tell(error);
            }
            return Vec::new();
        };
        let rule = failure.rule.as_ref().unwrap_or(&failure.code);
        let remedy = failure.remediation.clone();
        let told = [
            ("connect_rule", Some(rule.clone())),
            ("connect_message", Some(failure.message.clone())),
            ("connect_remediation", remedy),
        ];
        told.into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }
}

/// Whether somebody may be sent there: to the dashboard's own origin, and nowhere else.
fn is_trusted(state: &State, wish: &str) -> bool {
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin());
    let (Some(wish), Some(own)) = (origin(wish), origin(&state.config().dashboard_url)) else {
        return false;
    };
    wish.is_tuple() && wish == own
}

/// What is wrong with what came back, to the caller who brought it.
pub(super) fn fault(fault: ConsentFault) -> Problem {
    let (rule, message) = match fault {
        ConsentFault::Malformed | ConsentFault::Unknown => (
            "state",
            "The state is not known here: it works once, for ten minutes, for the key that began.",
        ),
        ConsentFault::Expired => ("state.expired", "The consent took longer than ten minutes."),
        ConsentFault::OtherPlatform => (
            "platform.mismatch",
            "The state belongs to another platform.",
        ),
        ConsentFault::OtherRedirect => (
            "redirectUri",
            "The redirect address is not the one that the consent was begun with.",
        ),
        ConsentFault::OtherVerifier => (
            "codeVerifier",
            "The verifier is not the one that the consent was begun with.",
        ),
        ConsentFault::Revoked => {
            return crate::auth::revoked("Accounts that were connected before stay so.");
        }
    };
    Problem::invalid(
        Violation::new(rule, rule.split('.').next().unwrap_or(rule), message)
            .remedy("Begin again with POST /v1/accounts/connect/:platform."),
    )
}

/// An app that the operator has not registered, or that the platform refuses: not enabled, as far as callers are concerned.
pub(super) fn not_ready(failure: publisher::Failure, platform: &str) -> Problem {
    let is_unregistered = failure.code.ends_with(".app.none");
    if !is_unregistered {
        return told(failure, platform);
    }
    let message = format!("{platform} is not enabled on this server: it has no app there.");
    let problem = Problem::new(
        StatusCode::FORBIDDEN,
        crate::problem::Code::PlatformNotEnabled,
        message,
    );
    let problem = problem.platform(platform);
    match failure.remediation {
        Some(remedy) => problem.remedy(remedy),
        None => problem,
    }
}
