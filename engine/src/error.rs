//! What accepting and connecting can come to, other than well.

use publisher::{Failure, Violation};
use std::error::Error;
use store::StoreError;

/// A violation with the target it was found in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetViolation {
    /// Index of the target in the request.
    pub target: usize,
    /// Wire id of its platform.
    pub platform: String,
    /// The rule, and where in the target it is broken.
    pub violation: Violation,
}

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Rules are broken: all of them, of all targets.
    #[error("{} rules are broken", .0.len())]
    Preflight(Vec<TargetViolation>),
    /// Another request was accepted under this idempotency key.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The API key was revoked meanwhile.
    #[error("the API key was revoked")]
    KeyRevoked,
    /// An account was disconnected meanwhile.
    #[error("an account is no longer connected")]
    AccountGone,
    /// This build does not serve the platform of a target.
    #[error("platform {platform} is not enabled here")]
    PlatformGone {
        /// Which.
        platform: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why no account was connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// This build does not serve the platform.
    #[error("the platform is not enabled here")]
    UnknownPlatform,
    /// The platform, or a rule of its, said no.
    #[error(transparent)]
    Refused(#[from] Failure),
    /// The grant could not be sealed.
    #[error("the grant could not be sealed")]
    Seal(#[from] vault::SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An error with all its causes, for logs: each says only its own part.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |whole, cause| {
        format!("{whole}: {cause}")
    })
}
