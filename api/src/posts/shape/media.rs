//! The shape of attached files: a kind, and exactly one place where the file is.

use super::{Broken, Item, Shape, Source};
use crate::{
    json::Object,
    posts::draft::{CaptionDraft, MediaDraft},
    problem::Violation,
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use publisher::{Caption, MediaKind};

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Shape<'_> {
    pub(super) fn media(
        &mut self,
        items: Vec<Object<MediaDraft>>,
        path: &str,
    ) -> Result<Vec<Item>, Broken> {
        let items: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(at, Object(item))| self.item(item, &format!("{path}.{at}")))
            .collect();
        items.into_iter().collect()
    }

    fn item(&mut self, item: MediaDraft, path: &str) -> Result<Item, Broken> {
        let kind = match item.kind.as_deref() {
            Some("image") => Some(MediaKind::Image),
            Some("video") => Some(MediaKind::Video),
            other => {
                let message = match other {
                    None => "Required",
                    Some(_) => "Invalid enum value. Expected 'image' | 'video'",
                };
                self.find(Violation::at(format!("{path}.kind"), message));
                None
            }
        };
        let source =
            match (item.media_id, item.url, item.bytes_base64) {
                (Some(id), None, None) => Some(Source::Library(id)),
                (None, Some(_), None) => {
                    let message = "Media cannot be fetched from a URL yet.";
                    let violation =
                        Violation::new("media.url_unsupported", format!("{path}.url"), message);
                    self.find(violation.remedy(
                        "Upload the file first with POST /v1/media and name it by mediaId.",
                    ));
                    None
                }
                (None, None, Some(text)) => self.inline(&text, path),
                _ => {
                    self.find(
                        Violation::at(
                            path,
                            "Exactly one of mediaId, url and bytesBase64 is needed.",
                        )
                        .remedy("Upload the file with POST /v1/media and name it by mediaId."),
                    );
                    None
                }
            };
        let captions = self.captions(item.captions.unwrap_or_default(), kind, path);
        match (kind, source, captions) {
            (Some(kind), Some(source), Ok(captions)) => Ok(Item {
                kind,
                alt_text: item.alt_text,
                captions,
                source,
            }),
            _ => Err(Broken),
        }
    }

    /// Captions belong to videos, and each names its language and its file.
    fn captions(
        &mut self,
        drafts: Vec<Object<CaptionDraft>>,
        kind: Option<MediaKind>,
        path: &str,
    ) -> Result<Vec<Caption>, Broken> {
        if kind == Some(MediaKind::Image) && !drafts.is_empty() {
            let violation = Violation::at(
                format!("{path}.captions"),
                "Captions belong to videos only.",
            );
            self.find(violation.remedy("Leave captions out; altText describes an image."));
            return Err(Broken);
        }
        let captions: Vec<_> = drafts
            .into_iter()
            .enumerate()
            .map(|(at, Object(draft))| {
                let path = format!("{path}.captions.{at}");
                let lang = self.needed(draft.lang, format!("{path}.lang"));
                let id = self.needed(draft.media_id, format!("{path}.mediaId"));
                Ok(Caption {
                    lang: lang?,
                    media_id: id?,
                })
            })
            .collect();
        captions.into_iter().collect()
    }

    fn needed(&mut self, value: Option<String>, path: String) -> Result<String, Broken> {
        value.ok_or_else(|| {
            self.find(Violation::at(path, "Required"));
            Broken
        })
    }

    fn inline(&mut self, text: &str, path: &str) -> Option<Source> {
        let path = format!("{path}.bytesBase64");
        match BASE64.decode(text) {
            Ok(bytes) if bytes.is_empty() => {
                self.find(Violation::new(
                    "media.empty_body",
                    path,
                    "The file is empty.",
                ));
                None
            }
            Ok(bytes) => {
                self.inline.push(bytes);
                Some(Source::Inline(self.inline.len() - 1))
            }
            Err(_) => {
                self.find(
                    Violation::at(path, "This is not base64.")
                        .remedy("Encode the file in standard base64."),
                );
                None
            }
        }
    }
}
