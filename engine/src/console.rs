//! Door 3: what an operator may do to the queue.

use publisher::id::{DeadLetterId, OrgId, PostId};
use std::time::Duration;
use store::queue::Redrive;
use store::{Store, StoreError};
use uuid::Uuid;

/// How long a redriven post may take.
const REDRIVE_GIVE_UP: Duration = Duration::from_hours(24);

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
        };
        if letter.resolved_at.is_none()
            && let Some(post) = self.store.redrive(&ask).await?
        {
            return Ok(Redriven {
                post,
                looks_first: letter.sent_at.is_some() && !request.blind,
            });
        }
        let now = self
            .store
            .get_letter(letter.id.uuid(), request.org)
            .await?
            .unwrap_or(letter);
        Err(RedriveError::NotOpen {
            how: now
                .resolved_how
                .unwrap_or_else(|| "being dealt with".to_owned()),
            by: now
                .resolved_by
                .unwrap_or_else(|| "somebody else".to_owned()),
            at: now
                .resolved_at
                .map_or_else(|| "this moment".to_owned(), |at| at.to_rfc3339()),
        })
    }
}
