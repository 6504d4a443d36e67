//! The irreversible request of a part, and what is read back under its key.
//!
//! A part without gates is a put with `swapRecord: null`. A part with gates is one batch of creations: the post first, as
//! its readers index it, and its gates in the same commit, so that there is no moment in which it is public and open. A
//! batch cannot repeat itself either: a creation under a key that is taken refuses the whole of it.

use crate::{
    failures, part,
    preflight::{IMAGE_BYTES_MAX, SMALL_IMAGE_BYTES_MAX},
    publish::{Bluesky, Task, unreachable},
    record::Frozen,
    usage::usage,
    video,
    wire::{Batch, Batched, COLLECTION, Create, Put, Stored, Written, Xrpc, XrpcError},
};
use publisher::{Answer, Evidence, Failure, Part, Permit, Progress, Receipt, Step};
use std::time::Duration;

impl Bluesky {
    /// Sends a frozen part; the one irreversible request of a step.
    pub(crate) async fn send(
        &self,
        task: &Task<'_>,
        frozen: Frozen,
        permit: Permit,
    ) -> Result<Progress, Failure> {
        let call = if frozen.gates.is_empty() {
            Xrpc::PutRecord
        } else {
            Xrpc::ApplyWrites
        };
        let request = self
            .http
            .post_once(&call.at(task.pds), permit)
            .bearer(task.step.token);
        let request = match call {
            Xrpc::PutRecord => request.json(&put(task.did(), &frozen)),
            _ => request.json(&batch(task.did(), &frozen)),
        };
        let answer = request
            .deadline(task.step.deadline)
            .send()
            .await
            .map_err(|e| unreachable(call, &e))?;
        if let Some(usage) = usage(&answer) {
            task.step.note(usage);
        }
        if !answer.is_success() {
            if refuses_size(&answer) && !frozen.small && has_large_image(&frozen) {
                return smaller(task, frozen);
            }
            let failure = failures::failure(call, &answer, task.step.now);
            if failure.code == call.code("blob_not_found") && task.part.film().is_some() {
                return video::blob_gone(task, frozen);
            }
            return Err(failure);
        }
        let written: Option<Written> = match call {
            Xrpc::PutRecord => answer.json().ok(),
            _ => answer
                .json::<Batched>()
                .ok()
                .and_then(|batch| batch.results.into_iter().next()),
        };
        match written {
            Some(Written { uri, cid }) if uri == frozen.uri(task.did()) => {
                progress(&task.step, &frozen, Some(cid), task.total)
            }
            _ => Err(failures::unreadable(call, &answer)),
        }
    }
}

fn put<'a>(did: &'a str, frozen: &'a Frozen) -> Put<'a> {
    Put {
        repo: did,
        collection: COLLECTION,
        rkey: &frozen.rkey,
        record: &frozen.record,
        swap_record: None,
    }
}

fn batch<'a>(did: &'a str, frozen: &'a Frozen) -> Batch<'a> {
    let rkey = frozen.rkey.as_str();
    let post = Create::new(COLLECTION, rkey, &frozen.record);
    let gates = frozen
        .gates
        .iter()
        .map(|gate| Create::new(&gate.collection, rkey, &gate.record));
    Batch {
        repo: did,
        writes: std::iter::once(post).chain(gates).collect(),
    }
}

/// How far the publication is when this part is public.
fn progress(
    step: &Step<'_>,
    frozen: &Frozen,
    cid: Option<String>,
    total: usize,
) -> Result<Progress, Failure> {
    let did = step.account.platform_account_id.as_str();
    let receipt = match step.receipt {
        None => frozen.receipt(did, cid),
        Some(so_far) => grown(so_far, step, frozen, cid),
    };
    if part::done(Some(&receipt)) >= total {
        return Ok(Progress::Published(receipt));
    }
    Ok(Progress::Pending {
        checkpoint: frozen.checkpoint()?,
        poll_after: Duration::ZERO,
        receipt: Some(receipt),
    })
}

fn grown(so_far: &Receipt, step: &Step<'_>, frozen: &Frozen, cid: Option<String>) -> Receipt {
    let mut receipt = so_far.clone();
    let (options, _) = crate::options::Options::read(&step.post.options);
    let plan = part::plan(step.post, &options);
    let role = plan.get(frozen.part).and_then(|part| part.place.role());
    let uri = frozen.uri(&step.account.platform_account_id);
    receipt
        .parts
        .extend(role.map(|role| Part { role, uri, cid }));
    receipt.warnings.extend(frozen.warnings.iter().cloned());
    receipt
}

/// Compares what lies under the key with what was sent.
pub(crate) fn evidence(
    step: &Step<'_>,
    frozen: &Frozen,
    answer: &Answer,
) -> Result<Evidence, Failure> {
    let Stored { uri, cid, value } = answer
        .json()
        .map_err(|_| failures::unreadable(Xrpc::GetRecord, answer))?;
    let did = step.account.platform_account_id.as_str();
    if uri == frozen.uri(did) && value == frozen.record {
        let (options, _) = crate::options::Options::read(&step.post.options);
        let total = part::plan(step.post, &options).len();
        return Ok(Evidence::Found(progress(step, frozen, cid, total)?));
    }
    tracing::error!(
        rkey = frozen.rkey,
        "a record that we did not write lies under a key that we minted"
    );
    Ok(Evidence::Unknowable)
}

/// Whether a PDS says that nothing lies under the key. Servers before 2024 said it in words only.
pub(crate) fn says_not_found(answer: &Answer) -> bool {
    matches!(answer.status, 400 | 404)
        && XrpcError::read(answer).is_some_and(|error| {
            error.error == "RecordNotFound"
                || (error.error == "InvalidRequest"
                    && error.message.starts_with("Could not locate record: at://"))
        })
}

/// Whether a PDS refuses a record for the size of a file in it. Its lexicon may be older than April 2026, and then it takes
/// images of half the size; how it says so is not written down anywhere.
fn refuses_size(answer: &Answer) -> bool {
    let said = XrpcError::read(answer).unwrap_or_default();
    let words = said.message.to_ascii_lowercase();
    let of_size = ["too large", "maxsize", "maximum size", "bytes"];
    answer.status == 400
        && (said.error == "BlobTooLarge"
            || (said.error == "InvalidRequest" && of_size.iter().any(|word| words.contains(word))))
}

fn has_large_image(frozen: &Frozen) -> bool {
    frozen
        .image_bytes()
        .any(|bytes| (SMALL_IMAGE_BYTES_MAX as u64 + 1..=IMAGE_BYTES_MAX as u64).contains(&bytes))
}

/// The refusal is definite: nothing lies under the key. The next step builds the record anew under it, with smaller images.
fn smaller(task: &Task<'_>, frozen: Frozen) -> Result<Progress, Failure> {
    let refused = Frozen {
        too_large: true,
        ..frozen
    };
    Ok(Progress::Pending {
        checkpoint: refused.checkpoint()?,
        poll_after: Duration::ZERO,
        receipt: task.step.receipt.cloned(),
    })
}
