//! The verbs of master keys.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum VaultVerb {
    /// Rewrap everything sealed under the active master key, while everything runs
    ///
    /// The active key is the first of POSTRIDER_MASTER_KEY; the old ones stand behind it. One that was cut is simply begun
    /// again. With --json, prints `{"activeKey", "rewrapped", "unopened", "left", "retiredKeys": [id]}`. Exits 3, and
    /// touches nothing, if there is no new key or one is missing; 1 if something stayed under an old key.
    Rotate(RotateKeys),
    /// Show the master keys and what is sealed under each
    ///
    /// With --json, prints `{"keys": [{"id", "state", "firstSeenAt", "tokens", "checkpoints", "letters"}]}`; state is
    /// `active`, `retired`, `unknown` (not in POSTRIDER_MASTER_KEY) or `damaged` (values that name no key).
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKeys {
    /// So many values at a time
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub(crate) batch: i32,
}
