//! Cursors of the command line: where a list goes on.

use crate::exit::Stop;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use store::Cursor;
use uuid::Uuid;

/// A cursor as text, for `--cursor`.
pub(crate) fn written(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}:{}", cursor.at.timestamp_micros(), cursor.id))
}

/// Reads what [`written`] wrote.
///
/// Errors: it is something else.
pub(crate) fn read(text: Option<&str>) -> Result<Option<Cursor>, Stop> {
    let Some(text) = text else { return Ok(None) };
    let cursor = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (at, id) = text.split_once(':')?;
        Some(Cursor {
            at: DateTime::from_timestamp_micros(at.parse().ok()?)?,
            id: Uuid::parse_str(id).ok()?,
        })
    };
    let wrong = || {
        Stop::wrong_use(
            format!("`{text}` is no cursor"),
            "take it from `nextCursor` of the list before",
        )
    };
    cursor().map(Some).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            at: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
            id: Uuid::now_v7(),
        };
        assert_eq!(read(Some(&written(&cursor))).unwrap(), Some(cursor));
        assert_eq!(read(None).unwrap(), None);
        assert!(read(Some("nonsense")).is_err() && read(Some("")).is_err());
    }
}
