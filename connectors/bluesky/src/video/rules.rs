//! What a video and its captions must be, judged without asking anybody.

use super::{CAPTION_BYTES_MAX, CAPTIONS_MAX, VIDEO_BYTES_MAX};
use crate::options::is_language;
use publisher::{Caption, Media, Post, Report};
use std::time::Duration;

/// What a video may be: the record says so, whatever the video service could convert.
const VIDEO_MIME: &str = "video/mp4";

/// What captions may be.
const CAPTION_MIME: &str = "text/vtt";

/// Length of a video that the official client takes; the lexicon has no limit.
const VIDEO_USUAL: Duration = Duration::from_mins(10);

/// Judges the video at `path`; the files of its captions are among those of the post's options.
pub(crate) fn judge(post: &Post, video: &Media, path: &str, report: &mut Report) {
    if video.mime != VIDEO_MIME {
        report.violate(
            "bluesky.media.mime_allowed",
            path,
            format!(
                "the file is {}; videos on Bluesky are {VIDEO_MIME}",
                video.mime
            ),
            "Convert it, or correct its kind.",
        );
    }
    if video.size_bytes > VIDEO_BYTES_MAX {
        report.violate(
            "bluesky.media.video_size_max",
            path,
            format!(
                "the video has {} bytes; Bluesky allows at most {VIDEO_BYTES_MAX}",
                video.size_bytes
            ),
            "Compress it.",
        );
    }
    if video.facts.duration.is_some_and(|long| long > VIDEO_USUAL) {
        report.warn(
            "bluesky.media.video_long",
            format!(
                "{path}: the video is longer than the 10 minutes that Bluesky's own app takes; the video service may refuse it"
            ),
        );
    }
    let found = video.captions.len();
    if found > CAPTIONS_MAX {
        report.violate(
            "bluesky.video.captions_max",
            format!("{path}.captions"),
            format!(
                "{found} files of captions are attached; Bluesky allows at most {CAPTIONS_MAX}"
            ),
            "Remove some.",
        );
    }
    for (n, one) in video.captions.iter().enumerate() {
        let path = format!("{path}.captions.{n}");
        caption(&path, one, post.file_of_options(&one.media_id), report);
    }
}

/// `file` is none only where the library has no such file, which is said elsewhere.
fn caption(path: &str, caption: &Caption, file: Option<&Media>, report: &mut Report) {
    if !is_language(&caption.lang) {
        report.violate(
            "bluesky.video.caption_lang",
            format!("{path}.lang"),
            "lang must be a language tag such as en, pt-BR or zh-Hant",
            "Correct it.",
        );
    }
    let Some(file) = file else {
        return;
    };
    if file.mime != CAPTION_MIME {
        report.violate(
            "bluesky.video.caption_mime",
            path,
            format!("the file is {}; captions are WebVTT", file.mime),
            "Save the captions as WebVTT (.vtt), and upload that.",
        );
    }
    if file.size_bytes > CAPTION_BYTES_MAX as u64 {
        report.violate(
            "bluesky.video.caption_size_max",
            path,
            format!(
                "the captions have {} bytes; Bluesky allows at most {CAPTION_BYTES_MAX}",
                file.size_bytes
            ),
            "Shorten them.",
        );
    }
}
