//! What a token endpoint issues.

use crate::authorizer::TokenSet;
use crate::http::Answer;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// No platform issues for longer; what says so is read as "without an end".
const LIFE_MAX: Duration = Duration::from_hours(24 * 366 * 10);

/// Tokens as they were issued (RFC 6749 §5.1). Debug shows lives and scopes, never a value.
#[derive(Clone)]
pub struct Issued {
    /// The access token.
    pub access: SecretString,
    /// The refresh token, if there is a new one.
    pub refresh: Option<SecretString>,
    /// How long the access token lives; none if it was not said.
    pub expires_in: Option<Duration>,
    /// How long the refresh token lives; none if it was not said.
    pub refresh_expires_in: Option<Duration>,
    /// What was granted; none where nothing was said, which means what was asked for.
    pub scopes: Option<Vec<String>>,
    rest: Map<String, Value>,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued")
            .field("expires_in", &self.expires_in)
            .field("refresh_expires_in", &self.refresh_expires_in)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Issued {
    /// Reads an answer; none if it holds no access token that can be used as a bearer.
    pub(super) fn read(answer: &Answer) -> Option<Self> {
        let body: Value = answer.json().ok()?;
        let mut rest = match body {
            Value::Object(found) if found.contains_key("access_token") => found,
            // Instagram's documents show one inside of `data`.
            Value::Object(mut found) => match found.remove("data")? {
                Value::Array(items) => items.into_iter().next()?.as_object()?.clone(),
                Value::Object(inner) => inner,
                _ => return None,
            },
            _ => return None,
        };
        let is_bearer = rest
            .get("token_type")
            .and_then(Value::as_str)
            .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let mut take = |name: &str| match rest.remove(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Some(text),
            _ => None,
        };
        let access = take("access_token").filter(|_| is_bearer)?.into();
        let refresh = take("refresh_token").map(Into::into);
        let scopes = ["scope", "permissions"]
            .into_iter()
            .find_map(|name| list(rest.get(name)?));
        Some(Self {
            access,
            refresh,
            expires_in: life(rest.get("expires_in")),
            refresh_expires_in: ["refresh_expires_in", "refresh_token_expires_in"]
                .into_iter()
                .find_map(|name| life(rest.get(name))),
            scopes,
            rest,
        })
    }

    /// A further member of the answer as text (`open_id`, `user_id`); numbers as their digits.
    pub fn member(&self, name: &str) -> Option<String> {
        match self.rest.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// What a second exchange gave, with what only the first one said.
    pub(super) fn instead_of(mut self, first: Self) -> Self {
        self.refresh = self.refresh.or(first.refresh);
        self.scopes = self.scopes.or(first.scopes);
        for (name, value) in first.rest {
            self.rest.entry(name).or_insert(value);
        }
        self
    }

    /// The tokens to be kept, counted from `now`.
    ///
    /// `asked` are the scopes that count where the answer names none; `before` are the tokens that these replace: what the
    /// answer does not renew stays in force.
    pub fn into_set(
        self,
        now: DateTime<Utc>,
        asked: &[&str],
        before: Option<&TokenSet>,
    ) -> TokenSet {
        let at = |life: Duration| now.checked_add_signed(TimeDelta::from_std(life).ok()?);
        let asked = || asked.iter().map(ToString::to_string).collect();
        TokenSet {
            expires_at: self.expires_in.and_then(at),
            refresh_expires_at: match self.refresh_expires_in {
                Some(life) => at(life),
                None if self.refresh.is_some() => None,
                None => before.and_then(|before| before.refresh_expires_at),
            },
            access: self.access,
            refresh: self
                .refresh
                .or_else(|| before.and_then(|before| before.refresh.clone())),
            others: before.map_or_else(BTreeMap::new, |before| before.others.clone()),
            scopes: self
                .scopes
                .or_else(|| before.map(|before| before.scopes.clone()))
                .unwrap_or_else(asked),
        }
    }

    /// The same, of a platform whose access token renews itself: it is the refresh token, too.
    pub fn into_self_renewing(
        self,
        now: DateTime<Utc>,
        asked: &[&str],
        before: Option<&TokenSet>,
    ) -> TokenSet {
        let access = SecretString::from(self.access.expose_secret().to_owned());
        TokenSet {
            refresh: Some(access),
            ..self.into_set(now, asked, before)
        }
    }
}

/// Seconds, as a number or as digits.
fn life(value: Option<&Value>) -> Option<Duration> {
    let seconds = match value? {
        Value::Number(number) => number.as_u64()?,
        Value::String(digits) => digits.trim().parse().ok()?,
        _ => return None,
    };
    let life = Duration::from_secs(seconds);
    (life > Duration::ZERO && life <= LIFE_MAX).then_some(life)
}

/// Scopes: text with commas or spaces between them, or a list.
fn list(value: &Value) -> Option<Vec<String>> {
    let words: Vec<String> = match value {
        Value::String(text) => text
            .split([',', ' '])
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect(),
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => return None,
    };
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(body: &Value) -> Answer {
        Answer {
            status: 200,
            headers: http::HeaderMap::new(),
            body: body.to_string().into(),
        }
    }

    #[test]
    fn every_platforms_shape_is_read() {
        let tiktok = json!({"access_token": "a", "refresh_token": "r", "expires_in": 7200, "refresh_expires_in": 15_552_000,
                            "open_id": "o", "scope": "user.info.basic,video.publish", "token_type": "Bearer"});
        let issued = Issued::read(&answer(&tiktok)).unwrap();
        assert_eq!(issued.scopes.as_ref().unwrap().len(), 2);
        assert_eq!(issued.member("open_id").as_deref(), Some("o"));
        assert_eq!(
            issued.refresh_expires_in,
            Some(Duration::from_hours(24 * 180))
        );

        let instagram = json!({"data": [{"access_token": "a", "user_id": 17_841_405_793_187_218_u64, "permissions": ["x", "y"]}]});
        let issued = Issued::read(&answer(&instagram)).unwrap();
        assert_eq!(
            issued.member("user_id").as_deref(),
            Some("17841405793187218")
        );
        assert_eq!(
            issued.scopes.as_deref(),
            Some(&["x".to_owned(), "y".to_owned()][..])
        );
        assert!(issued.refresh.is_none() && issued.expires_in.is_none());
        assert!(!format!("{issued:?}").contains("17841405793187218"));
    }

    #[test]
    fn what_is_no_bearer_token_is_none() {
        for body in [
            json!({"access_token": "a", "token_type": "mac"}),
            json!({"access_token": " "}),
            json!({"access_token": 5}),
            json!({"data": []}),
            json!({"error": "invalid_grant"}),
            json!([]),
        ] {
            assert!(Issued::read(&answer(&body)).is_none(), "{body}");
        }
    }

    #[test]
    fn a_life_beyond_reason_is_no_end_and_what_is_not_renewed_stays() {
        let now = DateTime::UNIX_EPOCH;
        let first = json!({"access_token": "a", "refresh_token": "r", "expires_in": "60", "refresh_expires_in": 600});
        let first = Issued::read(&answer(&first))
            .unwrap()
            .into_set(now, &["post"], None);
        assert_eq!(first.expires_at, Some(now + TimeDelta::seconds(60)));
        assert_eq!(first.scopes, ["post"]);
        let next = json!({"access_token": "b", "expires_in": u64::MAX});
        let next = Issued::read(&answer(&next))
            .unwrap()
            .into_set(now, &[], Some(&first));
        assert_eq!(next.refresh.as_ref().unwrap().expose_secret(), "r");
        assert_eq!(
            (next.expires_at, next.refresh_expires_at),
            (None, first.refresh_expires_at)
        );
        assert_eq!(next.scopes, ["post"]);
    }
}
