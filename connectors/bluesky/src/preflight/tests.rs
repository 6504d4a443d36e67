//! Each rule at its bound, and all of them at once.

use super::*;
use publisher::{Caption, FirstComment};
use serde_json::json;

fn post(text: &str, media: Vec<Media>) -> Post {
    Post {
        text: text.to_owned(),
        media,
        options: json!({}),
        ..Post::default()
    }
}

fn file(kind: MediaKind, mime: &str, size_bytes: u64) -> Media {
    let mime = mime.to_owned();
    Media {
        id: "med_1".to_owned(),
        kind,
        mime,
        size_bytes,
        ..Media::default()
    }
}

fn picture() -> Media {
    file(MediaKind::Image, "image/jpeg", 10)
}

fn rules(post: &Post) -> Vec<String> {
    judge(post)
        .violations
        .into_iter()
        .map(|violation| violation.rule)
        .collect()
}

#[test]
fn text_is_counted_in_graphemes_and_in_bytes() {
    let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦"; // 25 bytes
    assert!(rules(&post(&"a".repeat(300), vec![])).is_empty());
    assert_eq!(
        rules(&post(&"a".repeat(301), vec![])),
        ["bluesky.text.max_graphemes"]
    );
    assert!(rules(&post(&family.repeat(120), vec![])).is_empty());
    assert_eq!(
        rules(&post(&family.repeat(121), vec![])),
        ["bluesky.text.max_bytes"]
    );
}

#[test]
fn an_empty_text_needs_an_image() {
    assert_eq!(rules(&post(" \n\t", vec![])), ["bluesky.text.non_empty"]);
    assert_eq!(
        rules(&post("\u{feff} ", vec![])),
        ["bluesky.text.non_empty"]
    );
    assert!(rules(&post(&("\u{feff}".to_owned() + &"a".repeat(300)), vec![])).is_empty());
    assert!(rules(&post("", vec![picture()])).is_empty());
}

#[test]
fn media_are_counted_typed_and_measured() {
    assert!(rules(&post("", vec![picture(); 4])).is_empty());
    assert_eq!(
        rules(&post("", vec![picture(); 5])),
        ["bluesky.media.count_max"]
    );
    let sized = |mime, bytes| rules(&post("", vec![file(MediaKind::Image, mime, bytes)]));
    assert!(
        sized("image/webp", 2_000_001).is_empty(),
        "it is made to fit"
    );
    assert!(sized("image/jpeg", 50_000_000).is_empty());
    assert_eq!(
        sized("image/jpeg", 50_000_001),
        ["bluesky.media.image_size_max"]
    );
    assert!(sized("image/gif", 2_000_000).is_empty());
    assert_eq!(
        sized("image/gif", 2_000_001),
        ["bluesky.media.image_size_max"]
    );
    assert_eq!(
        rules(&post("", vec![file(MediaKind::Image, "image/heic", 9)])),
        ["bluesky.media.mime_allowed"]
    );
    let long = Media {
        alt_text: Some("a".repeat(2_001)),
        ..picture()
    };
    assert_eq!(
        rules(&post("", vec![long])),
        ["bluesky.media.alt_text_max_graphemes"]
    );
}

#[test]
fn a_video_is_one_mp4_of_at_most_300_megabytes() {
    let video = |mime: &str, bytes| file(MediaKind::Video, mime, bytes);
    let whole = video("video/mp4", 300_000_000);
    assert!(rules(&post("", vec![whole.clone()])).is_empty());
    for (media, rule) in [
        (vec![whole.clone(); 2], "bluesky.media.count_max"),
        (
            vec![whole.clone(), picture()],
            "bluesky.media.image_video_exclusive",
        ),
        (
            vec![video("video/mp4", 300_000_001)],
            "bluesky.media.video_size_max",
        ),
        // A declared kind that lies, in both directions.
        (vec![video("image/png", 9)], "bluesky.media.mime_allowed"),
        (
            vec![file(MediaKind::Image, "video/mp4", 9)],
            "bluesky.media.mime_allowed",
        ),
        (vec![video("video/webm", 9)], "bluesky.media.mime_allowed"),
    ] {
        assert_eq!(rules(&post("", media)), [rule]);
    }
    let long = Media {
        facts: publisher::MediaFacts {
            duration: Some(std::time::Duration::from_millis(600_001)),
            ..publisher::MediaFacts::default()
        },
        ..whole
    };
    let report = judge(&post("", vec![long]));
    assert!(report.passes());
    assert_eq!(report.warnings[0].code, "bluesky.media.video_long");
}

