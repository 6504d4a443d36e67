//! Every statement that Postrider sends to Postgres, and nothing else.
//!
//! The one idea: one statement is one file under `queries/`, checked against the schema at compile time and runnable in
//! `psql` as it is; a function here binds its parameters and names its result. No policy lives here: no backoff, no "if
//! failures >", no platform names. Statements with time take an optional `now`; production passes none and has the
//! database's clock, tests pass theirs.
//!
//! Lock order, everywhere: buckets by id → organisations → queue row → jobs → posts → the rest. Row locks are
//! `for no key update`. Every transaction here can be repeated.
//!
//! Only the engine may use [`queue`]; the API reads the tenant tables.

mod accounts;
mod buckets;
mod consents;
mod console;
mod dead_letters;
mod error;
mod listen;
mod media;
mod posts;
pub mod queue;
mod sealed;
mod tenants;
#[cfg(feature = "testing")]
pub mod testing;

pub use accounts::{AccountRow, Disconnect, Ended, LastWords, NewAccount};
pub use buckets::{BucketDetail, BucketFilter, BucketLimit, BucketPost, BucketRow, WorkerRow};
pub use consents::{NewPendingConnect, PendingConnectRow};
pub use console::{Broken, FigureRow, QueueRow};
pub use dead_letters::{LetterFilter, LetterRow};
pub use error::StoreError;
pub use listen::{Listener, Woken};
pub use media::{MediaRow, NewMedia};
pub use posts::{AttemptRow, BatchRow, Cursor, PostFilter, PostRow};
pub use sealed::{KeyUseRow, SealedIn, StaleRow};
pub use tenants::{CanaryRow, KeyRow, KeyedCaller, NewKey, OrganisationRow, ProfileRow};

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::str::FromStr as _;
use std::time::Duration;

/// The schema, in the order in which it grew.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// The doors to one database. Cheap to clone.
///
/// Three pools: `ordinary` for what may wait, `reserved` for marks and settlements, which must not wait behind it, and
/// `heartbeat`, one connection for renewals, which must not wait for either.
#[derive(Clone, Debug)]
pub struct Store {
    ordinary: PgPool,
    reserved: PgPool,
    heartbeat: PgPool,
    options: PgConnectOptions,
}

/// How many connections a process may open, and how long it waits for one.
#[derive(Clone, Copy, Debug)]
pub struct PoolSizes {
    /// For claims, accepts and reads; at least 1.
    pub ordinary: u32,
    /// For marks, renewals and settlements; at least 1.
    pub reserved: u32,
    /// How long to wait for a connection before the database counts as away.
    pub acquire_timeout: Duration,
}

impl Default for PoolSizes {
    fn default() -> Self {
        Self {
            ordinary: 10,
            reserved: 4,
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

impl Store {
    /// Opens the pools without connecting: the database may be away now and come later.
    ///
    /// Errors: [`StoreError::Address`] if `url` is not a Postgres address; the address itself is not repeated, it may hold
    /// a password.
    pub fn connect_lazily(url: &str, sizes: PoolSizes) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::Address)?
            .application_name("postrider");
        let pool = |connections: u32| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(sizes.acquire_timeout)
                .test_before_acquire(true)
                .after_connect(|connection, _| Box::pin(prepare_session(connection)))
                .connect_lazy_with(options.clone())
        };
        Ok(Self {
            ordinary: pool(sizes.ordinary),
            reserved: pool(sizes.reserved),
            heartbeat: pool(1),
            options,
        })
    }

    /// Brings the schema up to this build's. Safe to call from several processes at once.
    ///
    /// Errors: [`StoreError::Migration`] if the schema is newer than this build or was edited.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        MIGRATOR
            .run(&self.ordinary)
            .await
            .map_err(StoreError::migration)
    }

    /// Whether the schema is this build's: what is missing or unknown, if it is not.
    pub async fn schema_state(&self) -> Result<SchemaState, StoreError> {
        console::schema_state(&self.ordinary).await
    }

    /// Closes all connections after their statements have ended.
    pub async fn close(&self) {
        self.ordinary.close().await;
        self.reserved.close().await;
        self.heartbeat.close().await;
    }
}

/// Bounds a statement that must not hang: a database host that disappears says nothing for a quarter of an hour.
///
/// Errors: [`StoreError::NoAnswer`] when `patience` is over; the statement may have been committed.
async fn answered<T>(
    patience: Duration,
    statement: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(patience, statement)
        .await
        .unwrap_or(Err(StoreError::NoAnswer))
}

/// How the schema of the database compares with this build's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// The same.
    Current,
    /// So many migrations are still to be applied.
    Behind(usize),
    /// The database has seen a migration that this build does not know, or knows otherwise.
    Ahead,
}

/// What every session is set to: plans that do not depend on parameters, commits that are durable, no snapshot left open.
async fn prepare_session(connection: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_file!("queries/console/prepare_session.sql")
        .fetch_one(connection)
        .await
        .map(drop)
}
