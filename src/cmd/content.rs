//! From the words of the command line to an edit: texts from arguments and files, media by their ids.

use crate::{
    cli::{ContentChange, MediaChoice},
    exit::Stop,
};
use anyhow::Context as _;
use chrono::{DateTime, Utc};
use engine::{Edit, EditError, TargetMedia};
use publisher::{MediaKind, id::OrgId};
use std::{
    fs::File,
    io::{Read, stdin},
    path::Path,
};
use store::{PostRow, Store};

/// No platform takes a text that is longer; a file is read so far and no further.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// What the command line makes of a post.
///
/// Errors: a file cannot be read, is too long, is not text, or says nothing.
pub(crate) async fn edit(
    ask: &ContentChange,
    at: Option<DateTime<Utc>>,
    org: OrgId,
    post: &PostRow,
    store: &Store,
) -> anyhow::Result<Edit> {
    let text = match (&ask.text, &ask.text_file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(file)) => Some(text_of(file)?),
        (None, None) => None,
    };
    let media = match (ask.no_media, ask.media.as_slice()) {
        (true, _) => Some(Vec::new()),
        (false, []) => None,
        (false, chosen) => Some(attached(chosen, org, post, store).await?),
    };
    Ok(Edit {
        scheduled_at: at,
        text,
        media,
        warnings: Vec::new(),
    })
}

fn text_of(file: &Path) -> Result<String, Stop> {
    let name = if file == Path::new("-") {
        "stdin".to_owned()
    } else {
        format!("{}", file.display())
    };
    let cannot = |error: std::io::Error| {
        let what = format!("--text-file: {name} cannot be read: {error}");
        Stop::wrong_use(
            what,
            "name a file that can be read, or give the text with --text",
        )
    };
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        stdin()
            .lock()
            .take(TEXT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
    } else {
        File::open(file).and_then(|file| file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(cannot)?;
    let refuse =
        |what: &str, remedy: &str| Stop::wrong_use(format!("--text-file: {name} {what}"), remedy);
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(refuse(
            "has more than a MiB",
            "give it the text of one post",
        ));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        refuse(
            &format!("is not UTF-8 from byte {at} on"),
            "save it as UTF-8 text",
        )
    })?;
    if text.contains('\0') {
        return Err(refuse("has a NUL character", "save it as plain text"));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(refuse(
            "is empty",
            "a text has at least one character; --no-media or --media change the media alone",
        ));
    }
    Ok(text.to_owned())
}

/// The media by their ids; an unknown one is left to the judgement, which names it with all else that is wrong.
async fn attached(
    chosen: &[MediaChoice],
    org: OrgId,
    post: &PostRow,
    store: &Store,
) -> anyhow::Result<Vec<TargetMedia>> {
    let ids: Vec<String> = chosen.iter().map(|media| media.id.clone()).collect();
    let known = store.find_media(org, &ids).await?;
    let before = TargetMedia::of_post(post).context("the post's media cannot be read")?;
    let media = chosen.iter().map(|media| {
        let is_video = known
            .iter()
            .any(|row| row.id == media.id && row.content_type.starts_with("video/"));
        let kept = before.iter().find(|old| old.id == media.id);
        TargetMedia {
            id: media.id.clone(),
            kind: if is_video {
                MediaKind::Video
            } else {
                MediaKind::Image
            },
            alt_text: media
                .alt_text
                .clone()
                .or_else(|| kept.and_then(|old| old.alt_text.clone())),
            captions: kept.map_or_else(Vec::new, |old| old.captions.clone()),
        }
    });
    Ok(media.collect())
}

/// What to say about an edit that was refused; `follow` tells where to look on.
pub(crate) fn refused(error: EditError, follow: &str) -> anyhow::Error {
    let what = error.to_string();
    match error {
        EditError::NotFound => Stop::failed(what, "`postrider posts list` shows the ids").into(),
        EditError::TooSoon => too_soon(what).into(),
        EditError::Begun { .. } => Stop::refused(what, follow).into(),
        EditError::Window { .. } => Stop::refused(
            what,
            "it goes as soon as it can; `postrider posts cancel POST` stops it while it is queued",
        )
        .into(),
        EditError::Contended => Stop::refused(what, "try it again").into(),
        EditError::Preflight(found) => {
            Stop::broken(found.into_iter().map(|found| found.violation).collect()).into()
        }
        EditError::PlatformGone { .. } => {
            Stop::failed(what, "`postrider doctor` shows the platforms").into()
        }
        EditError::Store(error) => error.into(),
    }
}

/// What to say about a time that is not ahead.
pub(crate) fn too_soon(what: String) -> Stop {
    Stop::wrong_use(what, "choose a later instant: --at 2026-12-24T18:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn read(bytes: &[u8]) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        text_of(file.path()).map_err(|stop| format!("{} / {}", stop.what, stop.remedy))
    }

    #[test]
    fn a_text_file_is_one_text_in_utf_8() {
        assert_eq!(read(b"two\nlines\n"), Ok("two\nlines".to_owned()));
        assert_eq!(read(b"windows\r\n"), Ok("windows".to_owned()));
        assert_eq!(read("\u{e9}\n\n".as_bytes()), Ok("\u{e9}\n".to_owned()));
        let cases: [(&[u8], &str, &str); 4] = [
            (b"\n", "is empty", "at least one character"),
            (b"ab\xff", "not UTF-8 from byte 2 on", "save it as UTF-8"),
            (b"a\0b", "has a NUL character", "plain text"),
            (&vec![b'a'; (1 << 20) + 2], "more than a MiB", "one post"),
        ];
        for (bytes, what, remedy) in cases {
            let said = read(bytes).unwrap_err();
            assert!(said.contains(what) && said.contains(remedy), "{said}");
        }
        let nowhere = text_of(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(nowhere.what.contains("cannot be read"), "{}", nowhere.what);
    }
}
