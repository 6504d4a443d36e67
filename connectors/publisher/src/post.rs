//! What is to be published: the part of a post that a connector may see.

use crate::id::PostId;
use crate::preflight::{Violation, Warning};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::time::Duration;

/// One text for one account, with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Our id; also the seed of what a platform calls an idempotency key.
    pub id: PostId,
    /// The text as the caller sent it; may be empty where media says it all.
    pub text: String,
    /// In the caller's order.
    pub media: Vec<Media>,
    /// A comment to be placed under the post once it is public.
    pub first_comment: Option<FirstComment>,
    /// The platform's own options, as accepted by its preflight; an object, perhaps empty. [`Post::read_options`] gives them
    /// the platform's own type.
    pub options: Value,
    /// The files that the options name, each once; found by [`Post::file_of_options`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub option_media: Vec<Media>,
}

impl Post {
    /// A file that the options name, by the library's id.
    pub fn file_of_options(&self, id: &str) -> Option<&Media> {
        self.option_media.iter().find(|media| media.id == id)
    }

    /// The options as `T`, with a warning for each member that `T` does not know.
    ///
    /// Shape: `null` is read as an empty object. Errors: the violation of rule `<platform>.options`, at the path of the member
    /// that is not what `T` asks for.
    pub fn read_options<T: DeserializeOwned>(
        &self,
        platform: &str,
    ) -> Result<(T, Vec<Warning>), Violation> {
        let empty = Value::Object(serde_json::Map::new());
        let refused = |path: String, error: &dyn std::fmt::Display| Violation {
            rule: format!("{platform}.options"),
            message: format!("`{path}` cannot be used: {error}."),
            path,
            remediation: Some("Correct the option, or leave it out.".to_owned()),
        };
        let options = match &self.options {
            Value::Null => &empty,
            Value::Object(_) => &self.options,
            _ => return Err(refused("options".to_owned(), &"it is no object")),
        };
        let mut unknown = Vec::new();
        let mut note = |path: serde_ignored::Path<'_>| {
            let path = format!("options.{path}");
            unknown.push(Warning {
                code: "request.unknown_field".to_owned(),
                message: format!("`{path}` is not known and is ignored."),
            });
        };
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(options, &mut track);
        match serde_ignored::deserialize(tracked, &mut note) {
            Ok(read) => Ok((read, unknown)),
            Err(error) => {
                // `langs[1]` there is `langs.1` on the wire.
                let path = track.path().to_string().replace('[', ".").replace(']', "");
                let path = format!("options.{path}");
                Err(refused(path.trim_end_matches('.').to_owned(), &error))
            }
        }
    }
}

/// A file of the library that a platform's options name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionMedia {
    /// Where it is named, relative to the target: `options.link.thumbMediaId`.
    pub path: String,
    /// The library's id.
    pub id: String,
}

/// A comment that the author's own account adds under the post.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstComment {
    /// The comment's text.
    pub text: String,
}

/// A later part of a thread, as every platform with threads takes it in `options.thread`; its files lie in
/// [`Post::option_media`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThreadPart {
    /// The part's text; may be empty where media says it all.
    #[serde(default)]
    pub text: String,
    /// In the caller's order.
    #[serde(default)]
    pub media: Vec<ThreadMedia>,
}

/// A file of a thread's part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ThreadMedia {
    /// The library's id (`med_…`).
    pub media_id: String,
    /// What the caller calls it.
    #[serde(default)]
    pub kind: MediaKind,
    /// Text for those who cannot see it.
    #[serde(default)]
    pub alt_text: Option<String>,
}

/// One attached file, as far as it is known without reading it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// The library's id (`med_…`).
    pub id: String,
    /// What the caller called it.
    pub kind: MediaKind,
    /// What its bytes say it is, e.g. `image/jpeg`.
    pub mime: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Pixels as displayed (orientation applied); none where not known.
    pub width: Option<u32>,
    /// Pixels as displayed (orientation applied); none where not known.
    pub height: Option<u32>,
    /// Text for those who cannot see it.
    pub alt_text: Option<String>,
    /// What is known of its inside.
    #[serde(default)]
    pub facts: MediaFacts,
    /// Subtitles of a film, in the caller's order; their files lie in the
    /// post's [`Post::option_media`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captions: Vec<Caption>,
}

/// What a file's bytes say about it beside type, size and pixels. Everything is optional: a rule that needs a fact which is not
/// known warns, and leaves the judgement to the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFacts {
    /// SHA-256 of the whole file, in lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How long a film or an animation plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Pictures of an animation (GIF, WebP); 1 for a still one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u32>,
    /// Frames per second, times a thousand (23.976: 23 976).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate_millis: Option<u32>,
    /// RFC 6381 word of the picture track without its profile (`avc1`, `hvc1`, `vp09`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// RFC 6381 word of the sound track without its profile (`mp4a`, `opus`); none where there is no sound, or it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
}

/// Subtitles of a film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Caption {
    /// BCP 47 tag of its language.
    pub lang: String,
    /// The library's id of the WebVTT file.
    pub media_id: String,
}

/// The two kinds of media on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// A still or animated picture.
    #[default]
    Image,
    /// A film.
    Video,
}

impl MediaKind {
    /// The kind of a file that nobody gave one; what is no film counts as an image.
    pub fn of_mime(mime: &str) -> Self {
        if mime.starts_with("video/") {
            Self::Video
        } else {
            Self::Image
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Options {
        #[serde(default)]
        langs: Vec<String>,
        #[serde(default)]
        thread: Vec<ThreadPart>,
    }

    fn with(options: Value) -> Post {
        Post {
            options,
            ..Post::default()
        }
    }

    #[test]
    fn options_have_a_type_and_what_it_does_not_know_is_warned_of() {
        let post = with(json!({"langs": ["en"], "lang": "en", "thread": [{"text": "two"}]}));
        let (options, warnings) = post.read_options::<Options>("toy").unwrap();
        assert_eq!(
            (options.langs, options.thread.len()),
            (vec!["en".to_owned()], 1)
        );
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].message.contains("`options.lang`"),
            "{warnings:?}"
        );
        assert!(with(Value::Null).read_options::<Options>("toy").is_ok());
    }

    #[test]
    fn a_wrong_option_is_named_by_its_path() {
        let refusal = |options| with(options).read_options::<Options>("toy").unwrap_err();
        let wrong = refusal(json!({"langs": ["en", 5]}));
        assert_eq!(
            (wrong.rule.as_str(), wrong.path.as_str()),
            ("toy.options", "options.langs.1")
        );
        assert_eq!(refusal(json!([5])).path, "options");
    }
}
