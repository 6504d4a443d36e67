//! The queue: accept, claim, mark, settle, renew, reap. For the engine only.
//!
//! Everything here is fenced by `(org, job, claim)`: a claim number rises with each lease of a job, and only the holder of
//! the current one changes anything. This module decides nothing; it writes what [`Settlement`] says.

mod accept;
mod claim;
mod edit;
mod lease;
mod mark;
mod operate;
mod pause;
mod settle;

pub use accept::{Accepted, NewBatch, NewPost, NewPostMedia, Remembered};
pub use claim::{ClaimRequest, Claimed, Claims, LoadedAccount, LoadedPost};
pub use edit::{PostChange, Requeue, Requeued};
pub use lease::{ExpiredClaim, WorkerInfo};
pub use mark::{Marked, Refusal, SetMark};
pub use operate::{DeclaredLimit, EditLetter, FreshTokens, Redrive};
pub use pause::{Paused, Resumed};
pub use settle::{Settled, Settlement};

pub(crate) use accept::to_json;

use publisher::id::{JobId, OrgId};

/// The fence: one claim of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fence {
    /// The job's organisation.
    pub org: OrgId,
    /// The job.
    pub job: JobId,
    /// Which claim of it.
    pub claim: i32,
}

/// Milliseconds for a statement; what does not fit is as good as for ever.
pub(crate) fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis())
        .unwrap_or(i64::MAX / 4)
        .min(i64::MAX / 4)
}
