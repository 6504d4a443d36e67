//! Tokens of the fake: they look like JSON Web Tokens and carry what theirs carry; the signature is a hash over a secret
//! that only this server has.

use super::xrpc::Refusal;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest life of a token for another service; of one that is good for any method.
const SERVICE_LIFE_MAX: (TimeDelta, TimeDelta) = (TimeDelta::hours(1), TimeDelta::minutes(1));

/// What a server signs with; no two servers of a process have the same.
#[derive(Debug)]
pub(super) struct Signer(u64);

impl Default for Signer {
    fn default() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        Self(MADE.fetch_add(1, Ordering::Relaxed))
    }
}

/// What a token for another service says.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// Whom the PDS vouches for.
    pub(super) iss: String,
    aud: String,
    lxm: Option<String>,
    exp: i64,
}

impl Signer {
    /// A token with these claims.
    pub(super) fn sign(&self, kind: &str, claims: &Value) -> String {
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let head = encode(&json!({ "typ": kind, "alg": "HS256" }));
        let signed = format!("{head}.{}", encode(claims));
        let signature = self.signature(&signed);
        format!("{signed}.{signature}")
    }

    /// The claims of a token of ours; none if it is none.
    pub(super) fn read(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        if self.signature(signed) != signature {
            return None;
        }
        let claims = BASE64_URL_SAFE_NO_PAD
            .decode(signed.rsplit('.').next()?)
            .ok()?;
        serde_json::from_slice(&claims).ok()
    }

    fn signature(&self, signed: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(
            Sha256::new()
                .chain_update(b"fake pds")
                .chain_update(self.0.to_be_bytes())
                .chain_update(signed)
                .finalize(),
        )
    }

    /// `com.atproto.server.getServiceAuth`. Errors: an expiry that is in the past or too far away.
    pub(super) fn vouch(
        &self,
        did: &str,
        params: &Value,
        now: DateTime<Utc>,
    ) -> Result<Value, Refusal> {
        let bad = |message| Err(Refusal::new(400, "BadExpiration", message));
        let (longest, any_method) = SERVICE_LIFE_MAX;
        let expires = params["exp"]
            .as_i64()
            .unwrap_or((now + any_method).timestamp());
        if expires <= now.timestamp() {
            return bad("expiration is in past");
        }
        if expires > (now + longest).timestamp() {
            return bad(
                "cannot request a token with an expiration more than an hour in the future",
            );
        }
        if params.get("lxm").is_none() && expires > (now + any_method).timestamp() {
            return bad(
                "cannot request a method-less token with an expiration more than a minute in the future",
            );
        }
        let mut claims =
            json!({ "iss": did, "aud": params["aud"], "exp": expires, "iat": now.timestamp() });
        if let Some(method) = params.get("lxm") {
            claims["lxm"] = method.clone();
        }
        Ok(json!({ "token": self.sign("JWT", &claims) }))
    }

    /// Whom a token vouches for at this service and for this method. Errors: in the words of the protocol's library.
    pub(super) fn vouched(
        &self,
        token: Option<&str>,
        audience: &str,
        method: &str,
        now: DateTime<Utc>,
    ) -> Result<Claims, Refusal> {
        let refused = |error, message| Refusal::new(401, error, message);
        let token = token.ok_or_else(|| refused("AuthMissing", "Authentication Required"))?;
        let claims: Claims = self
            .read(token)
            .and_then(|claims| serde_json::from_value(claims).ok())
            .ok_or_else(|| refused("BadJwt", "poorly formatted jwt"))?;
        if claims.exp <= now.timestamp() {
            return Err(refused("JwtExpired", "jwt expired"));
        }
        if claims.aud != audience {
            return Err(refused(
                "BadJwtAudience",
                "jwt audience does not match service did",
            ));
        }
        if claims.lxm.as_deref() != Some(method) {
            return Err(refused(
                "BadJwtLexiconMethod",
                "bad jwt lexicon method (\"lxm\")",
            ));
        }
        Ok(claims)
    }
}

/// The DID of a PDS: its host's name, without a port.
pub(super) fn did_of_host(host: Option<&str>) -> String {
    let host = host.unwrap_or("localhost");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    format!("did:web:{name}")
}
