//! Publishing: freeze, mark, put; and looking under the key when nobody knows.
//!
//! Everything before the put is harmless to repeat: resolving a handle changes nothing, and uploading the same bytes gives
//! the same blob. The put itself is harmless to repeat *as it was*: a PDS that already has the identical record under the
//! key answers with it and writes nothing. So once the record is frozen in the checkpoint, every later step sends exactly
//! that record, and a put that arrives minutes after its connection was cut makes no second post.

use crate::{
    failures, preflight,
    record::{self, Frozen, blob_cid},
    text::{self, Span, What},
    tid,
    wire::{COLLECTION, Put, Resolved, Stored, Uploaded, Written, Xrpc, XrpcError},
};
use async_trait::async_trait;
use publisher::{
    Account, Answer, CallError, Evidence, Failure, Habits, Http, Media, Permit, Post, Progress,
    Publisher, Report, Step, Warning,
};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use url::Url;

/// A record that is not there yet is looked for again at least this often.
const LOOK_AFTER_MAX: Duration = Duration::from_secs(10);

/// Bluesky's publisher.
#[derive(Debug)]
pub(crate) struct Bluesky {
    pub(crate) http: Http,
    pub(crate) habits: Habits,
}

#[async_trait]
impl Publisher for Bluesky {
    fn preflight(&self, post: &Post) -> Report {
        preflight::judge(post)
    }

    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure> {
        if let Some(receipt) = step.receipt {
            return Ok(Progress::Published(receipt.clone()));
        }
        let pds = pds(step.account)?;
        let frozen = match step.checkpoint {
            Some(checkpoint) => {
                let frozen: Frozen = checkpoint.read()?;
                self.upload_again(&step, &pds, &frozen).await?;
                frozen
            }
            None => self.freeze(&step, &pds).await?,
        };
        let permit = step.mark.set(frozen.checkpoint()?).await?;
        self.put(&step, &pds, &frozen, permit).await
    }

    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure> {
        let Some(checkpoint) = step.checkpoint else {
            return Ok(Evidence::Unknowable);
        };
        let frozen: Frozen = checkpoint.read()?;
        let did = step.account.platform_account_id.as_str();
        let call = self
            .http
            .get(&Xrpc::GetRecord.at(&pds(step.account)?))
            .query(&[
                ("repo", did),
                ("collection", COLLECTION),
                ("rkey", &frozen.rkey),
            ]);
        let answer = call
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::GetRecord, &e))?;
        if answer.is_success() {
            return evidence(&frozen, did, &answer);
        }
        if !says_not_found(&answer) {
            return Err(failures::failure(Xrpc::GetRecord, &answer, step.now));
        }
        let left = step.left_until_settled(self.habits.call_deadline, self.habits.quiet);
        if left.is_zero() {
            Ok(Evidence::Absent)
        } else {
            Ok(Evidence::NotYet {
                look_after: left.min(LOOK_AFTER_MAX),
            })
        }
    }
}

impl Bluesky {
    /// Resolves, uploads, mints and builds: everything that must never change again.
    async fn freeze(&self, step: &Step<'_>, pds: &Url) -> Result<Frozen, Failure> {
        let spans = text::detect(text::without_mark(&step.post.text));
        let (dids, warnings) = self.resolve_all(step, pds, &spans).await?;
        let blobs = self.upload_all(step, pds).await?;
        let record = record::build(step.post, &spans, &dids, &blobs, step.now);
        Ok(Frozen {
            rkey: tid::mint(step.sequence, step.account.id.uuid()),
            record,
            warnings,
        })
    }

    /// The DIDs of all mentions; a handle that nobody has becomes a warning.
    async fn resolve_all(
        &self,
        step: &Step<'_>,
        pds: &Url,
        spans: &[Span],
    ) -> Result<(BTreeMap<String, String>, Vec<Warning>), Failure> {
        let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut warnings = Vec::new();
        for span in spans {
            let What::Mention(handle) = &span.what else {
                continue;
            };
            if found.contains_key(handle) {
                continue;
            }
            let did = self.resolve(step, pds, handle).await?;
            if did.is_none() {
                warnings.push(Warning {
                    code: "bluesky.mention.unresolved".to_owned(),
                    message: format!(
                        "@{handle} is no account that the PDS can find; it stays plain text"
                    ),
                });
            }
            found.insert(handle.clone(), did);
        }
        let dids = found
            .into_iter()
            .filter_map(|(handle, did)| Some((handle, did?)))
            .collect();
        Ok((dids, warnings))
    }

