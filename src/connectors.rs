//! THE registration list: one line per platform.

use crate::config::Config;
use publisher::{
    Connector, Http, Registry, Setup, SetupError,
    toys::{self, ToyTimes},
};
use std::collections::BTreeMap;

/// Builds one platform.
type Build = fn(&Setup) -> Result<Connector, SetupError>;

/// Every platform.
const PLATFORMS: &[Build] = &[
    connector_bluesky::connector, //
];

/// All platforms of this process.
///
/// Errors: one of them cannot be built from its addresses.
pub(crate) fn registry(config: &Config, http: Http) -> Result<Registry, SetupError> {
    let addresses = [
        ("bluesky", &config.bluesky_url),
        ("bluesky.plc", &config.bluesky_plc_url),
        ("bluesky.video", &config.bluesky_video_url),
        ("toys", &config.toys_url),
    ];
    let addresses: BTreeMap<_, _> = addresses
        .into_iter()
        .filter_map(|(name, url)| Some((name.to_owned(), url.clone()?)))
        .collect();
    let setup = Setup {
        addresses,
        durations: config.platform_times.clone(),
        apps: config.apps.clone(),
        ..Setup::new(http)
    };
    let mut registry = Registry::default();
    for build in PLATFORMS {
        registry = registry.with(build(&setup)?);
    }
    if config.toys_url.is_some() {
        for toy in toys::connectors(&setup, toy_times(&setup))? {
            registry = registry.with(toy);
        }
        if setup.apps.contains_key(toys::CONSENT_PLATFORM) {
            registry = registry.with(toys::consent_connector(&setup, toy_times(&setup))?);
        }
    }
    Ok(registry)
}

/// The toys' own times, unless the configuration has others.
fn toy_times(setup: &Setup) -> ToyTimes {
    let own = ToyTimes::default();
    ToyTimes {
        call_deadline: setup.duration("toys.call_deadline", own.call_deadline),
        quiet: setup.duration("toys.quiet", own.quiet),
        late_quiet: setup.duration("toys.late_quiet", own.late_quiet),
        visible_after: setup.duration("toys.visible_after", own.visible_after),
        ..own
    }
}
