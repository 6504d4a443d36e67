//! The hidden verb of the fake platforms.

use super::values::fake_account;
use clap::{Args, Subcommand};
use std::net::SocketAddr;

#[derive(Debug, Subcommand)]
pub(crate) enum Fake {
    /// A fake Bluesky PDS
    Bluesky(FakeBluesky),
    /// The four toy platforms
    Toys(FakeToys),
}

#[derive(Debug, Args)]
pub(crate) struct FakeBluesky {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// An account, such as alice.test:aaaa-bbbb-cccc-dddd
    #[arg(long = "account", value_name = "HANDLE:PASSWORD", value_parser = fake_account)]
    pub(crate) accounts: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct FakeToys {
    /// Where it listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
}
