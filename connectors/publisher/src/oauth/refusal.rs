//! What a token endpoint's refusals mean.

use super::Provider;
use crate::failure::{Failure, Scope};
use crate::http::Answer;
use serde_json::Value;
use std::time::Duration;

/// How long a platform that asks for patience, and says no more, is left alone.
const PATIENCE: Duration = Duration::from_mins(1);

/// What to do when an exchange failed, for whatever reason.
pub(super) const BEGIN_AGAIN: &str =
    "Connect again from the beginning: a code can be used only once.";

/// What an error word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The code or the token is not accepted, now or ever.
    Dead,
    /// The app is not accepted, or asks for what it may not have.
    App,
    /// It may work later.
    Passing,
}

/// RFC 6749 §5.2, and the words of §4.1.2.1 that token endpoints use all the same.
const WORDS: [(&str, Meaning); 9] = [
    ("invalid_grant", Meaning::Dead),
    ("access_denied", Meaning::Dead),
    ("invalid_client", Meaning::App),
    ("unauthorized_client", Meaning::App),
    ("unsupported_grant_type", Meaning::App),
    ("invalid_scope", Meaning::App),
    ("invalid_request", Meaning::App),
    ("server_error", Meaning::Passing),
    ("temporarily_unavailable", Meaning::Passing),
];

/// What was being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Exchange,
    Refresh,
    Revoke,
}

impl Doing {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Exchange => "exchange",
            Self::Refresh => "refresh",
            Self::Revoke => "revoke",
        }
    }
}

