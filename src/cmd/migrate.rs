//! `postrider migrate`

use crate::{config::Config, exit::Exit, output::Output, wiring};
use serde_json::json;

/// Brings the schema up to this build's.
pub(crate) async fn run(config: &Config, output: Output) -> anyhow::Result<Exit> {
    let store = wiring::store(config, wiring::Part::Command)?;
    let applied = wiring::migrate(&store).await?;
    store.close().await;
    if output.is_json() {
        output.document(&json!({ "applied": applied }))?;
    } else if applied == 0 {
        output.line("The schema is this build's already.")?;
    } else {
        output.line(format_args!(
            "Applied {applied} migrations; the schema is this build's."
        ))?;
    }
    Ok(Exit::Done)
}
