//! The kinds of work: payload in, report out.

mod publish;
mod refresh;

use crate::attempt::{AttemptState, Body, Work};
use crate::decide::Report;
use crate::library::Library;
use publisher::Registry;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use vault::Vault;

/// Everything that a handler may use.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) store: Store,
    pub(crate) vault: Vault,
    pub(crate) registry: Registry,
    pub(crate) library: Library,
    pub(crate) attempt_max: Duration,
}

/// Runs one attempt and leaves its report in `state`.
pub(crate) async fn run(tools: &Tools, work: &Work, state: &Arc<AttemptState>) {
    state.begin();
    let report = match &work.body {
        Body::Publish(post) => publish::run(tools, &work.claimed, post, state).await,
        Body::Refresh(account) => refresh::run(tools, &work.claimed, account, state).await,
        Body::Unknown => Report::Unreadable,
    };
    state.report(report);
}
