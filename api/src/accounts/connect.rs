//! Connecting an account: what to enter, and taking it.
//!
//! Every field of a completing request counts as secret: none is repeated in an answer, an error or a log.

use super::{consent, view};
use crate::{
    State,
    auth::{Caller, Writer},
    body, json,
    path::PathWord,
    problem::{Code, Problem, Violation},
    wire::unknown_field,
};
use axum::{
    Json,
    body::Body,
    extract::State as Shared,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use engine::{ConnectError, ConnectRequest};
use publisher::{Class, Descriptor, Entered, Failure, Form, Warning, id::ProfileId};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Every platform of the contract; those without a connector here are not enabled.
const CONTRACT: [&str; 10] = [
    "bluesky",
    "facebook",
    "instagram",
    "linkedin",
    "pinterest",
    "threads",
    "tiktok",
    "twitter",
    "x",
    "youtube",
];

/// How an account of a platform is connected.
#[derive(Debug, Serialize)]
pub(crate) struct Begun {
    platform: &'static str,
    state: &'static str,
    descriptor: Descriptor,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// `POST /v1/accounts/connect/:platform`: what a person must enter.
pub(crate) async fn begin(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    PathWord(platform): PathWord,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Begun>, Problem> {
    caller.require_org_wide("connect")?;
    let (platform, fields) = found(&state, &platform)?;
    let bytes = body::read(&state, &headers, body).await?;
    let form = if bytes.is_empty() {
        Map::new()
    } else {
        json::read::<Map<String, Value>>(&bytes)?.value
    };
    let profile = profile(&state, &caller, form.get("profileId")).await?;
    let unknown = form
        .keys()
        .filter(|name| !["profileId", "returnTo"].contains(&name.as_str()));
    let warnings = unknown
        .map(|name| unknown_field(&json::segment(name)))
        .collect();
    let descriptor = if let Some(fields) = fields {
        Descriptor::Credentials(fields)
    } else {
        let return_to = form.get("returnTo").and_then(Value::as_str);
        let begun = consent::begin(&state, &caller, platform, profile, return_to).await?;
        Descriptor::OAuth(begun)
    };
    Ok(Json(Begun {
        platform,
        state: "live",
        descriptor,
        warnings,
    }))
}

/// `POST /v1/accounts/connect/:platform/complete`: 201 for a new account, 200 for one that was connected before.
pub(crate) async fn complete(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    PathWord(platform): PathWord,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    caller.require_org_wide("connect")?;
    let (platform, fields) = found(&state, &platform)?;
    let bytes = body::read(&state, &headers, body).await?;
    let mut form = json::read::<Map<String, Value>>(&bytes)?.value;
    drop(bytes);
    let Some(fields) = fields else {
        let granted = consent::complete(&state, &caller, platform, form).await?;
        return Ok(granted.into_response());
    };
    let profile = profile(&state, &caller, form.remove("profileId").as_ref()).await?;
    let (entered, warnings) = entered(form, &fields)?;
    let ask = ConnectRequest {
        org: caller.org,
        profile,
        platform,
        entered,
    };
    let connected = state
        .client()
        .connect_account(ask)
        .await
        .map_err(|error| refused(error, platform))?;
    if !state.client().is_key_valid(caller.org, caller.key).await? {
        return Err(crate::auth::revoked(
            "The account had been connected and stays so.",
        ));
    }
    let status = if connected.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(view(connected.account, warnings))).into_response())
}

/// The platform's own id, and its form if it has one. Errors: 400 for what is no platform, 403 for what is not enabled here.
fn found(state: &State, platform: &str) -> Result<(&'static str, Option<Form>), Problem> {
    let client = state.client();
    if let Some(connector) = client.registry().get(platform) {
        return Ok((connector.platform, connector.authorizer.form()));
    }
    if CONTRACT.contains(&platform) {
        let message = format!("{platform} is not enabled on this server.");
        return Err(
            Problem::new(StatusCode::FORBIDDEN, Code::PlatformNotEnabled, message)
                .platform(if platform == "x" { "twitter" } else { platform })
                .remedy(format!(
                    "These are: {}.",
                    client.registry().platforms().join(", ")
                )),
        );
    }
    let message = format!(
        "There is no such platform; there are {}.",
        client.registry().platforms().join(", ")
    );
    Err(Problem::invalid(Violation::at("platform", message)))
}

/// The profile that a new account goes to. Errors: 404 for one that the organisation does not have.
async fn profile(
    state: &State,
    caller: &Caller,
    asked: Option<&Value>,
) -> Result<ProfileId, Problem> {
    let store = state.client().store();
    let unknown = || Problem::not_found("profile").rule("profile.unknown");
    match asked {
        None | Some(Value::Null) => store.default_profile(caller.org).await?.ok_or_else(unknown),
        Some(value) => {
            let Some(id) = value.as_str().and_then(|text| text.parse().ok()) else {
                return Err(Problem::invalid(Violation::at("profileId", "Invalid uuid")));
            };
            Ok(store
                .find_profile(caller.org, id)
                .await?
                .ok_or_else(unknown)?
                .id)
        }
    }
}

/// What was entered, and warnings about what the platform does not ask for. Errors: 400 for what is not text.
fn entered(form: Map<String, Value>, asked: &Form) -> Result<(Entered, Vec<Warning>), Problem> {
    let fields = &asked.fields;
    let mut found = Vec::new();
    let mut warnings = Vec::new();
    let mut values = BTreeMap::new();
    for (name, value) in form {
        if !fields.iter().any(|field| field.name == name) {
            warnings.push(unknown_field(&json::segment(&name)));
            continue;
        }
        match value {
            Value::String(text) => drop(values.insert(name, SecretString::from(text))),
            Value::Null => {}
            _ => found.push(Violation::at(
                name.clone(),
                format!("`{name}` must be a string."),
            )),
        }
    }
    let entered = Entered(values);
    for field in fields
        .iter()
        .filter(|field| field.required && entered.get(field.name).is_none())
    {
        if !found
            .iter()
            .any(|violation: &Violation| violation.path == field.name)
        {
            found.push(
                Violation::at(field.name, "Required").remedy(format!("Enter: {}.", field.label)),
            );
        }
    }
    if found.is_empty() {
        Ok((entered, warnings))
    } else {
        Err(Problem::invalid_all(found))
    }
}

pub(super) fn refused(error: ConnectError, platform: &str) -> Problem {
    match error {
        ConnectError::UnknownPlatform => {
            Problem::invalid(Violation::at("platform", "There is no such platform."))
        }
        ConnectError::Refused(failure) => consent::not_ready(failure, platform),
        ConnectError::Consent(fault) => consent::fault(fault),
        ConnectError::TooMany => {
            let message = "The organisation has as many consents under way as it may: 100.";
            let remedy = "Complete some, or wait ten minutes: they expire.";
            Problem::invalid(Violation::at("connect.too_many", message).remedy(remedy))
        }
        ConnectError::NoneGranted => {
            Problem::invalid(Violation::at("accounts", "No account was granted."))
        }
        ConnectError::Store(error) => error.into(),
        ConnectError::Seal(error) => {
            crate::problem::tell(&error);
            Problem::internal()
        }
    }
}

/// The platform's refusal, without its own words: they could repeat what was entered.
pub(super) fn told(failure: Failure, platform: &str) -> Problem {
    let (status, code) = match failure.class {
        Class::Rejected | Class::Duplicate => (StatusCode::BAD_REQUEST, Code::ValidationFailed),
        Class::AccountBlocked | Class::Unauthorized => {
            (StatusCode::UNAUTHORIZED, Code::PlatformAuthFailed)
        }
        Class::Transient
        | Class::RateLimited
        | Class::Stale
        | Class::OperatorBlocked
        | Class::Ambiguous => (StatusCode::SERVICE_UNAVAILABLE, Code::PlatformUnavailable),
    };
    let problem = Problem::new(status, code, failure.message)
        .platform(platform)
        .rule(failure.rule.unwrap_or(failure.code));
    let problem = match failure.remediation {
        Some(remedy) => problem.remedy(remedy),
        None => problem,
    };
    match (status, failure.retry_in) {
        (StatusCode::SERVICE_UNAVAILABLE, Some(after)) => {
            problem.retry_after(after.as_secs().max(1))
        }
        _ => problem,
    }
}
