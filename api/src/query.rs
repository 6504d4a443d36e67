//! Query strings: names and values, decoded strictly, each taken once; what nobody takes is warned of.

use crate::{
    json::segment,
    problem::{Problem, Violation},
    wire::unknown_field,
};
use axum::{extract::FromRequestParts, http::request::Parts};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use publisher::{Warning, id::ProfileId};
use std::{mem, str::FromStr};
use store::Cursor;

/// The parameters that are not taken yet, in their order.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

impl Params {
    /// Errors: 400 for what does not decode to UTF-8, and for a NUL.
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decode(name) else {
                return Err(invalid("query", "The query is not UTF-8."));
            };
            let rule = if name.is_empty() {
                "query".to_owned()
            } else {
                segment(&name)
            };
            let Some(value) = decode(value) else {
                return Err(invalid(&rule, "The value is not UTF-8."));
            };
            if name.contains('\0') || value.contains('\0') {
                return Err(invalid(&rule, "There is a NUL character (U+0000) in it."));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Every value of a name, comma-separated ones apart; none if there is none.
    pub(crate) fn list(&mut self, name: &str) -> Option<Vec<String>> {
        let values = self.take(|given| given == name);
        let words = values.iter().flat_map(|(_, value)| value.split(','));
        let words: Vec<String> = words
            .map(|word| word.trim().to_owned())
            .filter(|word| !word.is_empty())
            .collect();
        (!words.is_empty()).then_some(words)
    }

    /// The value of a name that may be given once. Errors: 400 if it is given more often.
    pub(crate) fn one(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take(|given| given == name);
        if values.len() > 1 {
            return Err(invalid(name, "This parameter is given more than once."));
        }
        Ok(values
            .pop()
            .map(|(_, value)| value)
            .filter(|value| !value.is_empty()))
    }

    /// The value of a name as something else. Errors: 400 with `expected` if it is not that.
    pub(crate) fn parsed<T: FromStr>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.one(name)? else {
            return Ok(None);
        };
        value
            .parse()
            .map(Some)
            .map_err(|_| invalid(name, &format!("`{name}` must be {expected}.")))
    }

    /// `profileId`. Errors: 400 if it is no UUID.
    pub(crate) fn profile(&mut self) -> Result<Option<ProfileId>, Problem> {
        self.parsed("profileId", "a UUID")
    }

    /// `limit`. Errors: 400 if it is no number, or less than 1.
    pub(crate) fn limit(&mut self) -> Result<Option<i64>, Problem> {
        let limit = self.parsed::<i64>("limit", "a whole number")?;
        if limit.is_some_and(|limit| limit < 1) {
            return Err(invalid(
                "limit",
                "Number must be greater than or equal to 1",
            ));
        }
        Ok(limit)
    }

    /// An instant. Errors: 400 if it is not RFC 3339.
    pub(crate) fn instant(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(value) = self.one(name)? else {
            return Ok(None);
        };
        // A plus sign that was not encoded arrives as a space.
        let parsed = DateTime::parse_from_rfc3339(&value.replace(' ', "+"));
        let expected = "must be an instant such as 2026-01-31T12:00:00.000Z";
        parsed
            .map(|at| Some(at.to_utc()))
            .map_err(|_| invalid(name, &format!("`{name}` {expected}.")))
    }

    /// Everything of the form `<prefix><key>=<value>`, as key and value.
    pub(crate) fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let taken = self.take(|given| given.len() > prefix.len() && given.starts_with(prefix));
        taken
            .into_iter()
            .map(|(name, value)| (name[prefix.len()..].to_owned(), value))
            .collect()
    }

    /// `cursor`. One that is not ours shows the first page, with a warning.
    pub(crate) fn cursor<Id: FromStr>(
        &mut self,
        warnings: &mut Vec<Warning>,
    ) -> Result<Option<Cursor<Id>>, Problem> {
        let Some(text) = self.one("cursor")? else {
            return Ok(None);
        };
        let cursor = read_cursor(&text);
        if cursor.is_none() {
            let message = "The cursor is none of ours; this is the first page.".to_owned();
            warnings.push(Warning {
                code: "request.cursor_ignored".to_owned(),
                message,
            });
        }
        Ok(cursor)
    }

    /// Warnings about what nobody took.
    pub(crate) fn rest(self) -> Vec<Warning> {
        self.0
            .iter()
            .map(|(name, _)| unknown_field(&segment(name)))
            .collect()
    }

    fn take(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let (taken, left) = mem::take(&mut self.0)
            .into_iter()
            .partition(|(name, _)| wanted(name));
        self.0 = left;
        taken
    }
}

/// 400 for a parameter.
pub(crate) fn invalid(name: &str, message: &str) -> Problem {
    Problem::invalid(Violation::at(name, message))
}

/// Where a page ended, opaque to callers: microseconds, so that no row is skipped or repeated.
pub(crate) fn write_cursor(at: DateTime<Utc>, id: impl std::fmt::Display) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{id}", at.timestamp_micros()))
}

fn read_cursor<Id: FromStr>(text: &str) -> Option<Cursor<Id>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (micros, id) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    // Beyond what Postgres can hold it is none of ours.
    let sane = (0..=253_402_300_799_000_000).contains(&at.timestamp_micros()) && !id.contains('\0');
    sane.then(|| id.parse().ok().map(|id| Cursor { at, id }))
        .flatten()
}

/// Percent-decoding as forms do it; none if the result is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)));
        match (byte, pair) {
            (b'%', (Some(high), Some(low))) => {
                decoded.push(u8::try_from(high * 16 + low).ok()?);
                at += 2;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn lists_are_repeated_or_comma_separated_and_the_rest_is_warned_of() {
        let mut params = Params::parse("status=a,b&status=c&x=1&metadata.k=v%20w").unwrap();
        assert_eq!(params.list("status").unwrap(), ["a", "b", "c"]);
        assert_eq!(
            params.prefixed("metadata."),
            [("k".to_owned(), "v w".to_owned())]
        );
        assert!(params.rest()[0].message.contains("`x`"));
    }

    #[test]
    fn a_nul_and_broken_utf_8_are_refused() {
        assert!(Params::parse("q=a%00b").is_err());
        assert!(Params::parse("q=%ff").is_err());
        assert_eq!(
            Params::parse("q=100%&r=%zz")
                .unwrap()
                .one("r")
                .unwrap()
                .unwrap(),
            "%zz"
        );
    }

    #[test]
    fn a_cursor_keeps_microseconds() {
        let at = DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap();
        let id = Uuid::now_v7();
        assert_eq!(
            read_cursor::<Uuid>(&write_cursor(at, id)),
            Some(Cursor { at, id })
        );
        assert_eq!(read_cursor::<Uuid>("bogus"), None);
    }
}
