//! The platforms' rules, asked before anything is stored: files that came inside the request included.
//!
//! The engine asks the same rules again when it accepts; here they are asked early, so that one answer names every
//! violation and a refused request leaves no file in the library.

use super::shape::{Content, Item, Request, Source};
use crate::{
    State,
    auth::Caller,
    problem::{Code, Violation},
};
use engine::TargetViolation;
use publisher::{
    FirstComment, Media, MediaKind, OptionMedia, Post,
    id::{PostId, ProfileId},
};
use serde_json::Value;
use std::collections::HashMap;
use store::{AccountRow, MediaRow, PostRow, StoreError};

/// Longer ids are none of ours.
const MEDIA_ID_CHARS: usize = 26;

/// What the library takes of what a post may have attached.
const TYPES: [&str; 7] = [
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "video/mp4",
    "video/quicktime",
    "video/webm",
];

/// Asks the rules of every target whose account and content are known.
pub(super) async fn preflight(
    state: &State,
    caller: &Caller,
    request: &Request,
    accounts: &[Option<AccountRow>],
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    let registry = state.client().registry();
    let mut judgeable = Vec::with_capacity(accounts.len());
    for (at, (target, account)) in request.targets.iter().zip(accounts).enumerate() {
        let (Some(content), Some(account)) = (&target.content, account) else {
            continue;
        };
        let Some(connector) = registry.get(&account.platform) else {
            continue;
        };
        let options = Value::Object(content.options.clone());
        let named = connector.publisher.media_in_options(&options);
        judgeable.push((at, content, account, connector, named));
    }
    let ids = judgeable
        .iter()
        .flat_map(|(_, content, _, _, named)| named_files(&content.media, named));
    let files = Files::load(state, caller, caller.pin, ids, &request.inline).await?;
    for (at, content, account, connector, named) in &judgeable {
        let at = *at;
        match files.post(Some(at), content, named) {
            Ok(post) => {
                let report = connector.publisher.preflight(&post);
                found.extend(report.violations.into_iter().map(|violation| {
                    told(TargetViolation {
                        target: at,
                        platform: account.platform.clone(),
                        violation,
                    })
                }));
            }
            Err(missing) => found.extend(missing),
        }
    }
    Ok(())
}

/// A changed post, as far as it is new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effective<'a> {
    pub(super) text: &'a str,
    pub(super) media: &'a [Item],
    /// The one profile whose files may be used, if the media are new and the key is pinned.
    pub(super) pin: Option<ProfileId>,
    /// Files that came inside the request.
    pub(super) inline: &'a [Vec<u8>],
}

/// Asks the rules of a post's platform about what it would become.
pub(super) async fn preflight_change(
    state: &State,
    caller: &Caller,
    post: &PostRow,
    effective: Effective<'_>,
    found: &mut Vec<Violation>,
) -> Result<(), StoreError> {
    let Some(connector) = state.client().registry().get(&post.platform) else {
        return Ok(());
    };
    let Effective {
        text,
        media,
        pin,
        inline,
    } = effective;
    let named = connector.publisher.media_in_options(&post.options);
    let attached = media.iter().flat_map(Item::files);
    let mut files = Files::load(state, caller, pin, attached, inline).await?;
    // What the post has already was allowed when it was accepted.
    let kept = named.iter().map(|named| named.id.as_str());
    files.add(Files::load(state, caller, None, kept, &[]).await?);
    let comment = post.first_comment.as_ref();
    let content = Content {
        text: text.to_owned(),
        media: media.to_vec(),
        first_comment: comment.and_then(|comment| comment["text"].as_str().map(str::to_owned)),
        options: post.options.as_object().cloned().unwrap_or_default(),
    };
    match files.post(None, &content, &named) {
        Ok(composed) => {
            let report = connector.publisher.preflight(&composed);
            let told = report.violations.into_iter().map(|violation| {
                told_change(TargetViolation {
                    target: 0,
                    platform: post.platform.clone(),
                    violation,
                })
            });
            found.extend(told);
        }
        Err(missing) => found.extend(missing),
    }
    Ok(())
}

/// A violation of a platform's rule in one target of a request, as the caller reads it.
pub(super) fn told(found: TargetViolation) -> Violation {
    let target = found.target;
    told_at(found, Some(target))
}

/// The same in a change of one post.
pub(super) fn told_change(found: TargetViolation) -> Violation {
    told_at(found, None)
}

fn told_at(found: TargetViolation, at: Option<usize>) -> Violation {
    let TargetViolation {
        platform,
        violation,
        ..
    } = found;
    let code = if violation.rule == "media.unknown" {
        Code::NotFound
    } else {
        Code::PreflightFailed
    };
    let path = format!("{}{}", prefix(at), violation.path);
    let mut told = Violation::new(violation.rule, path, violation.message)
        .platform(platform)
        .code(code);
    told.target = at;
    told.remediation = violation.remediation;
    told
}

/// Where the fields of a target stand in its request.
fn prefix(at: Option<usize>) -> String {
    at.map(|at| format!("targets.{at}.")).unwrap_or_default()
}