    /// The DID of a handle; none if the PDS says that there is none.
    async fn resolve(
        &self,
        step: &Step<'_>,
        pds: &Url,
        handle: &str,
    ) -> Result<Option<String>, Failure> {
        let call = self
            .http
            .get(&Xrpc::ResolveHandle.at(pds))
            .query(&[("handle", handle)]);
        let answer = call
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::ResolveHandle, &e))?;
        match answer.status {
            200 => {
                let Resolved { did } = answer
                    .json()
                    .map_err(|_| failures::unreadable(Xrpc::ResolveHandle, &answer))?;
                Ok(is_did(&did).then_some(did))
            }
            400 | 404 if XrpcError::read(&answer).is_some() => Ok(None),
            _ => Err(failures::failure(Xrpc::ResolveHandle, &answer, step.now)),
        }
    }

    async fn upload_all(&self, step: &Step<'_>, pds: &Url) -> Result<Vec<Value>, Failure> {
        let mut blobs = Vec::with_capacity(step.post.media.len());
        for media in &step.post.media {
            blobs.push(self.upload(step, pds, media).await?);
        }
        Ok(blobs)
    }

    async fn upload(&self, step: &Step<'_>, pds: &Url, media: &Media) -> Result<Value, Failure> {
        let bytes = step.media.read(media, preflight::IMAGE_BYTES_MAX).await?;
        let call = self
            .http
            .post(&Xrpc::UploadBlob.at(pds))
            .bearer(step.token)
            .bytes(&media.mime, bytes);
        let answer = call
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::UploadBlob, &e))?;
        if !answer.is_success() {
            return Err(failures::failure(Xrpc::UploadBlob, &answer, step.now));
        }
        let Uploaded { blob } = answer
            .json()
            .map_err(|_| failures::unreadable(Xrpc::UploadBlob, &answer))?;
        if blob_cid(&blob).is_none() {
            return Err(failures::unreadable(Xrpc::UploadBlob, &answer));
        }
        Ok(blob)
    }

    /// A PDS throws away blobs that no record refers to. Before a put is repeated its images are uploaded again: the same
    /// bytes have the same content id, so the frozen record stays true.
    async fn upload_again(
        &self,
        step: &Step<'_>,
        pds: &Url,
        frozen: &Frozen,
    ) -> Result<(), Failure> {
        let expected = frozen.image_cids();
        if expected.is_empty() {
            return Ok(());
        }
        let blobs = self.upload_all(step, pds).await?;
        let found: Vec<&str> = blobs.iter().filter_map(blob_cid).collect();
        if found == expected {
            return Ok(());
        }
        Err(Failure::rejected(
            "bluesky.upload_blob.changed",
            "the PDS stores other bytes for the same images than it did before, so the frozen post cannot be repeated",
        )
        .remediation("Check on Bluesky that the post is not there, then send it again as a new post."))
    }

    /// The one irreversible request.
    async fn put(
        &self,
        step: &Step<'_>,
        pds: &Url,
        frozen: &Frozen,
        permit: Permit,
    ) -> Result<Progress, Failure> {
        let did = step.account.platform_account_id.as_str();
        let body = Put {
            repo: did,
            collection: COLLECTION,
            rkey: &frozen.rkey,
            record: &frozen.record,
            swap_record: None,
        };
        let call = self
            .http
            .post_once(&Xrpc::PutRecord.at(pds), permit)
            .bearer(step.token)
            .json(&body);
        let answer = call
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(Xrpc::PutRecord, &e))?;
        if !answer.is_success() {
            return Err(failures::failure(Xrpc::PutRecord, &answer, step.now));
        }
        match answer.json::<Written>() {
            Ok(Written { uri, cid }) if uri == frozen.uri(did) => {
                Ok(Progress::Published(frozen.receipt(did, Some(cid))))
            }
            _ => Err(failures::unreadable(Xrpc::PutRecord, &answer)),
        }
    }
}

/// Compares what lies under the key with what was sent.
fn evidence(frozen: &Frozen, did: &str, answer: &Answer) -> Result<Evidence, Failure> {
    let Stored { uri, cid, value } = answer
        .json()
        .map_err(|_| failures::unreadable(Xrpc::GetRecord, answer))?;
    if uri == frozen.uri(did) && value == frozen.record {
        return Ok(Evidence::Found(Progress::Published(
            frozen.receipt(did, cid),
        )));
    }
    tracing::error!(
        did,
        rkey = frozen.rkey,
        "a record that we did not write lies under a key that we minted"
    );
    Ok(Evidence::Unknowable)
}

/// Whether a PDS says that nothing lies under the key. Servers before 2024 said it in words only.
fn says_not_found(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 404)
        && XrpcError::read(answer).is_some_and(|error| {
            error.error == "RecordNotFound"
                || (error.error == "InvalidRequest"
                    && error.message.starts_with("Could not locate record: at://"))
        })
}

/// The account's own server, found when it was connected.
pub(crate) fn pds(account: &Account) -> Result<Url, Failure> {
    account.profile["pds"]
        .as_str()
        .and_then(|pds| Url::parse(pds).ok())
        .ok_or_else(|| {
            Failure::account_blocked("bluesky.account.pds", "the account's PDS is not known")
                .remediation("Connect the account again.")
        })
}

/// Whether `did` has the form of a decentralised identifier.
pub(crate) fn is_did(did: &str) -> bool {
    let mut parts = did.splitn(3, ':');
    did.len() <= 2_048
        && parts.next() == Some("did")
        && parts.next().is_some_and(|method| {
            !method.is_empty() && method.bytes().all(|b| b.is_ascii_lowercase())
        })
        && parts.next().is_some_and(|id| {
            !id.is_empty()
                && !id.ends_with(':')
                && id.bytes().all(|b| {
                    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'%' | b'-')
                })
        })
}

/// A call that got no whole answer.
pub(crate) fn unreachable(call: Xrpc, error: &CallError) -> Failure {
    error.failure(&call.code("no_answer"))
}
