//! The wire: which calls there are, and the shapes of what goes out and comes back.
//!
//! Only the fields that are used are named; the protocol evolves by adding, so unknown ones are ignored. Source: the
//! lexicons in `lexicons/`.

use publisher::Answer;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

/// The collection that posts live in.
pub(crate) const COLLECTION: &str = "app.bsky.feed.post";

/// The collections of what limits others; the key is that of the post.
pub(crate) const THREAD_GATE: &str = "app.bsky.feed.threadgate";
pub(crate) const POST_GATE: &str = "app.bsky.feed.postgate";

/// Every call that the connector makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Xrpc {
    /// Logs in with an app password.
    CreateSession,
    /// Exchanges a refresh token for a new pair.
    RefreshSession,
    /// Logs out.
    DeleteSession,
    /// Finds the DID of a handle.
    ResolveHandle,
    /// Uploads an image.
    UploadBlob,
    /// Asks the PDS to vouch for the account at another service.
    GetServiceAuth,
    /// Asks the video service what the account may upload.
    GetUploadLimits,
    /// Uploads a video.
    UploadVideo,
    /// Asks the video service what became of an upload.
    GetJobStatus,
    /// Writes a post under its key: irreversible.
    PutRecord,
    /// Writes a post with its gates in one commit: irreversible.
    ApplyWrites,
    /// Reads a post by its key.
    GetRecord,
}

impl Xrpc {
    /// The method's name in the protocol.
    pub(crate) const fn nsid(self) -> &'static str {
        match self {
            Self::CreateSession => "com.atproto.server.createSession",
            Self::RefreshSession => "com.atproto.server.refreshSession",
            Self::DeleteSession => "com.atproto.server.deleteSession",
            Self::ResolveHandle => "com.atproto.identity.resolveHandle",
            Self::UploadBlob => "com.atproto.repo.uploadBlob",
            Self::GetServiceAuth => "com.atproto.server.getServiceAuth",
            Self::GetUploadLimits => "app.bsky.video.getUploadLimits",
            Self::UploadVideo => "app.bsky.video.uploadVideo",
            Self::GetJobStatus => "app.bsky.video.getJobStatus",
            Self::PutRecord => "com.atproto.repo.putRecord",
            Self::ApplyWrites => "com.atproto.repo.applyWrites",
            Self::GetRecord => "com.atproto.repo.getRecord",
        }
    }

    /// The word in our error codes.
    pub(crate) const fn topic(self) -> &'static str {
        match self {
            Self::CreateSession => "create_session",
            Self::RefreshSession => "refresh_session",
            Self::DeleteSession => "delete_session",
            Self::ResolveHandle => "resolve_handle",
            Self::UploadBlob => "upload_blob",
            Self::GetServiceAuth => "get_service_auth",
            Self::GetUploadLimits => "get_upload_limits",
            Self::UploadVideo => "upload_video",
            Self::GetJobStatus => "get_job_status",
            Self::PutRecord => "put_record",
            Self::ApplyWrites => "apply_writes",
            Self::GetRecord => "get_record",
        }
    }

    /// Whether it makes something public.
    pub(crate) const fn is_irreversible(self) -> bool {
        matches!(self, Self::PutRecord | Self::ApplyWrites)
    }

    /// Its address on `host`.
    pub(crate) fn at(self, host: &Url) -> Url {
        let mut url = host.clone();
        url.set_path(&format!("/xrpc/{}", self.nsid()));
        url.set_query(None);
        url.set_fragment(None);
        url
    }

    /// The stable code of a failure of this call.
    pub(crate) fn code(self, fact: &str) -> String {
        format!("bluesky.{}.{fact}", self.topic())
    }
}

/// Body of `createSession`. Not `Debug`: it holds the app password.
#[derive(Serialize)]
pub(crate) struct Login<'a> {
    pub(crate) identifier: &'a str,
    pub(crate) password: &'a str,
}

/// What `createSession` and `refreshSession` answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Session {
    pub(crate) access_jwt: SecretString,
    pub(crate) refresh_jwt: SecretString,
    pub(crate) handle: String,
    pub(crate) did: String,
    pub(crate) did_doc: Option<Value>,
    pub(crate) active: Option<bool>,
    pub(crate) status: Option<String>,
}

/// What `resolveHandle` answers.
#[derive(Deserialize)]
pub(crate) struct Resolved {
    pub(crate) did: String,
}

/// What `getServiceAuth` answers.
#[derive(Deserialize)]
pub(crate) struct ServiceToken {
    pub(crate) token: SecretString,
}

/// What `uploadBlob` answers; the blob goes into the record verbatim.
#[derive(Deserialize)]
pub(crate) struct Uploaded {
    pub(crate) blob: Value,
}

/// Body of `putRecord`. `swap_record` is always null: the key must not exist yet.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Put<'a> {
    pub(crate) repo: &'a str,
    pub(crate) collection: &'a str,
    pub(crate) rkey: &'a str,
    pub(crate) record: &'a Value,
    pub(crate) swap_record: Option<&'a str>,
}

/// Body of `applyWrites`: all or nothing.
#[derive(Serialize)]
pub(crate) struct Batch<'a> {
    pub(crate) repo: &'a str,
    pub(crate) writes: Vec<Create<'a>>,
}

/// One creation of a batch.
#[derive(Serialize)]
pub(crate) struct Create<'a> {
    #[serde(rename = "$type")]
    kind: &'static str,
    collection: &'a str,
    rkey: &'a str,
    value: &'a Value,
}

impl<'a> Create<'a> {
    /// Creates `value` under `rkey`, which must not exist yet.
    pub(crate) fn new(collection: &'a str, rkey: &'a str, value: &'a Value) -> Self {
        Self {
            kind: "com.atproto.repo.applyWrites#create",
            collection,
            rkey,
            value,
        }
    }
}

/// What `applyWrites` answers, in the order of the writes; servers before 2024 leave the results out.
#[derive(Deserialize)]
pub(crate) struct Batched {
    #[serde(default)]
    pub(crate) results: Vec<Written>,
}

/// What `putRecord` answers, and `applyWrites` for each creation.
#[derive(Deserialize)]
pub(crate) struct Written {
    pub(crate) uri: String,
    pub(crate) cid: String,
}

/// What `getRecord` answers.
#[derive(Deserialize)]
pub(crate) struct Stored {
    pub(crate) uri: String,
    pub(crate) cid: Option<String>,
    pub(crate) value: Value,
}

/// The protocol's error body.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct XrpcError {
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) message: String,
}

impl XrpcError {
    /// Reads an answer that is no success; none if it is not the protocol's error body (a proxy's HTML, nothing).
    pub(crate) fn read(answer: &Answer) -> Option<Self> {
        serde_json::from_slice(&answer.body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_says_null_where_the_key_must_not_exist() {
        let record = Value::Null;
        let put = Put {
            repo: "did:web:a.test",
            collection: COLLECTION,
            rkey: "k",
            record: &record,
            swap_record: None,
        };
        let json = serde_json::to_value(put).unwrap();
        assert!(json.as_object().unwrap().contains_key("swapRecord"));
        assert_eq!(json["swapRecord"], Value::Null);
    }

    #[test]
    fn an_address_is_the_host_and_the_method() {
        let host = Url::parse("https://pds.test:8443/").unwrap();
        assert_eq!(
            Xrpc::GetRecord.at(&host).as_str(),
            "https://pds.test:8443/xrpc/com.atproto.repo.getRecord"
        );
    }
}
