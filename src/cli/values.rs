//! How single values are read, and what is said when they cannot be.

use chrono::{DateTime, Utc};
use publisher::id::{AccountId, ApiKeyId, PostId};
use uuid::Uuid;

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
