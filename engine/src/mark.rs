//! The send mark as a connector sees it: no mark, no permit; no permit, no request.

use crate::attempt::AttemptState;
use crate::error::chain;
use async_trait::async_trait;
use publisher::{Checkpoint, Deadline, Failure, Mark, Permit};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use store::queue::{Fence, Refusal, SetMark};
use uuid::Uuid;
use vault::{Owner, Purpose, Vault};

/// What the lease must outlive the call by, beside the call itself.
pub(crate) const LEASE_MARGIN: Duration = Duration::from_millis(500);

/// A marked request begins within so much, so that a look need not wait for the whole lease to be over.
pub(crate) const SEND_BEGIN_MAX: Duration = Duration::from_secs(10);

/// Sets the mark of one claim, through the store.
pub(crate) struct ClaimMark {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) fence: Fence,
    pub(crate) post: Uuid,
    pub(crate) call_deadline: Duration,
    pub(crate) state: Arc<AttemptState>,
}

#[async_trait]
impl Mark for ClaimMark {
    async fn set(&self, checkpoint: Checkpoint) -> Result<Permit, Failure> {
        publisher::fault::point("mark.before");
        let sealed = seal_checkpoint(&self.vault, self.post, &checkpoint)?;
        // Taken before the statement: the permit ends, if anything, earlier here than in the database.
        let asked = Deadline::after(Duration::ZERO);
        let ask = SetMark {
            fence: self.fence,
            checkpoint: &sealed,
            stage: &checkpoint.stage,
            margin: self.call_deadline + LEASE_MARGIN,
            call: self.call_deadline,
            begin: SEND_BEGIN_MAX,
            now: None,
        };
        match self.store.set_mark(ask).await {
            Ok(Ok(marked)) => {
                self.state.mark_set();
                publisher::fault::point("mark.after");
                Ok(Permit::granted(asked.later_by(marked.may_begin)).call_max(self.call_deadline))
            }
            Ok(Err(refusal)) => {
                self.state.mark_refused(refusal);
                Err(refused(refusal))
            }
            Err(error) => {
                // It may be stored: nothing is sent, and the attempt counts as marked.
                tracing::warn!(job = %self.fence.job, claim = self.fence.claim, error = chain(&error), "a send mark has an unknown outcome; nothing is sent");
                self.state.mark_set();
                Err(Failure::ambiguous(
                    "mark.unknown",
                    "the database did not say whether the send mark was stored",
                ))
            }
        }
    }
}

fn refused(refusal: Refusal) -> Failure {
    let why = match refusal {
        Refusal::LeaseLost => "the lease of this claim is over or too short",
        Refusal::Overdue => "the deadline has passed",
        Refusal::Canceled => "an operator asked for its end",
        Refusal::Received => "a late receipt says that it is public already",
        Refusal::Busy => "another send of this account is unresolved",
    };
    Failure::transient("mark.refused", why)
}

/// Seals a checkpoint for its post: the owner is the post, so that it still opens after a move to `dead_letters`.
pub(crate) fn seal_checkpoint(
    vault: &Vault,
    post: Uuid,
    checkpoint: &Checkpoint,
) -> Result<Vec<u8>, Failure> {
    let json = serde_json::to_vec(checkpoint).map_err(|e| {
        Failure::transient(
            "checkpoint.write",
            format!("the checkpoint cannot be written: {e}"),
        )
    })?;
    vault
        .seal(&json, Owner::post(post), Purpose::Checkpoint)
        .map(vault::Sealed::into_bytes)
        .map_err(|e| {
            Failure::transient(
                "checkpoint.seal",
                format!("the checkpoint cannot be sealed: {e}"),
            )
        })
}
