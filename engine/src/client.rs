//! Door 1: accept, wait, cancel, edit, retry, connect, disconnect, for the API and the command line.

mod accept;
mod compose;
mod connect;
mod consent;
mod disconnect;
mod edit;
mod edit_letter;
mod keys;
mod retry;
mod wait;

pub use accept::{Acceptance, Replay, Submission, Target};
pub use compose::{TargetMedia, media_of};
pub use connect::{ConnectRequest, Connected};
pub use consent::{CONSENT_LIVES, CONSENTS_MAX, ConsentFault, ConsentRequest, TakenConsent};
pub use disconnect::{DisconnectRequest, Disconnected};
pub use edit::Edit;
pub use edit_letter::EditLetterRequest;
pub use keys::{CreatedKey, Environment, NewKeyRequest};
pub use wait::WaitEnd;

use crate::library::Library;
use publisher::Registry;
use publisher::id::{ApiKeyId, OrgId, PostId};
use std::time::Duration;
use store::{Store, StoreError};
use vault::Vault;
use wait::Waiters;

/// How requests are taken.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// How long the caller of an immediate post waits at most.
    pub wait: Duration,
    /// Callers that may wait at once.
    pub waiters_max: usize,
    /// How long an immediate post is tried, unless the caller says otherwise.
    pub give_up_immediate: Duration,
    /// How long after its time a scheduled post is tried, unless the caller says otherwise.
    pub give_up_scheduled: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(25),
            waiters_max: 1000,
            give_up_immediate: Duration::from_hours(1),
            give_up_scheduled: Duration::from_hours(24),
        }
    }
}

/// The door for whoever submits. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    store: Store,
    vault: Vault,
    registry: Registry,
    library: Library,
    config: ClientConfig,
    waiters: Waiters,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client of this database, serving the platforms of this registry.
    pub fn new(
        store: Store,
        vault: Vault,
        registry: Registry,
        library: Library,
        config: ClientConfig,
    ) -> Self {
        Self {
            store,
            vault,
            registry,
            library,
            config,
            waiters: Waiters::default(),
        }
    }

    /// What may be read directly.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The platforms served here.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The content library.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// How requests are taken.
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Cancels a post that has not begun; false when it has begun or ended.
    pub async fn cancel_post(&self, org: OrgId, post: PostId) -> Result<bool, StoreError> {
        self.store.cancel_post(org, post).await
    }

    /// Whether a key may still be used.
    pub async fn is_key_valid(&self, org: OrgId, key: ApiKeyId) -> Result<bool, StoreError> {
        self.store.is_key_valid(org, key).await
    }
}
