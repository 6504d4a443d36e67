//! What the toys' fake remembers: accounts, tokens, containers, posts.

use super::ToyTimes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

/// A refusal of the fake: HTTP status and the word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u16, pub(super) &'static str);

#[derive(Default)]
pub(super) struct State {
    accounts: HashMap<String, Holder>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    containers: HashMap<String, Container>,
    posts: Vec<Made>,
}

#[derive(Default)]
struct Holder {
    password: String,
    suspended: bool,
    refreshes: u32,
}

struct Access {
    account: String,
    family: Uuid,
    expires_at: DateTime<Utc>,
}

struct Refresh {
    account: String,
    family: Uuid,
    used: bool,
}

struct Container {
    account: String,
    text: String,
    made_at: DateTime<Utc>,
    post: Option<String>,
}

struct Made {
    platform: String,
    account: String,
    id: String,
    text: String,
    created_at: DateTime<Utc>,
    visible_at: DateTime<Utc>,
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn fresh(kind: &str) -> String {
    format!("{kind}-{}", Uuid::now_v7().simple())
}

impl State {
    /// Logs in; the first log-in of a name makes the account.
    pub(super) fn log_in(
        &mut self,
        name: &str,
        password: &str,
        times: ToyTimes,
        now: DateTime<Utc>,
    ) -> Result<Value, Refused> {
        let holder = self
            .accounts
            .entry(name.to_owned())
            .or_insert_with(|| Holder {
                password: password.to_owned(),
                ..Holder::default()
            });
        if holder.password != password {
            return Err(Refused(401, "wrong_password"));
        }
        Ok(self.issue(name, Uuid::now_v7(), times, now))
    }

    /// Exchanges a refresh token for new tokens. A token that was used before was stolen by somebody: all that came from
    /// the same log-in is revoked.
    pub(super) fn refresh(
        &mut self,
        token: &str,
        times: ToyTimes,
        now: DateTime<Utc>,
    ) -> Result<Value, Refused> {
        let known = self
            .refresh
            .get_mut(token)
            .ok_or(Refused(400, "invalid_grant"))?;
        let (account, family) = (known.account.clone(), known.family);
        if std::mem::replace(&mut known.used, true) {
            self.revoke_family(family);
            return Err(Refused(400, "invalid_grant"));
        }
        if let Some(holder) = self.accounts.get_mut(&account) {
            holder.refreshes += 1;
        }
        Ok(self.issue(&account, family, times, now))
    }

    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(family) = self.refresh.get(token).map(|known| known.family) {
            self.revoke_family(family);
        }
    }

    /// Revokes everything of one account.
    pub(super) fn revoke_account(&mut self, account: &str) {
        self.access.retain(|_, access| access.account != account);
        self.refresh.retain(|_, refresh| refresh.account != account);
    }

    /// Forgets posts and containers; accounts and tokens stay.
    pub(super) fn forget_posts(&mut self) {
        self.posts.clear();
        self.containers.clear();
    }

    fn revoke_family(&mut self, family: Uuid) {
        self.access.retain(|_, access| access.family != family);
        self.refresh.retain(|_, refresh| refresh.family != family);
    }

    fn issue(&mut self, account: &str, family: Uuid, times: ToyTimes, now: DateTime<Utc>) -> Value {
        let (access, refresh) = (fresh("toyacc"), fresh("toyref"));
        let expires_at = now + delta(times.token_lives);
        let account = account.to_owned();
        self.access.insert(
            access.clone(),
            Access {
                account: account.clone(),
                family,
                expires_at,
            },
        );
        self.refresh.insert(
            refresh.clone(),
            Refresh {
                account: account.clone(),
                family,
                used: false,
            },
        );
        json!({
            "account": account,
            "access_token": access,
            "refresh_token": refresh,
            "expires_in": times.token_lives.as_secs(),
        })
    }

