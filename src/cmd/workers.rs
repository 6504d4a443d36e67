//! `postrider workers`

use crate::{
    config::Config,
    exit::Exit,
    output::{Output, cleaned, relative, stamp},
    wiring,
};
use serde_json::{Value, json};
use store::WorkerRow;

/// More workers than anybody reads.
const ROOM: i32 = 1_000;

/// Runs the verb.
pub(crate) async fn run(config: &Config, output: Output) -> anyhow::Result<Exit> {
    let store = wiring::store_for_command(config).await?;
    let workers = store.list_workers(ROOM).await?;
    let (_, now) = store.ping().await?;
    store.close().await;
    if output.is_json() {
        let data: Vec<Value> = workers.iter().map(document).collect();
        output.document(&json!({ "data": data }))?;
        return Ok(Exit::Done);
    }
    if workers.is_empty() {
        output.line("No worker is known; start one: postrider worker")?;
        return Ok(Exit::Done);
    }
    let rows = workers.iter().map(|worker| {
        let stopping = if worker.stopping { "\nstopping" } else { "" };
        vec![
            format!("{}\n{}", worker.id, cleaned(&worker.name)),
            format!("{}\n{}", worker.version, worker.queues.join(", ")),
            format!(
                "seen {}{stopping}\nup since {}",
                relative(worker.seen_at, now),
                relative(worker.started_at, now)
            ),
            format!("{} leases\n{} jobs", worker.leases, worker.running),
        ]
    });
    output.table(&["worker", "serves", "state", "holds"], rows.collect())?;
    Ok(Exit::Done)
}

fn document(worker: &WorkerRow) -> Value {
    json!({
        "id": worker.id,
        "name": worker.name,
        "version": worker.version,
        "queues": worker.queues,
        "startedAt": stamp(worker.started_at),
        "seenAt": stamp(worker.seen_at),
        "stopping": worker.stopping,
        "leases": worker.leases,
        "running": worker.running,
    })
}
