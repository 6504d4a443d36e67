//! Accounts, app passwords and tokens.
//!
//! Access tokens live 120 minutes, refresh tokens 90 days. A refresh token that was exchanged stays usable for two hours
//! and leads to the same successor, so that two workers who refresh at once do not throw each other out.

use super::{
    FakeAccount,
    tokens::{Claims, Signer},
    xrpc::Refusal,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

const ACCESS: &str = "com.atproto.appPass";
const REFRESH: &str = "com.atproto.refresh";
const ACCESS_LIFE: TimeDelta = TimeDelta::minutes(120);
const REFRESH_LIFE: TimeDelta = TimeDelta::days(90);
const GRACE: TimeDelta = TimeDelta::hours(2);

/// Everything about who may do what.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    accounts: BTreeMap<String, Account>,
    refreshable: HashMap<String, Refreshable>,
    minted: u64,
    signer: Signer,
}

#[derive(Debug)]
struct Account {
    who: FakeAccount,
    revoked: bool,
    status: Option<String>,
}

/// A refresh token that the server knows, by its id.
#[derive(Debug)]
struct Refreshable {
    did: String,
    exchanged: Option<(String, DateTime<Utc>)>,
}

impl Sessions {
    /// Adds or replaces an account.
    pub(super) fn add(&mut self, account: FakeAccount) {
        self.accounts.insert(
            account.did.clone(),
            Account {
                who: account,
                revoked: false,
                status: None,
            },
        );
    }

