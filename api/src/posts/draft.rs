//! The bodies of `POST /v1/posts` and of what changes a post, as they may arrive: every field optional, because what is missing is judged with the rest.

use crate::json::Object;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Draft {
    pub(super) targets: Option<Vec<Object<TargetDraft>>>,
    /// Default of every target's.
    pub(super) text: Option<String>,
    /// Default of every target's.
    pub(super) media: Option<Vec<Object<MediaDraft>>>,
    /// Default of every target's.
    pub(super) first_comment: Option<Object<CommentDraft>>,
    pub(super) publish_now: Option<bool>,
    pub(super) scheduled_at: Option<String>,
    pub(super) profile_id: Option<String>,
    pub(super) metadata: Option<Map<String, Value>>,
    /// Seconds; default of every target's.
    pub(super) publish_within: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetDraft {
    pub(super) account_id: Option<String>,
    pub(super) platform: Option<String>,
    pub(super) text: Option<String>,
    pub(super) media: Option<Vec<Object<MediaDraft>>>,
    pub(super) first_comment: Option<Object<CommentDraft>>,
    /// What is in it beside `platform` is the platform's business.
    pub(super) options: Option<Map<String, Value>>,
    pub(super) metadata: Option<Map<String, Value>>,
    pub(super) publish_within: Option<i64>,
    pub(super) after: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MediaDraft {
    pub(super) kind: Option<String>,
    pub(super) alt_text: Option<String>,
    pub(super) media_id: Option<String>,
    pub(super) url: Option<String>,
    pub(super) bytes_base64: Option<String>,
    /// Of a video.
    pub(super) captions: Option<Vec<Object<CaptionDraft>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CaptionDraft {
    pub(super) lang: Option<String>,
    pub(super) media_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CommentDraft {
    pub(super) text: Option<String>,
}

/// The body of `PATCH /v1/posts/:id`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeDraft {
    pub(super) scheduled_at: Option<String>,
    pub(super) text: Option<String>,
    pub(super) media: Option<Vec<Object<MediaDraft>>>,
}

/// The body of `POST /v1/posts/:id/retry`; it may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetryDraft {
    pub(super) scheduled_at: Option<String>,
}
