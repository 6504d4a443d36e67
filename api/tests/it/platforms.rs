//! The platforms of an [`crate::app::App`]: a fake PDS, the toys, and the toys' consent page.

use publisher::{
    App, EgressAllow, Http, HttpConfig, Registry, Setup,
    fake::FakeServer,
    toys::{self, ToyTimes},
};
use std::collections::BTreeMap;

/// A client that may reach these fakes.
pub(crate) fn http(fakes: &[&FakeServer]) -> Http {
    let egress_allow = fakes.iter().map(|fake| EgressAllow(fake.addr())).collect();
    Http::new(HttpConfig {
        egress_allow,
        ..HttpConfig::default()
    })
    .unwrap()
}

/// Every platform that the fakes stand for.
pub(crate) fn registry(
    http: &Http,
    pds: &FakeServer,
    toys: &FakeServer,
    times: ToyTimes,
) -> Registry {
    let app = App {
        client_id: "toy-app".to_owned(),
        client_secret: Some("toy-app-secret".to_owned().into()),
    };
    let addresses = BTreeMap::from([
        ("bluesky".to_owned(), pds.url()),
        ("bluesky.plc".to_owned(), pds.url()),
        ("bluesky.video".to_owned(), pds.url()),
        ("toys".to_owned(), toys.url()),
    ]);
    let setup = Setup {
        addresses,
        apps: [(toys::CONSENT_PLATFORM.to_owned(), app)].into(),
        ..Setup::new(http.clone())
    };
    let consent = toys::consent_connector(&setup, times).unwrap();
    let toys = toys::connectors(&setup, times).unwrap();
    let bluesky = connector_bluesky::connector(&setup).unwrap();
    toys.into_iter()
        .chain([consent])
        .fold(Registry::default().with(bluesky), Registry::with)
}