    /// All accounts.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &FakeAccount> {
        self.accounts.values().map(|one| &one.who)
    }

    /// Forgets the app password and the refresh tokens made with it. Access tokens go on.
    pub(super) fn revoke(&mut self, did: &str) {
        if let Some(account) = self.accounts.get_mut(did) {
            account.revoked = true;
        }
        self.refreshable.retain(|_, token| token.did != did);
    }

    /// Sets or clears the account's status. Taking an account down ends its sessions.
    pub(super) fn set_status(&mut self, did: &str, status: Option<&str>) {
        if matches!(status, Some("takendown" | "suspended")) {
            self.refreshable.retain(|_, token| token.did != did);
        }
        if let Some(account) = self.accounts.get_mut(did) {
            account.status = status.map(str::to_owned);
        }
    }

    /// The DID of a DID or handle that lives here.
    pub(super) fn did(&self, identifier: &str) -> Option<&str> {
        let wanted = identifier.to_lowercase();
        self.accounts()
            .find(|one| one.did == identifier || one.handle == wanted)
            .map(|one| one.did.as_str())
    }

    /// Logs in. Errors: no such account, wrong or revoked password, taken down: all in the same words.
    pub(super) fn create(
        &mut self,
        input: &Value,
        now: DateTime<Utc>,
    ) -> Result<(String, Value), Refusal> {
        let refused = || {
            Refusal::new(
                401,
                "AuthenticationRequired",
                "Invalid identifier or password",
            )
        };
        let did = self
            .did(input["identifier"].as_str().unwrap_or_default())
            .ok_or_else(refused)?
            .to_owned();
        let account = &self.accounts[&did];
        if account.revoked || input["password"] != account.who.password.as_str() {
            return Err(refused());
        }
        // With an app password nobody gets into an account that is down, and is not told why.
        self.standing(&did).map_err(|_| refused())?;
        let id = self.next_id();
        Ok((did.clone(), self.session(&did, id, now)))
    }

    /// Exchanges a refresh token. Errors: expired, revoked, no refresh token, taken down.
    pub(super) fn refresh(
        &mut self,
        token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(String, Value), Refusal> {
        let (did, id) = self.verify(token, REFRESH, now)?;
        let revoked = || Refusal::new(400, "ExpiredToken", "Token has been revoked");
        let known = self.refreshable.get(&id).ok_or_else(revoked)?;
        let successor = match &known.exchanged {
            Some((_, until)) if now >= *until => return Err(revoked()),
            Some((successor, _)) => successor.clone(),
            None => self.next_id(),
        };
        self.standing(&did)?;
        if let Some(known) = self.refreshable.get_mut(&id) {
            known
                .exchanged
                .get_or_insert((successor.clone(), now + GRACE));
        }
        Ok((did.clone(), self.session(&did, successor, now)))
    }

    /// Forgets a refresh token. Errors: it is none.
    pub(super) fn delete(
        &mut self,
        token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let (_, id) = self.verify(token, REFRESH, now)?;
        self.refreshable.remove(&id);
        Ok(())
    }

    /// The account of an access token. Errors: expired, none, taken down.
    pub(super) fn access(
        &self,
        token: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<String, Refusal> {
        let (did, _) = self.verify(token, ACCESS, now)?;
        self.standing(&did)?;
        Ok(did)
    }

    /// What `getSession` tells. Errors: none; the account exists.
    pub(super) fn about(&self, did: &str) -> Value {
        let account = &self.accounts[did];
        let mut about =
            json!({ "handle": account.who.handle, "did": did, "active": account.status.is_none() });
        if let Some(status) = &account.status {
            about["status"] = status.as_str().into();
        }
        about
    }

    /// Refuses what an account that is down may not do. A deactivated one may log in.
    fn standing(&self, did: &str) -> Result<(), Refusal> {
        match self
            .accounts
            .get(did)
            .map(|account| account.status.as_deref())
        {
            None => Err(Refusal::new(403, "AccountNotFound", "Account not found")),
            Some(Some("takendown" | "suspended")) => Err(Refusal::new(
                401,
                "AccountTakedown",
                "Account has been taken down",
            )),
            Some(_) => Ok(()),
        }
    }

    /// Refuses writes of a deactivated account.
    pub(super) fn may_write(&self, did: &str) -> Result<(), Refusal> {
        match self.accounts[did].status {
            Some(_) => Err(Refusal::new(
                401,
                "AccountDeactivated",
                "Account is deactivated",
            )),
            None => Ok(()),
        }
    }

    fn session(&mut self, did: &str, refresh_id: String, now: DateTime<Utc>) -> Value {
        let access_id = self.next_id();
        let mut session = self.about(did);
        let claims = |scope: &str, id: &str, life: TimeDelta| {
            json!({ "scope": scope, "sub": did, "jti": id, "iat": now.timestamp(),
                    "exp": (now + life).timestamp() })
        };
        let access = claims(ACCESS, &access_id, ACCESS_LIFE);
        let refresh = claims(REFRESH, &refresh_id, REFRESH_LIFE);
        session["accessJwt"] = self.signer.sign("at+jwt", &access).into();
        session["refreshJwt"] = self.signer.sign("refresh+jwt", &refresh).into();
        self.refreshable
            .entry(refresh_id)
            .or_insert_with(|| Refreshable {
                did: did.to_owned(),
                exchanged: None,
            });
        session
    }

    fn next_id(&mut self) -> String {
        self.minted += 1;
        format!("jti-{}", self.minted)
    }

    /// Vouches for the account of an access token at another service. Errors: see [`Signer::vouch`].
    pub(super) fn vouch(
        &self,
        token: Option<&str>,
        params: &Value,
        now: DateTime<Utc>,
    ) -> Result<Value, Refusal> {
        let did = self.access(token, now)?;
        self.signer.vouch(&did, params, now)
    }

    /// Whom a token of this server vouches for. Errors: see [`Signer::vouched`].
    pub(super) fn service(
        &self,
        token: Option<&str>,
        audience: &str,
        method: &str,
        now: DateTime<Utc>,
    ) -> Result<Claims, Refusal> {
        self.signer.vouched(token, audience, method, now)
    }

    /// Reads a token: whose it is, and its id. Errors: missing, not ours, of another kind, ended.
    fn verify(
        &self,
        token: Option<&str>,
        scope: &str,
        now: DateTime<Utc>,
    ) -> Result<(String, String), Refusal> {
        let token =
            token.ok_or_else(|| Refusal::new(401, "AuthMissing", "Authentication Required"))?;
        let invalid = |message| Refusal::new(400, "InvalidToken", message);
        let claims = self
            .signer
            .read(token)
            .ok_or_else(|| invalid("Token could not be verified"))?;
        if claims["exp"]
            .as_i64()
            .is_none_or(|exp| exp <= now.timestamp())
        {
            return Err(Refusal::new(400, "ExpiredToken", "Token has expired"));
        }
        if claims["scope"] != scope {
            return Err(invalid("Bad token scope"));
        }
        let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        Ok((text("sub"), text("jti")))
    }
}
