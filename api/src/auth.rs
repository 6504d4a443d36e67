//! Who calls: a bearer key becomes a [`Caller`] of one organisation.
//!
//! Foreign and invented ids are one to a caller: a profile pin narrows every read, and what it hides is answered exactly
//! like what does not exist.

use crate::{
    State,
    problem::{Code, Problem},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION, request::Parts},
};
use publisher::id::{ApiKeyId, OrgId, ProfileId};
use secrecy::SecretString;

/// Longer credentials are not ours; they are not even hashed.
const KEY_CHARS_MAX: usize = 255;

const TEST_PREFIX: &str = "lmp_test_";

/// Whoever holds a valid key.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) org: OrgId,
    pub(crate) key: ApiKeyId,
    /// The one profile that the key may touch, if it is pinned.
    pub(crate) pin: Option<ProfileId>,
    is_test: bool,
    scopes: Vec<String>,
}

impl Caller {
    /// What is hidden from this caller or does not exist.
    pub(crate) fn not_found(&self, what: &str) -> Problem {
        let problem = Problem::not_found(what);
        if self.pin.is_some() {
            return problem
                .rule("api_key.profile_scope")
                .remedy("This key is bound to one profile; use a key of the whole organisation for other profiles.");
        }
        problem
    }

    /// The profile that a list is narrowed to: the one asked for, or the key's own.
    ///
    /// Errors: 404 if the key is pinned to another profile.
    pub(crate) fn narrow(&self, asked: Option<ProfileId>) -> Result<Option<ProfileId>, Problem> {
        match (self.pin, asked) {
            (Some(pin), Some(asked)) if pin != asked => Err(self.not_found("profile")),
            (pin, asked) => Ok(pin.or(asked)),
        }
    }

    /// Errors: 403 if the key is pinned to one profile; `cannot` says what it may not do.
    pub(crate) fn require_org_wide(&self, cannot: &str) -> Result<(), Problem> {
        if self.pin.is_none() {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            Code::Unauthorized,
            format!("A key that is bound to one profile cannot {cannot} accounts."),
        )
        .rule("api_key.profile_scope")
        .remedy("Use a key of the whole organisation."))
    }

    /// An empty list of scopes means all of them.
    fn require(&self, scope: &str) -> Result<(), Problem> {
        if self.scopes.is_empty() || self.scopes.iter().any(|has| has == scope) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            Code::Unauthorized,
            format!("This key lacks the scope {scope}."),
        )
        .rule("api_key.scope")
        .remedy(format!("Use a key that has the scope {scope}.")))
    }
}

/// A caller that may read.
#[derive(Debug)]
pub(crate) struct Reader(pub(crate) Caller);

/// A caller that may write.
#[derive(Debug)]
pub(crate) struct Writer(pub(crate) Caller);

impl FromRequestParts<State> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let caller = authenticate(&parts.headers, state).await?;
        caller.require("posts:read")?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<State> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let caller = authenticate(&parts.headers, state).await?;
        caller.require("posts:write")?;
        if caller.is_test {
            let message = "A test key cannot write: this server has no sandbox yet, and a test key never touches live accounts.";
            return Err(Problem::new(StatusCode::FORBIDDEN, Code::Unauthorized, message)
                .rule("api_key.environment_scope")
                .remedy("Use a live key (it begins with lmp_live_) to publish for real, or read with this one."));
        }
        Ok(Self(caller))
    }
}

async fn authenticate(headers: &HeaderMap, state: &State) -> Result<Caller, Problem> {
    let Some(key) = bearer(headers) else {
        return Err(unauthenticated(
            "Authentication is required.",
            "Send the header `Authorization: Bearer <your API key>`.",
        ));
    };
    let Some(found) = state.client().authenticate(&key).await? else {
        return Err(unauthenticated(
            "The API key is unknown or was revoked.",
            "Check the key, or make a new one; revocation takes effect at once.",
        ));
    };
    Ok(Caller {
        org: found.org,
        key: found.id,
        pin: found.profile.map(ProfileId),
        is_test: found.prefix == TEST_PREFIX,
        scopes: found.scopes,
    })
}

/// The key in the Authorization header; none if there is none, several, or something that cannot be one of ours.
fn bearer(headers: &HeaderMap) -> Option<SecretString> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
    let key = key.trim();
    let is_ours = scheme.eq_ignore_ascii_case("bearer")
        && key.starts_with("lmp_")
        && key.len() <= KEY_CHARS_MAX;
    is_ours.then(|| SecretString::from(key.to_owned()))
}

/// 401 for a missing, wrong or revoked key.
pub(crate) fn unauthenticated(message: impl Into<String>, remedy: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, message).remedy(remedy)
}

/// 401 for a key that was revoked while its request was under way.
pub(crate) fn revoked(what_goes_on: &str) -> Problem {
    let message =
        format!("The API key was revoked while this request was under way. {what_goes_on}");
    unauthenticated(
        message,
        "Use another key of the organisation to look at what became of it.",
    )
}
