//! Dead letters: sent again or closed, on the word of a person who is named.

use super::Console;
use chrono::{DateTime, Utc};
use publisher::id::{OrgId, PostId};
use publisher::{ReadBack, Registry};
use std::time::Duration;
use store::queue::Redrive;
use store::{LetterRow, Store, StoreError};
use uuid::Uuid;

/// How long a redriven post may take.
pub(crate) const REDRIVE_GIVE_UP: Duration = Duration::from_hours(24);

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

/// How a letter came to be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// `redriven`, `discarded`, `confirmed_published` or `confirmed_absent`.
    pub how: String,
    /// By whom.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Closed {
    /// How a letter was closed; none while it is open.
    pub(crate) fn of(letter: &LetterRow) -> Option<Self> {
        let said = |word: &Option<String>| word.clone().unwrap_or_else(|| "nobody".to_owned());
        Some(Self {
            how: said(&letter.resolved_how),
            by: said(&letter.resolved_by),
            at: letter.resolved_at?,
        })
    }
}

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.at.format("%Y-%m-%d %H:%M:%SZ");
        write!(f, "{} by {} at {at}", self.how, self.by)
    }
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
    #[error("the dead letter is not open any more: {0}")]
    NotOpen(Closed),
    /// Not a post's.
    #[error("only the dead letter of a post can be sent again; this one is a {kind}'s")]
    NotAPost {
        /// What it is.
        kind: String,
    },
    /// It may be public, and nobody can find out.
    #[error("the post may be public already, and {platform} cannot be asked whether it is")]
    CannotLook {
        /// The platform, which has no read-back.
        platform: String,
    },
    /// Its account is not connected any more.
    #[error("the post's account is no longer connected")]
    AccountMissing,
    /// Another post of its account is looked for at this moment, and the two could be taken for each other.
    #[error("another post of the same account is being looked for at this moment")]
    Busy,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a dead letter was not discarded.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    /// No such letter (in this organisation).
    #[error("there is no dead letter with this id, and no post with this id has one")]
    NotFound,
    /// Somebody has dealt with it.
    #[error("the dead letter is not open any more: {0}")]
    NotOpen(Closed),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether what became of a letter's last send is known, or its platform can be asked. A platform that this process does
/// not serve is left to a worker that does.
pub(crate) fn can_be_known(letter: &LetterRow, registry: &Registry) -> bool {
    letter.sent_at.is_none()
        || registry
            .get(&letter.queue)
            .is_none_or(|connector| connector.habits.read_back != ReadBack::None)
}

impl Console {
    /// Whether a dead letter could be sent again now, without doing it; returns the letter.
    ///
    /// Errors: as [`Console::redrive`], but for [`RedriveError::Busy`].
    pub async fn check_redrive(
        &self,
        registry: &Registry,
        request: &RedriveRequest,
    ) -> Result<LetterRow, RedriveError> {
        let Some(letter) = self.store.get_letter(request.letter, request.org).await? else {
            return Err(RedriveError::NotFound);
        };
        if letter.kind != "publish" {
            return Err(RedriveError::NotAPost { kind: letter.kind });
        }
        if let Some(closed) = Closed::of(&letter) {
            return Err(RedriveError::NotOpen(closed));
        }
        if !letter.connected {
            return Err(RedriveError::AccountMissing);
        }
        if !request.blind && !can_be_known(&letter, registry) {
            return Err(RedriveError::CannotLook {
                platform: letter.queue,
            });
        }
        Ok(letter)
    }

    /// Sends a dead letter again, as a new job of the next generation. An ambiguous one is verified first unless `blind`.
    pub async fn redrive(
        &self,
        registry: &Registry,
        request: RedriveRequest,
    ) -> Result<Redriven, RedriveError> {
        let letter = self.check_redrive(registry, &request).await?;
        let ask = Redrive {
            org: letter.org,
            letter: letter.id,
            by: request.by,
            blind: request.blind,
            give_up_after: REDRIVE_GIVE_UP,
            scheduled_at: None,
        };
        if let Some(requeued) = self.store.redrive(&ask).await? {
            return Ok(Redriven {
                post: requeued.post,
                looks_first: letter.sent_at.is_some() && !request.blind,
            });
        }
        Err(
            match closed_meanwhile(&self.store, letter.id.uuid()).await? {
                Some(closed) => RedriveError::NotOpen(closed),
                None => RedriveError::Busy,
            },
        )
    }

    /// Closes an open dead letter without sending anything; its post stays as it ended.
    ///
    /// A receipt that comes late still publishes the post: what is public is public.
    pub async fn discard(&self, request: DiscardRequest) -> Result<LetterRow, DiscardError> {
        let Some(letter) = self.store.get_letter(request.letter, request.org).await? else {
            return Err(DiscardError::NotFound);
        };
        if let Some(closed) = Closed::of(&letter) {
            return Err(DiscardError::NotOpen(closed));
        }
        let id = letter.id.uuid();
        let discarded = self
            .store
            .discard_letter(letter.org, letter.id, &request.by, &request.reason)
            .await?;
        if !discarded && let Some(closed) = closed_meanwhile(&self.store, id).await? {
            return Err(DiscardError::NotOpen(closed));
        }
        let now = self.store.get_letter(id, None).await?;
        now.ok_or(DiscardError::NotFound)
    }
}

/// How a letter was closed since it was read.
async fn closed_meanwhile(store: &Store, letter: Uuid) -> Result<Option<Closed>, StoreError> {
    let now = store.get_letter(letter, None).await?;
    Ok(now.as_ref().and_then(Closed::of))
}