/// The error word of an answer: `error` (RFC 6749), the `code` in it (Meta), `error_type`, or `code` (Pinterest).
///
/// Shape: at most 64 letters, digits, dots, dashes and underscores; anything else could be a quotation.
pub(super) fn word(answer: &Answer) -> Option<String> {
    let body: Value = answer.json().ok()?;
    let found = match body.get("error") {
        Some(Value::String(word)) => Some(word.clone()),
        Some(Value::Object(error)) => error.get("code").map(plain),
        _ => None,
    };
    let found = found.or_else(|| body.get("error_type").map(plain));
    let found = found.or_else(|| body.get("code").map(plain))?;
    let is_word = (1..=64).contains(&found.len())
        && found
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    is_word.then_some(found)
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The failure that a refusal stands for. Nothing of the answer is kept but its status and its error word.
pub(super) fn refused(provider: &Provider, doing: Doing, answer: &Answer) -> Failure {
    let word = word(answer);
    let known = word.as_deref().and_then(|word| {
        let all = provider.errors.iter().chain(&WORDS);
        all.copied()
            .find(|(known, _)| *known == word)
            .map(|(_, meaning)| meaning)
    });
    if answer.status == 429 && known.is_none_or(|meaning| meaning == Meaning::Passing) {
        let code = format!("{}.{}.rate_limited", provider.platform, doing.word());
        return Failure::rate_limited(code, "the platform asks for patience")
            .retry_in(answer.retry_after().unwrap_or(PATIENCE))
            .scope(Scope::App)
            .status(answer.status);
    }
    let failure = match known {
        Some(Meaning::Dead) => dead(provider, doing),
        Some(Meaning::App) => app(provider, doing, word.as_deref().unwrap_or_default()),
        Some(Meaning::Passing) | None => return unclear(provider, doing, answer),
    };
    failure.status(answer.status)
}

/// An answer that says nothing we know: nothing happened, as far as anybody can tell.
pub(super) fn unclear(provider: &Provider, doing: Doing, answer: &Answer) -> Failure {
    let code = format!("{}.{}.unclear", provider.platform, doing.word());
    let word = word(answer).map_or(String::new(), |word| format!(" ({word})"));
    let message = format!(
        "the platform answered {}{word} instead of tokens",
        answer.status
    );
    let failure = Failure::transient(code, message).status(answer.status);
    let failure = match answer.retry_after() {
        Some(after) => failure.retry_in(after),
        None => failure,
    };
    if doing == Doing::Exchange {
        return failure.remediation(BEGIN_AGAIN);
    }
    failure
}

fn dead(provider: &Provider, doing: Doing) -> Failure {
    let platform = provider.platform;
    match doing {
        Doing::Exchange => {
            let rule = format!("{platform}.connect.code");
            let why = "the platform does not accept the code; it can be used once, and only for a short time";
            Failure::rejected(&rule, why)
                .rule(rule)
                .remediation("Connect again from the beginning.")
        }
        Doing::Refresh | Doing::Revoke => Failure::account_blocked(
            format!("{platform}.{}.revoked", doing.word()),
            "the platform no longer accepts this account's connection",
        )
        .remediation("Connect the account again."),
    }
}

fn app(provider: &Provider, doing: Doing, word: &str) -> Failure {
    let platform = provider.platform;
    Failure::operator_blocked(
        format!("{platform}.{}.app_refused", doing.word()),
        format!("{platform} does not accept this server's app ({word})"),
    )
    .scope(Scope::App)
    .remediation(
        "The operator compares client id, secret, scopes and redirect address with what is registered with the platform.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Class;
    use url::Url;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
        }
    }

    fn provider() -> Provider {
        let at = |path: &str| {
            Url::parse("https://oauth.test/")
                .unwrap()
                .join(path)
                .unwrap()
        };
        Provider {
            errors: &[("invalid_request", Meaning::Dead), ("190", Meaning::Dead)],
            ..Provider::new("toy", at("authorize"), at("token"))
        }
    }

    #[test]
    fn every_word_of_the_rfc_has_its_class_and_a_platform_may_differ() {
        let class =
            |doing, status, body: &str| refused(&provider(), doing, &answer(status, body)).class;
        for (word, exchanging, refreshing) in [
            ("invalid_grant", Class::Rejected, Class::AccountBlocked),
            ("access_denied", Class::Rejected, Class::AccountBlocked),
            (
                "invalid_client",
                Class::OperatorBlocked,
                Class::OperatorBlocked,
            ),
            (
                "unauthorized_client",
                Class::OperatorBlocked,
                Class::OperatorBlocked,
            ),
            (
                "unsupported_grant_type",
                Class::OperatorBlocked,
                Class::OperatorBlocked,
            ),
            (
                "invalid_scope",
                Class::OperatorBlocked,
                Class::OperatorBlocked,
            ),
            ("server_error", Class::Transient, Class::Transient),
            (
                "temporarily_unavailable",
                Class::Transient,
                Class::Transient,
            ),
            ("something_else", Class::Transient, Class::Transient),
            ("invalid_request", Class::Rejected, Class::AccountBlocked),
        ] {
            let body = format!(r#"{{"error":"{word}","error_description":"of s3cret"}}"#);
            assert_eq!(class(Doing::Exchange, 400, &body), exchanging, "{word}");
            assert_eq!(class(Doing::Refresh, 400, &body), refreshing, "{word}");
        }
        let meta = r#"{"error":{"code":190,"message":"s3cret"}}"#;
        assert_eq!(class(Doing::Refresh, 400, meta), Class::AccountBlocked);
        assert_eq!(class(Doing::Refresh, 429, "{}"), Class::RateLimited);
        assert_eq!(class(Doing::Refresh, 503, "<html>"), Class::Transient);
        assert_eq!(
            class(Doing::Refresh, 429, r#"{"error":"invalid_grant"}"#),
            Class::AccountBlocked
        );
    }

    #[test]
    fn a_refusal_quotes_nothing() {
        for body in [
            r#"{"error":"invalid_grant","error_description":"code s3cret was used"}"#,
            r#"{"error":"the code s3cret was used"}"#,
            "<html>s3cret</html>",
            r#"{"error_type":"OAuthException","code":400,"error_message":"s3cret"}"#,
        ] {
            let failure = refused(&provider(), Doing::Exchange, &answer(400, body));
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
    }
}
