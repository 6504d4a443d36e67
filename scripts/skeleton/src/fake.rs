//! A fake of the platform: its routes and its limits, from its documents and never from what the connector sends.
//!
//! What goes wrong on purpose is the harness's business (`publisher::fake`).

use axum::Router;
use publisher::fake::{FakeKit, FakePlatform};
use std::sync::Arc;

/// The fake platform.
#[derive(Debug, Default)]
pub struct FakeSkeleton {}

impl FakePlatform for FakeSkeleton {
    fn name(&self) -> &'static str {
        crate::PLATFORM
    }

    fn routes(self: Arc<Self>, _kit: FakeKit) -> Router {
        // To do: every route that the connector meets; handlers record each irreversible request in `kit.ledger`, and
        // read the time from `kit.clock`. `attempted` tells an irreversible request from a harmless one.
        Router::new()
    }
}
