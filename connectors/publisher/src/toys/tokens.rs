//! Whom a bearer token may act for: the toys' own tokens, and those of the consent page.

use super::{CONSENT_PLATFORM, ToyPlatform, server::Toys, state::Refused};
use axum::{
    Json,
    extract::State as Shared,
    http::{HeaderMap, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

impl ToyPlatform {
    /// Whether this token may act for this account now.
    pub(super) fn admit(
        &self,
        platform: &str,
        token: Option<&str>,
        account: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        if platform != CONSENT_PLATFORM {
            return self.state().admit(token, account, now);
        }
        let holder = token.and_then(|token| self.oauth.admit(token, now));
        let holder = holder.filter(|holder| holder.accounts.iter().any(|has| has == account));
        match holder {
            None => Err(Refused(401, "expired_token")),
            Some(holder) if holder.scopes.iter().any(|has| has == "posts") => Ok(()),
            Some(_) => Err(Refused(403, "insufficient_scope")),
        }
    }
}

/// `GET /toy_oauth/me`: the accounts that a token stands for.
pub(super) async fn me(Shared(toys): Shared<Toys>, headers: HeaderMap) -> Response {
    let now = toys.kit.clock.now();
    let holder = bearer(&headers).and_then(|token| toys.platform.oauth.admit(token, now));
    match holder {
        Some(holder) => {
            let named = |account: &String| json!({ "id": account });
            let accounts: Vec<Value> = holder.accounts.iter().map(named).collect();
            Json(json!({ "accounts": accounts })).into_response()
        }
        None => Refused(401, "expired_token").into_response(),
    }
}

/// The token of `Authorization: Bearer …`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}
