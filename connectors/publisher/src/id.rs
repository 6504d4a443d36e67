//! The ids that a connector and the engine share.
//!
//! Every id is a UUIDv7 in a type of its own, so that an account cannot be passed for a post. Ids sort by birth, are made
//! by us (never by the database), and are printed as plain UUIDs.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, later than every id this process made before.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as a plain UUID, for storage and for the wire.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    )+};
}

ids! {
    /// An organisation: the owner of everything else.
    OrgId,
    /// A profile: a group of accounts inside an organisation.
    ProfileId,
    /// A connected account of a platform.
    AccountId,
    /// The posts of one request.
    BatchId,
    /// One text for one account.
    PostId,
    /// A unit of live work.
    JobId,
    /// A job that ended unpublished.
    DeadLetterId,
    /// Where the jobs of one account (or one refresh, or one endpoint) wait.
    BucketId,
    /// One claim's lease.
    LeaseId,
    /// One worker process, for the length of its life.
    WorkerId,
    /// An API key.
    ApiKeyId,
}
