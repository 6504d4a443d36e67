//! What a provider remembers: codes, tokens, and the families that came from one consent.

use super::{FakeApp, Rotation};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// Whom a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The accounts of one consent.
    pub accounts: Vec<String>,
    /// What was granted.
    pub scopes: Vec<String>,
}

/// A code as the consent page makes it.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub(super) holder: Holder,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
}

/// An error word of RFC 6749 §5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) &'static str);

const INVALID_GRANT: Refusal = Refusal("invalid_grant");

#[derive(Debug, Default)]
pub(super) struct Grants {
    codes: HashMap<String, Given<Code>>,
    access: HashMap<String, Given<Holder>>,
    refresh: HashMap<String, Given<Refresh>>,
    families: HashSet<Uuid>,
    pub(super) refreshes: u32,
}

/// Something that works until then, and what came from the same consent.
#[derive(Debug)]
struct Given<T> {
    family: Uuid,
    until: DateTime<Utc>,
    what: T,
}

#[derive(Debug)]
struct Refresh {
    holder: Holder,
    replaced: Option<Replaced>,
}

#[derive(Clone, Debug)]
struct Replaced {
    at: DateTime<Utc>,
    by: String,
}

fn later(now: DateTime<Utc>, life: Duration) -> DateTime<Utc> {
    now + TimeDelta::from_std(life).unwrap_or(TimeDelta::MAX)
}

fn fresh(kind: &str) -> String {
    format!("{kind}-{}", Uuid::now_v7().simple())
}

impl Grants {
    /// A code for what the person granted.
    pub(super) fn give_code(&mut self, code: Code, app: &FakeApp, now: DateTime<Utc>) -> String {
        let word = fresh("toycode");
        let given = Given {
            family: Uuid::now_v7(),
            until: later(now, app.code_lives),
            what: code,
        };
        self.codes.insert(word.clone(), given);
        word
    }

    /// Exchanges a code. One that was used before revokes what it gave.
    pub(super) fn redeem(
        &mut self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        app: &FakeApp,
        now: DateTime<Utc>,
    ) -> Result<Value, Refusal> {
        let given = self.codes.get(code).ok_or(INVALID_GRANT)?;
        let (family, until, code) = (given.family, given.until, given.what.clone());
        if self.families.contains(&family) {
            self.revoke_family(family);
            return Err(INVALID_GRANT);
        }
        // A code that was revoked stays known, and dead.
        let is_spent = until <= now;
        if is_spent || code.redirect_uri != redirect_uri {
            return Err(INVALID_GRANT);
        }
        let proved = match (&code.challenge, verifier) {
            (None, None) => true,
            (Some(challenge), Some(verifier)) => {
                let digest = Sha256::digest(verifier.as_bytes());
                (43..=128).contains(&verifier.len())
                    && BASE64_URL_SAFE_NO_PAD.encode(digest) == *challenge
            }
            _ => false,
        };
        if !proved {
            return Err(INVALID_GRANT);
        }
        self.families.insert(family);
        let refresh = self.give_refresh(family, code.holder.clone(), app, now);
        Ok(self.issue(family, code.holder, &refresh, app, now))
    }

    /// Exchanges a refresh token.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        app: &FakeApp,
        now: DateTime<Utc>,
    ) -> Result<Value, Refusal> {
        let known = self.refresh.get_mut(token).ok_or(INVALID_GRANT)?;
        let (family, holder) = (known.family, known.what.holder.clone());
        if known.until <= now {
            return Err(INVALID_GRANT);
        }
        let replaced = known.what.replaced.clone();
        let refresh = match (app.rotation, replaced) {
            (Rotation::Keeps, _) => token.to_owned(),
            (Rotation::Rotates { .. }, None) => {
                let next = self.give_refresh(family, holder.clone(), app, now);
                let by = next.clone();
                if let Some(known) = self.refresh.get_mut(token) {
                    known.what.replaced = Some(Replaced { at: now, by });
                }
                next
            }
            (Rotation::Rotates { grace }, Some(replaced)) if now < later(replaced.at, grace) => {
                replaced.by
            }
            (Rotation::Rotates { .. }, Some(_)) => {
                self.revoke_family(family);
                return Err(INVALID_GRANT);
            }
        };
        self.refreshes += 1;
        Ok(self.issue(family, holder, &refresh, app, now))
    }

    /// Revokes what came from the same consent as this token; what is unknown is revoked already.
    pub(super) fn revoke(&mut self, token: &str) {
        let family = self.access.get(token).map(|given| given.family);
        let family = family.or_else(|| self.refresh.get(token).map(|given| given.family));
        if let Some(family) = family {
            self.revoke_family(family);
        }
    }

    /// Revokes every family that stands for this account.
    pub(super) fn withdraw(&mut self, account: &str) {
        let theirs =
            |given: &&Given<Refresh>| given.what.holder.accounts.iter().any(|has| has == account);
        let families: Vec<Uuid> = self
            .refresh
            .values()
            .filter(theirs)
            .map(|given| given.family)
            .collect();
        for family in families {
            self.revoke_family(family);
        }
    }

    pub(super) fn admit(&self, token: &str, now: DateTime<Utc>) -> Option<Holder> {
        let given = self.access.get(token)?;
        (now < given.until).then(|| given.what.clone())
    }

    pub(super) fn live(&self) -> usize {
        self.families.len()
    }

    fn revoke_family(&mut self, family: Uuid) {
        self.families.remove(&family);
        self.access.retain(|_, given| given.family != family);
        self.refresh.retain(|_, given| given.family != family);
        self.codes.retain(|_, given| given.family != family);
    }

    fn give_refresh(
        &mut self,
        family: Uuid,
        holder: Holder,
        app: &FakeApp,
        now: DateTime<Utc>,
    ) -> String {
        let word = fresh("toyref");
        let given = Given {
            family,
            until: later(now, app.refresh_lives),
            what: Refresh {
                holder,
                replaced: None,
            },
        };
        self.refresh.insert(word.clone(), given);
        word
    }

    fn issue(
        &mut self,
        family: Uuid,
        holder: Holder,
        refresh: &str,
        app: &FakeApp,
        now: DateTime<Utc>,
    ) -> Value {
        let access = fresh("toyacc");
        let scope = holder.scopes.join(" ");
        let given = Given {
            family,
            until: later(now, app.access_lives),
            what: holder,
        };
        self.access.insert(access.clone(), given);
        json!({
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": app.access_lives.as_secs(),
            "refresh_token": refresh,
            "refresh_token_expires_in": app.refresh_lives.as_secs(),
            "scope": scope,
        })
    }
}