fn recognise(bytes: &[u8]) -> Option<&'static str> {
    let found = infer::get(bytes)?.mime_type();
    TYPES.into_iter().find(|taken| *taken == found)
}

/// The ids of all files of the library that a post refers to.
fn named_files<'a>(
    media: &'a [Item],
    named: &'a [OptionMedia],
) -> impl Iterator<Item = &'a str> + use<'a> {
    let attached = media.iter().flat_map(Item::files);
    attached.chain(named.iter().map(|named| named.id.as_str()))
}

struct Files {
    library: HashMap<String, MediaRow>,
    /// Type and size of each inline file; the type is none if its bytes tell nothing.
    inline: Vec<(Option<&'static str>, u64)>,
}

impl Files {
    async fn load<'a>(
        state: &State,
        caller: &Caller,
        pin: Option<ProfileId>,
        ids: impl Iterator<Item = &'a str>,
        inline: &[Vec<u8>],
    ) -> Result<Self, StoreError> {
        let mut ids: Vec<String> = ids
            .filter(|id| id.len() == MEDIA_ID_CHARS)
            .map(str::to_owned)
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let rows = if ids.is_empty() {
            Vec::new()
        } else {
            state.client().store().find_media(caller.org, &ids).await?
        };
        let visible = rows
            .into_iter()
            .filter(|row| pin.is_none_or(|pin| pin == row.profile));
        let inline = inline.iter().map(|bytes| {
            (
                recognise(bytes),
                u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            )
        });
        Ok(Self {
            library: visible.map(|row| (row.id.clone(), row)).collect(),
            inline: inline.collect(),
        })
    }

    fn add(&mut self, others: Self) {
        self.library.extend(others.library);
    }

    /// The post as the platform's rules see it; `at` is its target, if it is one of several. Errors: what is wrong with its
    /// files.
    fn post(
        &self,
        at: Option<usize>,
        content: &Content,
        named: &[OptionMedia],
    ) -> Result<Post, Vec<Violation>> {
        let mut missing = Vec::new();
        let mut media = Vec::with_capacity(content.media.len());
        for (index, item) in content.media.iter().enumerate() {
            match self.file(item, &format!("{}media.{index}", prefix(at))) {
                Ok(file) => media.push(file),
                Err(violation) => missing.push(violation),
            }
        }
        let mut option_media: Vec<Media> = Vec::with_capacity(named.len());
        let of_captions = captions_of(&content.media);
        for OptionMedia { path, id } in of_captions.iter().chain(named) {
            match self.library.get(id) {
                Some(_) if option_media.iter().any(|known| known.id == *id) => {}
                Some(row) => {
                    let kind = MediaKind::of_mime(&row.content_type);
                    option_media.push(engine::media_of(row, kind));
                }
                None => missing.push(unknown(format!("{}{path}", prefix(at)))),
            }
        }
        for violation in &mut missing {
            violation.target = at;
        }
        if !missing.is_empty() {
            return Err(missing);
        }
        Ok(Post {
            id: PostId::new(),
            text: content.text.clone(),
            media,
            first_comment: content
                .first_comment
                .clone()
                .map(|text| FirstComment { text }),
            options: Value::Object(content.options.clone()),
            option_media,
        })
    }

    fn file(&self, item: &Item, path: &str) -> Result<Media, Violation> {
        let alt_text = item.alt_text.clone();
        match &item.source {
            Source::Library(id) => {
                let row = self.library.get(id);
                let row = row.ok_or_else(|| unknown(format!("{path}.mediaId")))?;
                Ok(Media {
                    alt_text,
                    captions: item.captions.clone(),
                    ..engine::media_of(row, item.kind)
                })
            }
            Source::Inline(index) => {
                let Some((Some(mime), size_bytes)) = self.inline.get(*index).copied() else {
                    let message = "The bytes are of no known type of image or video.";
                    return Err(Violation::new(
                        "media.content_type",
                        format!("{path}.bytesBase64"),
                        message,
                    )
                    .remedy("Send a JPEG, PNG, GIF, WebP or MP4 file."));
                };
                Ok(Media {
                    id: String::new(),
                    kind: item.kind,
                    mime: mime.to_owned(),
                    size_bytes,
                    alt_text,
                    captions: item.captions.clone(),
                    ..Media::default()
                })
            }
        }
    }
}

/// The files of captions, and where they are named.
fn captions_of(media: &[Item]) -> Vec<OptionMedia> {
    let named = media.iter().enumerate().flat_map(|(at, item)| {
        let captions = item.captions.iter().enumerate();
        captions.map(move |(n, caption)| OptionMedia {
            path: format!("media.{at}.captions.{n}.mediaId"),
            id: caption.media_id.clone(),
        })
    });
    named.collect()
}

fn unknown(path: String) -> Violation {
    Violation::new("media.unknown", path, "There is no such file.")
        .code(Code::NotFound)
        .remedy("Upload it with POST /v1/media; GET /v1/media lists what this key may use.")
}
