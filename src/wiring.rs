//! From the configuration to the engine's doors: pools, vault, registry, library.
//!
//! Everything is opened without asking anybody: the database may be away now and come later.

use crate::{config::Config, connectors, exit::Stop};
use anyhow::Context as _;
use engine::{ClientConfig, Library, LibraryLimits, RuntimeConfig};
use publisher::{Http, HttpConfig, Registry};
use secrecy::ExposeSecret as _;
use std::time::Duration;
use store::{PoolSizes, SchemaState, Store, StoreError};
use vault::{KeyId, Keyring, MasterKey, Vault};
use zeroize::Zeroizing;

/// Oldest PostgreSQL that is supported, as `server_version_num` has it.
pub(crate) const POSTGRES_MIN: i32 = 140_000;

/// Connections for what must not wait behind ordinary work.
const RESERVED: u32 = 4;

/// Which part of a process asks for a database; each has pools of its own, so that none starves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Requests.
    Api,
    /// Jobs.
    Worker,
    /// A command that ends soon.
    Command,
}

/// The pools of one part.
pub(crate) fn store(config: &Config, part: Part) -> anyhow::Result<Store> {
    let url = config
        .database_url
        .as_ref()
        .context("no verb comes here without a database address")?;
    let few = PoolSizes {
        ordinary: 2,
        reserved: 1,
        acquire_timeout: Duration::from_secs(5),
    };
    let sizes = match part {
        Part::Api | Part::Worker => PoolSizes {
            ordinary: config.database_connections,
            reserved: RESERVED,
            ..few
        },
        Part::Command => few,
    };
    Ok(Store::connect_lazily(url.expose_secret(), sizes)?)
}

/// The database of a command, after a look at its schema.
///
/// Errors: it does not answer, or its schema is not this build's.
pub(crate) async fn store_for_command(config: &Config) -> anyhow::Result<Store> {
    let store = store(config, Part::Command)?;
    match store.schema_state().await? {
        SchemaState::Current => Ok(store),
        SchemaState::Behind(missing) => Err(behind(missing).into()),
        SchemaState::Ahead => Err(ahead().into()),
    }
}

/// What to say about a schema that is older than this build.
pub(crate) fn behind(missing: usize) -> Stop {
    Stop::refused(
        format!("the schema of the database is behind by {missing} migrations"),
        "postrider migrate",
    )
}

/// What to say about a schema that is newer than this build.
pub(crate) fn ahead() -> Stop {
    Stop::refused(
        "the schema of the database is newer than this build",
        "run the newer build of postrider",
    )
}

/// Brings the schema up to this build's and returns how many migrations that took.
///
/// Errors: the database does not answer, is too old, or its schema is newer.
pub(crate) async fn migrate(store: &Store) -> anyhow::Result<usize> {
    let (version, _) = store.ping().await?;
    if version < POSTGRES_MIN {
        return Err(too_old(version).into());
    }
    let missing = match store.schema_state().await? {
        SchemaState::Current => return Ok(0),
        SchemaState::Ahead => return Err(ahead().into()),
        SchemaState::Behind(missing) => missing,
    };
    store.migrate().await?;
    Ok(missing)
}

/// What to say about a PostgreSQL that lacks what the statements use.
pub(crate) fn too_old(version: i32) -> Stop {
    let what = format!("PostgreSQL {} is too old", version / 10_000);
    Stop::failed(what, "use PostgreSQL 14 or newer")
}

/// The platforms of this process.
pub(crate) fn registry(config: &Config) -> anyhow::Result<Registry> {
    let http = Http::new(HttpConfig {
        egress_allow: config.egress_allow.clone(),
        ..HttpConfig::default()
    })?;
    Ok(connectors::registry(config, http)?)
}

/// The media of this installation.
pub(crate) fn library(config: &Config) -> anyhow::Result<Library> {
    let limits = LibraryLimits {
        upload_bytes_max: config.media_bytes_max,
    };
    Library::open(&config.data_dir, limits).map_err(|e| {
        let what = format!(
            "media cannot be stored in {}: {e}",
            config.data_dir.display()
        );
        Stop::failed(
            what,
            "make the directory writable, or name another: export POSTRIDER_DATA_DIR=…",
        )
        .into()
    })
}

/// The key ring of a process that works.
pub(crate) fn vault(config: &Config) -> anyhow::Result<Vault> {
    config
        .vault
        .clone()
        .context("no verb comes here without a master key")
}

/// A door for a command that makes organisations and keys. It seals nothing; its vault is thrown away with it.
pub(crate) fn client_for_keys(config: &Config, store: Store) -> anyhow::Result<engine::Client> {
    client_without_keys(config, store, Registry::default())
}

/// A door for a command that changes posts; it knows the platforms' rules, and seals nothing either.
pub(crate) fn client_for_posts(config: &Config, store: Store) -> anyhow::Result<engine::Client> {
    client_without_keys(config, store, registry(config)?)
}

/// A door for a command that disconnects accounts: it opens their tokens to end their sessions.
pub(crate) fn client_for_accounts(config: &Config, store: Store) -> anyhow::Result<engine::Client> {
    Ok(engine::Client::new(
        store,
        vault(config)?,
        registry(config)?,
        library(config)?,
        ClientConfig::default(),
    ))
}

fn client_without_keys(
    config: &Config,
    store: Store,
    registry: Registry,
) -> anyhow::Result<engine::Client> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut_slice()).context("the operating system gave no random bytes")?;
    let id: KeyId = "none".parse()?;
    let vault = Vault::new(Keyring::new((id, MasterKey::new(&bytes)?)));
    Ok(engine::Client::new(
        store,
        vault,
        registry,
        library(config)?,
        ClientConfig::default(),
    ))
}

/// How requests are taken.
pub(crate) fn client_config(config: &Config) -> ClientConfig {
    ClientConfig {
        wait: config.wait,
        ..ClientConfig::default()
    }
}

/// How jobs are worked on.
pub(crate) fn runtime_config(config: &Config) -> RuntimeConfig {
    let slots = usize::try_from(config.slots).unwrap_or(usize::MAX);
    let (lease, poll) = (config.lease, config.poll);
    RuntimeConfig {
        name: worker_name(),
        slots,
        lease,
        poll,
        ..RuntimeConfig::default()
    }
}

/// `host/pid`
pub(crate) fn worker_name() -> String {
    let host = rustix::system::uname();
    format!(
        "{}/{}",
        host.nodename().to_string_lossy(),
        std::process::id()
    )
}

/// What to do about an error of the database.
pub(crate) fn remedy_for(error: &StoreError) -> &'static str {
    match error {
        StoreError::Address => {
            "export DATABASE_URL=postgres://user:password@localhost:5432/postrider"
        }
        error if error.is_passing() => {
            "see that PostgreSQL runs and that DATABASE_URL names it; `postrider doctor` looks closer"
        }
        _ => "`postrider doctor` looks closer",
    }
}
