//! Bluesky's rules, judged without asking it. All violations at once, in the order of the post's fields.
//!
//! What the connector cannot do yet is refused by name: nothing that the caller sent is dropped in silence.

use crate::text::without_mark;
use publisher::{Media, MediaKind, Post, Report, preflight::graphemes};
use serde_json::Value;

/// Graphemes of a text.
const TEXT_GRAPHEMES_MAX: usize = 300;

/// UTF-8 bytes of a text.
const TEXT_BYTES_MAX: usize = 3_000;

/// Images of a post.
const IMAGES_MAX: usize = 4;

/// Graphemes of an alt text: the official client's limit; the lexicon has none.
const ALT_GRAPHEMES_MAX: usize = 2_000;

/// Bytes of an image (lexicon `app.bsky.embed.images`, since 2026-04-08).
pub(crate) const IMAGE_BYTES_MAX: usize = 2_000_000;

/// What an image may be.
const IMAGE_MIMES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];

/// Languages of a post.
const LANGS_MAX: usize = 3;

/// Options that mean something on Bluesky and are not built yet.
const NOT_BUILT: [&str; 12] = [
    "replyToUri",
    "replyToCid",
    "replyRootUri",
    "replyRootCid",
    "quoteUri",
    "quoteCid",
    "labels",
    "tags",
    "linkCard",
    "threadgate",
    "postgate",
    "thread",
];

/// Judges the whole post.
pub(crate) fn judge(post: &Post) -> Report {
    let mut report = Report::default();
    text(post, &mut report);
    media(&post.media, &mut report);
    if post.first_comment.is_some() {
        report.violate(
            "bluesky.first_comment.unsupported",
            "firstComment",
            "first comments on Bluesky are not supported yet",
            "Leave firstComment out.",
        );
    }
    options(&post.options, &mut report);
    report
}

fn text(post: &Post, report: &mut Report) {
    let text = without_mark(&post.text);
    if post.media.is_empty() && text.trim().is_empty() {
        report.violate(
            "bluesky.text.non_empty",
            "text",
            "the text is empty or white space, and there is no image",
            "Add a character that is not white space, or an image.",
        );
    }
    let found = graphemes(text);
    if found > TEXT_GRAPHEMES_MAX {
        report.violate(
            "bluesky.text.max_graphemes",
            "text",
            format!("the text has {found} graphemes; Bluesky allows at most {TEXT_GRAPHEMES_MAX}"),
            format!("Shorten it by {}.", found - TEXT_GRAPHEMES_MAX),
        );
    }
    let found = text.len();
    if found > TEXT_BYTES_MAX {
        report.violate(
            "bluesky.text.max_bytes",
            "text",
            format!("the text has {found} bytes in UTF-8; Bluesky allows at most {TEXT_BYTES_MAX}"),
            format!("Shorten it by {} bytes.", found - TEXT_BYTES_MAX),
        );
    }
}

fn media(media: &[Media], report: &mut Report) {
    let images = media
        .iter()
        .filter(|one| one.kind == MediaKind::Image)
        .count();
    let videos = media.len() - images;
    if images > 0 && videos > 0 {
        report.violate(
            "bluesky.media.image_video_exclusive",
            "media",
            format!(
                "{images} images and {videos} videos are attached; a Bluesky post shows one kind"
            ),
            "Attach images only, or split the post.",
        );
    }
    if images > IMAGES_MAX {
        report.violate(
            "bluesky.media.count_max",
            "media",
            format!("{images} images are attached; Bluesky allows at most {IMAGES_MAX}"),
            "Remove some, or split the post.",
        );
    }
    if videos > 1 {
        report.violate(
            "bluesky.media.count_max",
            "media",
            format!("{videos} videos are attached; Bluesky allows at most 1"),
            "Split the post.",
        );
    }
    for (index, one) in media.iter().enumerate() {
        match one.kind {
            MediaKind::Image => image(index, one, report),
            MediaKind::Video => report.violate(
                "bluesky.media.video_unsupported",
                format!("media.{index}"),
                "videos on Bluesky are not supported yet",
                "Remove the video.",
            ),
        }
    }
}

fn image(index: usize, image: &Media, report: &mut Report) {
    let found = graphemes(image.alt_text.as_deref().unwrap_or_default());
    if found > ALT_GRAPHEMES_MAX {
        report.violate(
            "bluesky.media.alt_text_max_graphemes",
            format!("media.{index}.altText"),
            format!("the alt text has {found} graphemes; at most {ALT_GRAPHEMES_MAX} are allowed"),
            format!("Shorten it by {}.", found - ALT_GRAPHEMES_MAX),
        );
    }
    if !IMAGE_MIMES.contains(&image.mime.as_str()) {
        report.violate(
            "bluesky.media.mime_allowed",
            format!("media.{index}"),
            format!(
                "the file is {}; images on Bluesky are {}",
                image.mime,
                IMAGE_MIMES.join(", ")
            ),
            "Convert it.",
        );
    }
    if image.size_bytes > IMAGE_BYTES_MAX as u64 {
        report.violate(
            "bluesky.media.image_size_max",
            format!("media.{index}"),
            format!(
                "the image has {} bytes; Bluesky allows at most {IMAGE_BYTES_MAX}",
                image.size_bytes
            ),
            "Re-encode it smaller.",
        );
    }
    if image.mime == "image/gif" {
        report.warn(
            "bluesky.media.gif_still",
            format!("media.{index}: Bluesky shows a GIF as a still image"),
        );
    }
}

fn options(options: &Value, report: &mut Report) {
    let given = options
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null());
    for (name, value) in given {
        match name.as_str() {
            "platform" => {}
            "langs" => langs(value, report),
            name if NOT_BUILT.contains(&name) => report.violate(
                "bluesky.options.unsupported",
                format!("options.{name}"),
                format!("the option {name} is not supported yet"),
                "Leave it out.",
            ),
            name => report.warn(
                "bluesky.options.unknown",
                format!("options.{name}: Bluesky knows no such option; it is ignored"),
            ),
        }
    }
}

fn langs(value: &Value, report: &mut Report) {
    let tags = value.as_array().map(Vec::as_slice);
    let fits = tags.is_some_and(|tags| {
        tags.len() <= LANGS_MAX && tags.iter().all(|tag| tag.as_str().is_some_and(is_language))
    });
    if !fits {
        report.violate(
            "bluesky.options.langs",
            "options.langs",
            format!("langs must be a list of at most {LANGS_MAX} language tags such as en, pt-BR or zh-Hant"),
            "Correct the list, or leave it out.",
        );
    }
}

/// Language, script and region of BCP 47: what posts are tagged with. Variants and extensions are not accepted.
fn is_language(tag: &str) -> bool {
    let alphabetic = |part: &str, lengths: &[usize]| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())
    };
    let mut parts = tag.split('-').peekable();
    let language = parts.next().is_some_and(|part| alphabetic(part, &[2, 3]));
    parts.next_if(|part| alphabetic(part, &[4]));
    parts.next_if(|part| {
        alphabetic(part, &[2]) || (part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()))
    });
    language && parts.next().is_none()
}

#[cfg(test)]
mod tests;