#[test]
fn captions_are_small_webvtt_files_of_a_language() {
    let with = |captions: Vec<(Caption, Media)>| {
        let video = file(MediaKind::Video, "video/mp4", 9);
        let (captions, option_media) = captions.into_iter().unzip();
        let report = judge(&Post {
            option_media,
            ..post("", vec![Media { captions, ..video }])
        });
        let found = report.violations.into_iter();
        found.map(|one| (one.rule, one.path)).collect::<Vec<_>>()
    };
    let caption = |lang: &str, mime: &str, bytes| {
        let media_id = format!("med_{lang}");
        let file = Media {
            id: media_id.clone(),
            ..file(MediaKind::Image, mime, bytes)
        };
        let lang = lang.to_owned();
        (Caption { lang, media_id }, file)
    };
    let good = caption("en", "text/vtt", 20_000);
    assert!(with(vec![good.clone(); 20]).is_empty());
    let one = |rule: &str, path: &str| vec![(rule.to_owned(), path.to_owned())];
    assert_eq!(
        with(vec![good.clone(); 21]),
        one("bluesky.video.captions_max", "media.0.captions")
    );
    for (bad, rule, path) in [
        (
            caption("english", "text/vtt", 9),
            "bluesky.video.caption_lang",
            "media.0.captions.1.lang",
        ),
        (
            caption("de", "image/png", 9),
            "bluesky.video.caption_mime",
            "media.0.captions.1",
        ),
        (
            caption("de", "text/vtt", 20_001),
            "bluesky.video.caption_size_max",
            "media.0.captions.1",
        ),
    ] {
        assert_eq!(with(vec![good.clone(), bad]), one(rule, path));
    }
}

#[test]
fn everything_wrong_is_said_at_once_and_says_where() {
    let mut all = post(
        &"é".repeat(3_000),
        vec![picture(), file(MediaKind::Video, "video/mp4", 9)],
    );
    all.first_comment = Some(FirstComment {
        text: " ".to_owned(),
    });
    all.options = json!({
        "replyToUri": "at://x", "langs": ["english"], "mood": "happy", "platform": "bluesky", "labels": null,
        "link": { "url": "https://a.test" },
        "thread": [{ "text": " " }, { "text": "a".repeat(301) }],
    });
    let report = judge(&all);
    let found: Vec<(&str, &str)> = report
        .violations
        .iter()
        .map(|one| (one.rule.as_str(), one.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("bluesky.text.max_graphemes", "text"),
            ("bluesky.text.max_bytes", "text"),
            ("bluesky.media.image_video_exclusive", "media"),
            ("bluesky.first_comment.non_empty", "firstComment.text"),
            ("bluesky.options.pair", "options.replyToCid"),
            ("bluesky.options.at_uri", "options.replyToUri"),
            ("bluesky.options.langs", "options.langs"),
            ("bluesky.embed.exclusive", "options.link"),
            ("bluesky.text.non_empty", "options.thread.0.text"),
            ("bluesky.text.max_graphemes", "options.thread.1.text"),
        ]
    );
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].code, "bluesky.options.unknown");
    assert!(report.warnings[0].message.contains("options.mood"));
}

#[test]
fn a_thread_is_judged_post_by_post_with_its_own_files() {
    let named = Media {
        id: "med_t".to_owned(),
        mime: "image/heic".to_owned(),
        ..picture()
    };
    let thread = Post {
        options: json!({
            "thread": [{ "text": "", "media": [{ "kind": "image", "mediaId": "med_t", "altText": "a".repeat(2_001) }] }],
            "link": { "url": "https://a.test", "thumbMediaId": "med_t" },
        }),
        option_media: vec![named],
        ..post("first", vec![])
    };
    let report = judge(&thread);
    let found: Vec<(&str, &str)> = report
        .violations
        .iter()
        .map(|one| (one.rule.as_str(), one.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("bluesky.media.mime_allowed", "options.link.thumbMediaId"),
            (
                "bluesky.media.alt_text_max_graphemes",
                "options.thread.0.media.0.altText"
            ),
            ("bluesky.media.mime_allowed", "options.thread.0.media.0"),
        ]
    );
}

#[test]
fn a_text_may_be_empty_where_something_is_embedded() {
    let cid = format!("bafyrei{}", "a".repeat(52));
    for options in [
        json!({ "link": { "url": "https://a.test" } }),
        json!({ "quoteUri": "at://did:plc:abc/app.bsky.feed.post/3q", "quoteCid": cid }),
    ] {
        let post = Post {
            options,
            ..post("", vec![])
        };
        assert!(rules(&post).is_empty(), "{:?}", post.options);
    }
}

#[test]
fn a_gif_is_accepted_with_a_word_about_its_motion() {
    let report = judge(&post("", vec![file(MediaKind::Image, "image/gif", 9)]));
    assert!(report.passes());
    assert_eq!(report.warnings[0].code, "bluesky.media.gif_still");
}
