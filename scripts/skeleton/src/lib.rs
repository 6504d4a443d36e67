//! Skeleton publishing. **Not built yet.**
//!
//! To do: what the platform allows, how the one irreversible request is found out when its outcome is unknown, and the
//! grade that follows from it; every figure with its source and date.

#![forbid(unsafe_code)]

mod authorize;
mod failures;
#[cfg(feature = "fake")]
mod fake;
mod preflight;
mod publish;
mod wire;

#[cfg(feature = "fake")]
pub use fake::FakeSkeleton;

use publisher::{Connector, Habits, ReadBack, Setup, SetupError};
use std::{sync::Arc, time::Duration};
use url::Url;

/// The wire id.
const PLATFORM: &str = "skeleton";

/// Where the platform is.
const ADDRESS: &str = "https://skeleton.invalid/";

/// What the engine must know. To do: each figure, with its source.
const HABITS: Habits = Habits {
    quiet: Duration::from_mins(1),
    read_back: ReadBack::None,
    ..Habits::LEAST
};

/// Skeleton, ready to be registered; `setup.addresses["skeleton"]` replaces its address.
///
/// # Errors
/// The address cannot be a base address.
pub fn connector(setup: &Setup) -> Result<Connector, SetupError> {
    let own = Url::parse(ADDRESS).ok();
    let address = setup.addresses.get(PLATFORM).cloned().or(own);
    let base = address
        .filter(|address| !address.cannot_be_a_base())
        .ok_or_else(|| SetupError {
            platform: PLATFORM,
            problem: "its address is no base address".to_owned(),
            remedy: format!("set it to an address such as {ADDRESS}, or leave it out"),
        })?;
    let http = setup.http.named(PLATFORM).paced(HABITS.pace);
    Ok(Connector {
        platform: PLATFORM,
        display_name: "Skeleton",
        publisher: Arc::new(publish::Skeleton { http, base }),
        authorizer: Arc::new(authorize::Accounts),
        // To do: the published limits.
        quotas: vec![],
        habits: HABITS,
    })
}
