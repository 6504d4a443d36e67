//! The further posts of a thread.

use super::read::{Fields, list, unknown, wrong};
use crate::text::without_mark;
use publisher::{Media, MediaKind, Post, Report, ThreadMedia, ThreadPart};
use serde_json::Value;

/// Further posts of a thread; ours.
const THREAD_MAX: usize = 24;

/// A file of a thread's post as attached; none if the library does not have it.
pub(crate) fn attached(media: &ThreadMedia, post: &Post) -> Option<Media> {
    let file = post.file_of_options(&media.media_id)?;
    Some(Media {
        kind: media.kind,
        alt_text: media.alt_text.clone(),
        ..file.clone()
    })
}

pub(super) fn thread(fields: &Fields<'_>, report: &mut Report) -> Vec<ThreadPart> {
    let Some(value) = fields.get("thread") else {
        return Vec::new();
    };
    let Some(posts) = list(value) else {
        let path = "options.thread".to_owned();
        wrong(
            "bluesky.thread.posts",
            path,
            "thread must be a list of posts {text, media?}",
            report,
        );
        return Vec::new();
    };
    if posts.len() > THREAD_MAX {
        report.violate(
            "bluesky.thread.max",
            "options.thread",
            format!(
                "the thread has {} further posts; at most {THREAD_MAX} are allowed",
                posts.len()
            ),
            "Shorten it, or continue it in a reply to its last post.",
        );
        return Vec::new();
    }
    let posts = posts.iter().enumerate();
    posts
        .filter_map(|(n, post)| thread_post(post, &format!("options.thread.{n}"), report))
        .collect()
}

fn thread_post(value: &Value, path: &str, report: &mut Report) -> Option<ThreadPart> {
    let Some(fields) = Fields::of_object(value) else {
        wrong(
            "bluesky.thread.posts",
            path.to_owned(),
            "a post of a thread is an object {text, media?}",
            report,
        );
        return None;
    };
    let text = fields
        .text("text", &format!("{path}.text"), report)
        .unwrap_or_default();
    let mut media = Vec::new();
    match fields.get("media").map(list) {
        None => {}
        Some(Some(items)) => {
            for (m, item) in items.iter().enumerate() {
                media.extend(thread_media(item, &format!("{path}.media.{m}"), report));
            }
        }
        Some(None) => wrong(
            "bluesky.thread.media",
            format!("{path}.media"),
            "media must be a list",
            report,
        ),
    }
    unknown(&fields, &["text", "media"], path, report);
    let text = without_mark(&text).to_owned();
    Some(ThreadPart { text, media })
}

fn thread_media(value: &Value, path: &str, report: &mut Report) -> Option<ThreadMedia> {
    let Some(fields) = Fields::of_object(value) else {
        wrong(
            "bluesky.thread.media",
            path.to_owned(),
            "a file is an object {kind, mediaId, altText?}",
            report,
        );
        return None;
    };
    let kind = match fields.get("kind").and_then(Value::as_str) {
        Some("image") => Some(MediaKind::Image),
        Some("video") => Some(MediaKind::Video),
        _ => {
            wrong(
                "bluesky.thread.media",
                format!("{path}.kind"),
                "kind must be image or video",
                report,
            );
            None
        }
    };
    let id = fields.text("mediaId", &format!("{path}.mediaId"), report);
    if id.is_none() {
        report.violate(
            "bluesky.thread.media",
            format!("{path}.mediaId"),
            "a file of a thread's post must lie in the library",
            "Upload it with POST /v1/media and name it by mediaId.",
        );
    }
    let alt_text = fields.text("altText", &format!("{path}.altText"), report);
    unknown(&fields, &["kind", "mediaId", "altText"], path, report);
    Some(ThreadMedia {
        kind: kind?,
        media_id: id?,
        alt_text,
    })
}
