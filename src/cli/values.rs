//! How single values are read, and what is said when they cannot be.

use super::MediaChoice;
use chrono::{DateTime, TimeDelta, Utc};
use publisher::id::{AccountId, ApiKeyId, PostId};
use uuid::Uuid;

/// Ten years: what is older is an instant.
const AGE_MAX_SECONDS: i64 = 315_360_000;

pub(super) fn name<const MAX: usize>(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > MAX || text.chars().any(char::is_control) {
        return Err(format!(
            "a name has 1 to {MAX} characters, none of them a control character"
        ));
    }
    Ok(text.to_owned())
}

pub(super) fn key_id(text: &str) -> Result<ApiKeyId, String> {
    text.parse().map_err(|_| {
        "no key id (not the key itself); `postrider keys list` shows the ids".to_owned()
    })
}

pub(super) fn account_id(text: &str) -> Result<AccountId, String> {
    text.parse()
        .map_err(|_| "no account id; `postrider accounts list` shows the ids".to_owned())
}

pub(super) fn post_id(text: &str) -> Result<PostId, String> {
    text.parse()
        .map_err(|_| "no post id; `postrider posts list` shows the ids".to_owned())
}

pub(super) fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .map_err(|_| "no instant; write it with its zone: 2026-12-24T18:00:00Z".to_owned())
}

/// An instant, or how long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// That instant.
    At(DateTime<Utc>),
    /// So long ago.
    Ago(TimeDelta),
}

impl Moment {
    /// The instant, seen from `now`.
    pub(crate) fn seen_from(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(at) => at,
            Self::Ago(age) => now - age,
        }
    }
}

pub(super) fn moment(text: &str) -> Result<Moment, String> {
    let wrong = || {
        "neither an instant with its zone (2026-12-24T18:00:00Z) nor an age of at most ten years (90s, 30m, 2h, 7d, 4w)"
            .to_owned()
    };
    if text.contains('T') {
        return instant(text).map(Moment::At).map_err(|_| wrong());
    }
    let unit = text.chars().last().ok_or_else(wrong)?;
    let amount: i64 = text[..text.len() - unit.len_utf8()]
        .parse()
        .map_err(|_| wrong())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return Err(wrong()),
    };
    let age = amount
        .checked_mul(seconds)
        .filter(|age| (0..=AGE_MAX_SECONDS).contains(age));
    age.map(|age| Moment::Ago(TimeDelta::seconds(age)))
        .ok_or_else(wrong)
}

pub(super) fn post_text(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err(
            "a text has at least one character; --no-media or --media change the media alone"
                .to_owned(),
        );
    }
    Ok(text.to_owned())
}

pub(super) fn media(text: &str) -> Result<MediaChoice, String> {
    let (id, alt_text) = match text.split_once('=') {
        Some((id, alt_text)) => (id, Some(alt_text.to_owned())),
        None => (text, None),
    };
    let digits = id.strip_prefix("med_").unwrap_or_default();
    if digits.len() != 22 || !digits.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(
            "no media id: med_ and 22 letters or digits; POST /v1/media answers it".to_owned(),
        );
    }
    Ok(MediaChoice {
        id: id.to_owned(),
        alt_text,
    })
}

pub(super) fn reason(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 1000 || text.contains('\0') {
        return Err("a reason has 1 to 1000 characters".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn letter_id(text: &str) -> Result<Uuid, String> {
    text.parse()
        .map_err(|_| "no id; `postrider dead-letters list` shows the ids".to_owned())
}

pub(super) fn fake_account(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((handle, password)) if !handle.is_empty() && !password.is_empty() => {
            Ok((handle.to_owned(), password.to_owned()))
        }
        _ => Err("write it as handle:password".to_owned()),
    }
}
