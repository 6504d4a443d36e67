//! Bluesky's rules, judged without asking it. All violations at once, in the order of the post's fields.
//!
//! What can only be known later (that a post still exists, what lies behind a link, whether a picture is one) is judged when
//! it is published, and then by a rule of its own too.

use crate::{
    options::{Options, attached},
    text::without_mark,
};
use publisher::{Media, MediaKind, Post, Report, ThreadPart, preflight::graphemes};

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

/// Bytes of an image before that date, on servers that are older still.
pub(crate) const SMALL_IMAGE_BYTES_MAX: usize = 1_000_000;

/// Bytes of a card's picture (lexicon `app.bsky.embed.external`).
pub(crate) const THUMB_BYTES_MAX: usize = 1_000_000;

/// Bytes of a file that is made to fit; ours.
pub(crate) const IMAGE_SOURCE_BYTES_MAX: usize = 50_000_000;

/// What an image may be.
const IMAGE_MIMES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", "image/gif"];

/// Judges the whole post.
pub(crate) fn judge(post: &Post) -> Report {
    let (options, read) = Options::read(&post.options);
    let mut report = Report::default();
    let embeds = !post.media.is_empty() || options.link.is_some() || options.quote.is_some();
    text(&post.text, "text", "text", embeds, &mut report);
    media(post, &post.media, "media", &mut report);
    if let Some(comment) = &post.first_comment {
        text(
            &comment.text,
            "first_comment",
            "firstComment.text",
            false,
            &mut report,
        );
    }
    report.violations.extend(read.violations);
    report.warnings.extend(read.warnings);
    link(post, &options, &mut report);
    for (n, further) in options.thread.iter().enumerate() {
        thread_post(post, further, &format!("options.thread.{n}"), &mut report);
    }
    report
}

/// One embed per post: a link's card has no room beside images; a quote has.
fn link(post: &Post, options: &Options, report: &mut Report) {
    let Some(link) = &options.link else {
        return;
    };
    if !post.media.is_empty() {
        report.violate(
            "bluesky.embed.exclusive",
            "options.link",
            "the post has attached media and a link's card; a Bluesky post shows one of them",
            "Leave options.link out (a link in the text stays a link), or the media.",
        );
    }
    let thumb = link
        .thumb
        .as_deref()
        .and_then(|id| post.file_of_options(id));
    if let Some(thumb) = thumb {
        file(thumb, "options.link.thumbMediaId", report);
    }
}

fn thread_post(post: &Post, further: &ThreadPart, path: &str, report: &mut Report) {
    let embeds = !further.media.is_empty();
    text(
        &further.text,
        "text",
        &format!("{path}.text"),
        embeds,
        report,
    );
    let files: Vec<Media> = further
        .media
        .iter()
        .filter_map(|media| attached(media, post))
        .collect();
    // A file that is missing is reported where the library is asked.
    if files.len() == further.media.len() {
        media(post, &files, &format!("{path}.media"), report);
    }
}

/// A text may be empty where something is embedded.
fn text(text: &str, topic: &str, path: &str, may_be_empty: bool, report: &mut Report) {
    let text = without_mark(text);
    if !may_be_empty && text.trim().is_empty() {
        report.violate(
            format!("bluesky.{topic}.non_empty"),
            path,
            "the text is empty or white space, and nothing is attached",
            "Add a character that is not white space, or an image.",
        );
    }
    let found = graphemes(text);
    if found > TEXT_GRAPHEMES_MAX {
        report.violate(
            format!("bluesky.{topic}.max_graphemes"),
            path,
            format!("the text has {found} graphemes; Bluesky allows at most {TEXT_GRAPHEMES_MAX}"),
            format!("Shorten it by {}.", found - TEXT_GRAPHEMES_MAX),
        );
    }
    let found = text.len();
    if found > TEXT_BYTES_MAX {
        report.violate(
            format!("bluesky.{topic}.max_bytes"),
            path,
            format!("the text has {found} bytes in UTF-8; Bluesky allows at most {TEXT_BYTES_MAX}"),
            format!("Shorten it by {} bytes.", found - TEXT_BYTES_MAX),
        );
    }
}

fn media(post: &Post, media: &[Media], path: &str, report: &mut Report) {
    let images = media
        .iter()
        .filter(|one| one.kind == MediaKind::Image)
        .count();
    let videos = media.len() - images;
    if images > 0 && videos > 0 {
        report.violate(
            "bluesky.media.image_video_exclusive",
            path,
            format!(
                "{images} images and {videos} videos are attached; a Bluesky post shows one kind"
            ),
            "Attach images only, or split the post.",
        );
    }
    if images > IMAGES_MAX {
        report.violate(
            "bluesky.media.count_max",
            path,
            format!("{images} images are attached; Bluesky allows at most {IMAGES_MAX}"),
            "Remove some, or split the post.",
        );
    }
    if videos > 1 {
        report.violate(
            "bluesky.media.count_max",
            path,
            format!("{videos} videos are attached; Bluesky allows at most 1"),
            "Split the post.",
        );
    }
    for (index, one) in media.iter().enumerate() {
        let path = format!("{path}.{index}");
        match one.kind {
            MediaKind::Image => image(one, &path, report),
            MediaKind::Video => video(post, one, &path, report),
        }
    }
}

fn alt_text(media: &Media, path: &str, report: &mut Report) {
    let found = graphemes(media.alt_text.as_deref().unwrap_or_default());
    if found > ALT_GRAPHEMES_MAX {
        report.violate(
            "bluesky.media.alt_text_max_graphemes",
            format!("{path}.altText"),
            format!("the alt text has {found} graphemes; at most {ALT_GRAPHEMES_MAX} are allowed"),
            format!("Shorten it by {}.", found - ALT_GRAPHEMES_MAX),
        );
    }
}

fn image(image: &Media, path: &str, report: &mut Report) {
    alt_text(image, path, report);
    file(image, path, report);
}

fn video(post: &Post, video: &Media, path: &str, report: &mut Report) {
    alt_text(video, path, report);
    crate::video::rules::judge(post, video, path, report);
}

/// A picture's type and size. What is larger than the platform takes is made to fit, as long as it is a still one.
fn file(image: &Media, path: &str, report: &mut Report) {
    if !IMAGE_MIMES.contains(&image.mime.as_str()) {
        report.violate(
            "bluesky.media.mime_allowed",
            path,
            format!(
                "the file is {}; images on Bluesky are {}",
                image.mime,
                IMAGE_MIMES.join(", ")
            ),
            "Convert it.",
        );
    }
    if image.mime == "image/gif" && image.size_bytes > IMAGE_BYTES_MAX as u64 {
        report.violate(
            "bluesky.media.image_size_max",
            path,
            format!(
                "the GIF has {} bytes; Bluesky allows at most {IMAGE_BYTES_MAX}, and making it smaller would stop its motion",
                image.size_bytes
            ),
            "Make it smaller, or send it as a JPEG, a PNG or a video.",
        );
    } else if image.size_bytes > IMAGE_SOURCE_BYTES_MAX as u64 {
        report.violate(
            "bluesky.media.image_size_max",
            path,
            format!(
                "the image has {} bytes; files of at most {IMAGE_SOURCE_BYTES_MAX} are made to fit Bluesky's {IMAGE_BYTES_MAX}",
                image.size_bytes
            ),
            "Re-encode it smaller.",
        );
    }
    if image.mime == "image/gif" {
        report.warn(
            "bluesky.media.gif_still",
            format!("{path}: Bluesky shows a GIF as a still image"),
        );
    }
}

#[cfg(test)]
mod tests;