    /// Whether this token may act for this account now.
    pub(super) fn admit(
        &self,
        token: Option<&str>,
        account: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refused> {
        let known = token.and_then(|token| self.access.get(token));
        match known {
            Some(access) if access.account == account && now < access.expires_at => {}
            _ => return Err(Refused(401, "expired_token")),
        }
        match self.accounts.get(account) {
            Some(holder) if holder.suspended => Err(Refused(403, "suspended")),
            _ => Ok(()),
        }
    }

    /// Suspends an account, or lets it go on.
    pub(super) fn suspend(&mut self, account: &str, suspended: bool) {
        self.accounts
            .entry(account.to_owned())
            .or_default()
            .suspended = suspended;
    }

    pub(super) fn account(&self, account: &str) -> Value {
        let holder = self.accounts.get(account);
        json!({
            "account": account,
            "known": holder.is_some(),
            "suspended": holder.is_some_and(|h| h.suspended),
            "refreshes": holder.map_or(0, |h| h.refreshes),
            "sessions": self.refresh.values().filter(|r| r.account == account && !r.used).count(),
        })
    }

    pub(super) fn accounts(&self) -> Vec<String> {
        let mut names: Vec<String> = self.accounts.keys().cloned().collect();
        names.sort();
        names
    }

    /// Makes a post public; returns its id.
    pub(super) fn make(
        &mut self,
        platform: &str,
        account: &str,
        text: &str,
        visible_after: Duration,
        now: DateTime<Utc>,
    ) -> String {
        let id = fresh("post");
        self.posts.push(Made {
            platform: platform.to_owned(),
            account: account.to_owned(),
            id: id.clone(),
            text: text.to_owned(),
            created_at: now,
            visible_at: now + delta(visible_after),
        });
        id
    }

    /// What is listed of an account now, newest first.
    pub(super) fn list(
        &self,
        platform: &str,
        account: &str,
        since: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Value {
        let listed = |post: &&Made| {
            post.platform == platform
                && post.account == account
                && post.visible_at <= now
                && since.is_none_or(|since| post.created_at >= since)
        };
        let posts: Vec<Value> = self
            .posts
            .iter()
            .rev()
            .filter(listed)
            .map(|p| json!({ "id": p.id, "text": p.text, "created_at": p.created_at }))
            .collect();
        json!({ "posts": posts })
    }

    pub(super) fn contain(&mut self, account: &str, text: &str, now: DateTime<Utc>) -> String {
        let id = fresh("container");
        let (account, text) = (account.to_owned(), text.to_owned());
        self.containers.insert(
            id.clone(),
            Container {
                account,
                text,
                made_at: now,
                post: None,
            },
        );
        id
    }

    /// The text in a container.
    pub(super) fn contained(&self, account: &str, id: &str) -> Option<&str> {
        let container = self.containers.get(id).filter(|c| c.account == account)?;
        Some(&container.text)
    }

    /// The status of a container, as its answer. Errors: there is none of that id.
    pub(super) fn status(
        &self,
        account: &str,
        id: &str,
        times: ToyTimes,
        now: DateTime<Utc>,
    ) -> Result<Value, Refused> {
        let container = self.containers.get(id).filter(|c| c.account == account);
        let container = container.ok_or(Refused(404, "no_container"))?;
        let age = now - container.made_at;
        let status = match &container.post {
            Some(_) => "PUBLISHED",
            None if age >= delta(times.container_lives) => "EXPIRED",
            None if age < delta(times.container_takes) => "IN_PROGRESS",
            None => "FINISHED",
        };
        Ok(json!({ "id": id, "status": status, "post_id": container.post }))
    }

    /// Makes the content of a container public, as often as it is asked to.
    pub(super) fn publish(
        &mut self,
        account: &str,
        id: &str,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let text = self.contained(account, id)?.to_owned();
        let post = self.make("toy_steps", account, &text, Duration::ZERO, now);
        let container = self.containers.get_mut(id)?;
        container.post = Some(post.clone());
        Some(post)
    }
}
