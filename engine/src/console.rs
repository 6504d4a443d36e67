//! Door 3: what an operator may do to the queue and to what is sealed.

mod rotate;

pub use rotate::{RotateError, RotateProgress, Rotated};

use publisher::id::{AccountId, DeadLetterId, OrgId, PostId};
use std::time::Duration;
use store::queue::{Paused, Redrive, Resumed};
use store::{LetterRow, Store, StoreError};
use uuid::Uuid;

/// How long a redriven post may take.
pub(crate) const REDRIVE_GIVE_UP: Duration = Duration::from_hours(24);

/// The operator's door.
#[derive(Clone, Debug)]
pub struct Console {
    store: Store,
}

/// Which dead letter is to be sent again, and on whose word.
#[derive(Clone, Debug)]
pub struct RedriveRequest {
    /// The letter's id, or its post's.
    pub letter: Uuid,
    /// Only within this organisation.
    pub org: Option<OrgId>,
    /// Who wants it.
    pub by: String,
    /// Send an ambiguous one without a look first: the operator has checked that nothing is there.
    pub blind: bool,
}

/// Which dead letter is to be closed, why, and on whose word.
#[derive(Clone, Debug)]
pub struct DiscardRequest {
    /// The letter's id, or its post's.
    pub letter: Uuid,
    /// Only within this organisation.
    pub org: Option<OrgId>,
    /// Who wants it.
    pub by: String,
    /// Why nothing is to be sent.
    pub reason: String,
}

/// Why a dead letter was not discarded.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// No such letter (in this organisation).
    #[error("there is no dead letter with this id, and no post with this id has one")]
    NotFound,
    /// Somebody has dealt with it.
    #[error("the dead letter is not open any more: {how} by {by} at {at}")]
    NotOpen {
        /// How.
        how: String,
        /// Who.
        by: String,
        /// When.
        at: String,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A dead letter is on its way again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// Its post.
    pub post: PostId,
    /// Whether it is verified before anything is sent.
    pub looks_first: bool,
}

/// Why a dead letter was not sent again.
#[derive(Debug, thiserror::Error)]
pub enum RedriveError {
    /// No such letter (in this organisation).
    #[error("there is no dead letter with this id, and no post with this id has one")]
    NotFound,
    /// Somebody has dealt with it.
    #[error("the dead letter is not open any more: {how} by {by} at {at}")]
    NotOpen {
        /// How.
        how: String,
        /// Who.
        by: String,
        /// When.
        at: String,
    },
    /// Not a post's.
    #[error("only the dead letter of a post can be sent again; this one is a {kind}'s")]
    NotAPost {
        /// What it is.
        kind: String,
    },
    /// Its account is not connected any more.
    #[error("the post's account is no longer connected")]
    AccountMissing,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Console {
    /// The operator's door to this database.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Sends a dead letter again, as a new job of the next generation. An ambiguous one is verified first unless `blind`.
    pub async fn redrive(&self, request: RedriveRequest) -> Result<Redriven, RedriveError> {
        let Some(letter) = self.store.get_letter(request.letter, request.org).await? else {
            return Err(RedriveError::NotFound);
        };
        if letter.kind != "publish" {
            return Err(RedriveError::NotAPost { kind: letter.kind });
        }
        let ask = Redrive {
            org: letter.org,
            letter: DeadLetterId(letter.id.uuid()),
            by: request.by,
            blind: request.blind,
            give_up_after: REDRIVE_GIVE_UP,
            scheduled_at: None,
        };
        if letter.resolved_at.is_none()
            && let Some(requeued) = self.store.redrive(&ask).await?
        {
            return Ok(Redriven {
                post: requeued.post,
                looks_first: letter.sent_at.is_some() && !request.blind,
            });
        }
        if letter.resolved_at.is_none()
            && let Some(account) = letter.account
            && self
                .store
                .get_account(letter.org, account.into(), None)
                .await?
                .is_none()
        {
            return Err(RedriveError::AccountMissing);
        }
        let Closed { how, by, at } = self.closed(letter, request.org).await?;
        Err(RedriveError::NotOpen { how, by, at })
    }

    /// Closes an open dead letter without sending anything; its post stays as it ended.
    ///
    /// A receipt that comes late still publishes the post: what is public is public.
    pub async fn discard(&self, request: DiscardRequest) -> Result<LetterRow, DiscardError> {
        let Some(letter) = self.store.get_letter(request.letter, request.org).await? else {
            return Err(DiscardError::NotFound);
        };
        let discarded = letter.resolved_at.is_none()
            && self
                .store
                .discard_letter(letter.org, letter.id, &request.by, &request.reason)
                .await?;
        if discarded {
            let now = self.store.get_letter(letter.id.uuid(), None).await?;
            return now.ok_or(DiscardError::NotFound);
        }
        let Closed { how, by, at } = self.closed(letter, request.org).await?;
        Err(DiscardError::NotOpen { how, by, at })
    }

    /// Who dealt with a letter, how and when.
    async fn closed(&self, letter: LetterRow, org: Option<OrgId>) -> Result<Closed, StoreError> {
        let now = self
            .store
            .get_letter(letter.id.uuid(), org)
            .await?
            .unwrap_or(letter);
        let said = |word: Option<String>, unknown: &str| word.unwrap_or_else(|| unknown.to_owned());
        Ok(Closed {
            how: said(now.resolved_how, "being dealt with"),
            by: said(now.resolved_by, "somebody else"),
            at: said(now.resolved_at.map(|at| at.to_rfc3339()), "this moment"),
        })
    }

    /// Nothing of an account is claimed from now on; what runs ends.
    pub async fn pause_account(&self, account: AccountId, by: &str) -> Result<Paused, StoreError> {
        self.store.pause_account(account, by).await
    }

    /// What waits for an account may be claimed again; one that needs its owner goes on when it is connected again.
    pub async fn resume_account(&self, account: AccountId) -> Result<Resumed, StoreError> {
        self.store.resume_account(account).await
    }

    /// Nothing of a platform is claimed from now on; what runs ends.
    pub async fn pause_platform(&self, platform: &str, by: &str) -> Result<Paused, StoreError> {
        self.store.pause_queue(platform, by).await
    }

    /// What waits for a platform may be claimed again, also after the platform blocked our app.
    pub async fn resume_platform(&self, platform: &str) -> Result<Resumed, StoreError> {
        self.store.resume_queue(platform).await
    }
}

struct Closed {
    how: String,
    by: String,
    at: String,
}
