//! What accepting, editing, retrying, connecting and disconnecting can come to, other than well.

use crate::client::ConsentFault;
use crate::console::Closed;
use chrono::{DateTime, Utc};
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

/// Why a post was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// No such post.
    #[error("there is no such post")]
    NotFound,
    /// It has begun, or has ended.
    #[error("only a post that has not begun can be changed; this one is {status}")]
    Begun {
        /// Its shown status.
        status: String,
    },
    /// Its time has come, or it never had one.
    #[error("only a post whose time is still to come can be changed")]
    Window {
        /// Its time.
        scheduled_at: Option<DateTime<Utc>>,
    },
    /// The new time is not at least a second ahead.
    #[error("the new time is not at least one second in the future")]
    TooSoon,
    /// The post as it would be breaks rules: all of them.
    #[error("{} rules are broken", .0.len())]
    Preflight(Vec<TargetViolation>),
    /// This build does not serve its platform.
    #[error("platform {platform} is not enabled here")]
    PlatformGone {
        /// Which.
        platform: String,
    },
    /// Others changed the post again and again meanwhile.
    #[error("the post is being changed by others at this moment")]
    Contended,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a post was not sent again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// No such post.
    #[error("there is no such post")]
    NotFound,
    /// It waits, is under way, or is public.
    #[error("only a failed, rejected or canceled post can be retried; this one is {status}")]
    Status {
        /// Its shown status.
        status: String,
    },
    /// An operator has closed its dead letter.
    #[error("the post's dead letter was discarded")]
    Discarded,
    /// Its account is not connected any more.
    #[error("the post's account is no longer connected")]
    AccountMissing,
    /// Somebody else was faster, or its account has another post to look for first.
    #[error("the post changed while it was being retried")]
    Raced,
    /// It may be public, and nobody can find out.
    #[error("the post may be public already, and {platform} cannot be asked whether it is")]
    CannotLook {
        /// The platform, which has no read-back.
        platform: String,
    },
    /// It may be public: it is looked for at once, and cannot be put off.
    #[error("the post may be public already; it is looked for at once and cannot be scheduled")]
    LooksFirst,
    /// The new time is not at least a second ahead.
    #[error("the new time is not at least one second in the future")]
    TooSoon,
    /// This build does not serve its platform.
    #[error("platform {platform} is not enabled here")]
    PlatformGone {
        /// Which.
        platform: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the post of a dead letter was not changed and sent.
#[derive(Debug, thiserror::Error)]
pub enum EditLetterError {
    /// No such letter (in this organisation).
    #[error("there is no dead letter with this id, and no post with this id has one")]
    NotFound,
    /// Somebody has dealt with it.
    #[error("the dead letter is not open any more: {0}")]
    NotOpen(Closed),
    /// Not a post's.
    #[error("only the dead letter of a post can be edited; this one is a {kind}'s")]
    NotAPost {
        /// What it is.
        kind: String,
    },
    /// It may be public as it was.
    #[error("the post may be public already as it was, so it cannot become another one")]
    Unresolved,
    /// Its account is not connected any more.
    #[error("the post's account is no longer connected")]
    AccountMissing,
    /// What the post would become, or its time.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl From<StoreError> for EditLetterError {
    fn from(error: StoreError) -> Self {
        Self::Edit(error.into())
    }
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
    /// The person granted no account.
    #[error("no account was granted")]
    NoneGranted,
    /// What came back does not belong to a consent that can be completed.
    #[error("the consent cannot be completed: {0:?}")]
    Consent(ConsentFault),
    /// The organisation has as many consents under way as it may.
    #[error("too many consents are under way")]
    TooMany,
    /// The grant could not be sealed.
    #[error("the grant could not be sealed")]
    Seal(#[from] vault::SealError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ConsentFault> for ConnectError {
    fn from(fault: ConsentFault) -> Self {
        Self::Consent(fault)
    }
}

/// Why an account was not disconnected.
#[derive(Debug, thiserror::Error)]
pub enum DisconnectError {
    /// No such account (any more).
    #[error("there is no such account")]
    NotFound,
    /// The API key was revoked meanwhile.
    #[error("the API key was revoked")]
    KeyRevoked,
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
