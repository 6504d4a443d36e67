//! Door 3: what an operator may do to the queue and to what is sealed.

mod letters;
mod rotate;

pub use letters::{Closed, DiscardError, DiscardRequest, RedriveError, RedriveRequest, Redriven};
pub(crate) use letters::{REDRIVE_GIVE_UP, can_be_known};
pub use rotate::{RotateError, RotateProgress, Rotated};

use publisher::id::AccountId;
use store::queue::{Paused, Resumed};
use store::{Store, StoreError};

/// The operator's door.
#[derive(Clone, Debug)]
pub struct Console {
    store: Store,
}

impl Console {
    /// The operator's door to this database.
    pub fn new(store: Store) -> Self {
        Self { store }
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
