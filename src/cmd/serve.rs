//! `postrider serve | api | worker`: the processes that stay.
//!
//! Order of the end: the listener closes and begun work is finished; callers that still wait are told how far it got; what
//! is left at the deadline is cut. Nothing is lost by that: what was cut unmarked goes on elsewhere, the rest is looked at.

use crate::{
    config::Config,
    exit::{Exit, Stop},
    output::Output,
    scrape, server,
    shutdown::Shutdown,
    startup::{self, Missing, Schema, StartUp},
    wiring::{self, Part},
};
use anyhow::Context as _;
use api::{ApiConfig, State};
use engine::{Client, Library, Runtime, RuntimeError};
use publisher::Registry;
use serde_json::json;
use std::{
    net::{SocketAddr, TcpListener},
    process,
    sync::Arc,
};
use store::Store;
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vault::Vault;

/// Which parts of Postrider run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// API and worker.
    All,
    /// The API.
    Api,
    /// A worker.
    Worker,
}

impl Parts {
    fn has_api(self) -> bool {
        self != Self::Worker
    }

    fn has_worker(self) -> bool {
        self != Self::Api
    }

    fn schema(self) -> Schema {
        if self == Self::All {
            Schema::Migrates
        } else {
            Schema::Expects
        }
    }
}

/// What all parts share.
struct Process {
    config: Config,
    vault: Vault,
    registry: Registry,
    library: Library,
    tracker: TaskTracker,
    shutdown: Shutdown,
    /// When callers are no longer kept waiting.
    answer_now: CancellationToken,
}

/// Runs until it is told to stop.
pub(crate) async fn run(parts: Parts, mut config: Config, output: Output) -> anyhow::Result<Exit> {
    if let Some(fault) = config.fault.take() {
        tracing::warn!(?fault, "a fault is armed: this process is for a test");
        fault
            .arm()
            .map_err(|why| Stop::wrong_use(why, "leave POSTRIDER_FAULT out; it is for tests"))?;
    }
    let tracker = TaskTracker::new();
    let shutdown =
        Shutdown::on_signals(&tracker, config.drain).context("signals cannot be handled")?;
    let process = Process {
        vault: wiring::vault(&config)?,
        registry: wiring::registry(&config)?,
        library: wiring::library(&config)?,
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
        answer_now: CancellationToken::new(),
        config,
    };
    let ended = process.run(parts, output).await;
    process.answer_now.cancel();
    shutdown.finish();
    tracker.close();
    tracker.wait().await;
    ended.map(|()| Exit::Done)
}

impl Process {
    async fn run(&self, parts: Parts, output: Output) -> anyhow::Result<()> {
        let (missing, seen) = watch::channel(Some("the start is not over yet".to_owned()));
        let first = if parts.has_api() {
            Part::Api
        } else {
            Part::Worker
        };
        let store = wiring::store(&self.config, first)?;
        let metrics = scrape::start(&self.config, &store, &self.tracker, &self.shutdown)?;
        let listening = if parts.has_api() {
            Some(self.listen(&store, seen, metrics, output)?)
        } else {
            None
        };
        let worked = self.work(parts, &store, &missing, metrics, output).await;
        // Whoever still waits is told now how far it got: nobody here works for them any more.
        self.shutdown.drain.cancel();
        if parts.has_worker() || worked.is_err() {
            self.answer_now.cancel();
        }
        let served = match listening {
            Some(listening) => listening
                .await
                .context("the listener broke down")?
                .context("the listener failed"),
            None => Ok(()),
        };
        self.library.close().await;
        store.close().await;
        tracing::info!("stopped");
        worked.and(served)
    }

    /// Prepares, then works or waits, until the drain is over.
    async fn work(
        &self,
        parts: Parts,
        store: &Store,
        missing: &watch::Sender<Missing>,
        metrics: Option<SocketAddr>,
        output: Output,
    ) -> anyhow::Result<()> {
        tokio::select! {
            prepared = startup::prepare(store, &self.vault, parts.schema(), missing) => prepared?,
            () = self.shutdown.drain.cancelled() => return Ok(()),
        }
        tracing::info!("ready");
        if !parts.has_worker() {
            self.shutdown.drain.cancelled().await;
            return Ok(());
        }
        if output.is_json() && !parts.has_api() {
            let (worker, pid) = (wiring::worker_name(), process::id());
            output.document(&json!({ "worker": worker, "pid": pid, "metrics": metrics }))?;
        }
        let store = if parts.has_api() {
            wiring::store(&self.config, Part::Worker)?
        } else {
            store.clone()
        };
        let config = wiring::runtime_config(&self.config);
        let (registry, library) = (self.registry.clone(), self.library.clone());
        let runtime = Runtime::new(store.clone(), self.vault.clone(), registry, library, config);
        let stop = engine::Stop {
            drain: self.shutdown.drain.clone(),
            now: self.shutdown.now.clone(),
        };
        let ran = runtime.run(stop).await.map_err(|error| match error {
            RuntimeError::LeaseTooShort { needed_ms, .. } => {
                let remedy = format!(
                    "export POSTRIDER_LEASE_MS={}, or leave it out",
                    needed_ms + 1
                );
                Stop::wrong_use(error.to_string(), remedy).into()
            }
            RuntimeError::Store(error) => anyhow::Error::from(error),
        });
        store.close().await;
        ran
    }

    fn listen(
        &self,
        store: &Store,
        missing: watch::Receiver<Missing>,
        metrics: Option<SocketAddr>,
        output: Output,
    ) -> anyhow::Result<JoinHandle<std::io::Result<()>>> {
        let listener = server::bind(self.config.listen, "POSTRIDER_LISTEN")?;
        let address = listener
            .local_addr()
            .context("the listener has no address")?;
        let origin = self
            .config
            .public_url
            .as_ref()
            .map_or_else(|| format!("http://{address}"), ToString::to_string);
        let dashboard = self.config.dashboard_url.as_ref();
        let dashboard = dashboard.map_or_else(|| origin.clone(), ToString::to_string);
        let config = ApiConfig {
            public_url: origin.trim_end_matches('/').to_owned(),
            dashboard_url: dashboard.trim_end_matches('/').to_owned(),
            ..ApiConfig::default()
        };
        let client = self.client(store.clone());
        client.start_waiting(&self.tracker, self.answer_now.clone());
        let routes = api::router(State::with_readiness(
            client,
            config.clone(),
            vec![Arc::new(StartUp(missing.clone()))],
        ));
        let closed = self.closed(config)?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "plain HTTP beyond this machine: put a proxy with TLS in front");
        }
        tracing::info!(%address, "listening");
        if output.is_json() {
            let pid = process::id();
            output.document(&json!({ "listening": address, "pid": pid, "metrics": metrics }))?;
        }
        self.answer_before_the_deadline();
        Ok(self.serve(listener, startup::gate(routes, closed, missing)))
    }

    fn serve(
        &self,
        listener: TcpListener,
        routes: axum::Router,
    ) -> JoinHandle<std::io::Result<()>> {
        let (tracker, shutdown) = (self.tracker.clone(), self.shutdown.clone());
        self.tracker.spawn(async move {
            let served = server::serve(listener, routes, &tracker, &shutdown).await;
            shutdown.drain.cancel();
            served
        })
    }

    /// Other processes may finish the work that callers of a drained API wait for, but not for ever.
    fn answer_before_the_deadline(&self) {
        let (shutdown, answer_now, patience) = (
            self.shutdown.clone(),
            self.answer_now.clone(),
            self.config.drain * 4 / 5,
        );
        self.tracker.spawn(async move {
            shutdown.drain.cancelled().await;
            tokio::select! {
                () = tokio::time::sleep(patience) => {}
                () = shutdown.now.cancelled() => {}
            }
            answer_now.cancel();
        });
    }

    fn client(&self, store: Store) -> Client {
        let (vault, registry, library) = (
            self.vault.clone(),
            self.registry.clone(),
            self.library.clone(),
        );
        Client::new(
            store,
            vault,
            registry,
            library,
            wiring::client_config(&self.config),
        )
    }

    /// The same API over a database that is away: what answers until the start is over.
    fn closed(&self, config: ApiConfig) -> anyhow::Result<axum::Router> {
        let away = wiring::store(&self.config, Part::Command)?;
        let closing = away.clone();
        self.tracker.spawn(async move { closing.close().await });
        Ok(api::router(State::new(self.client(away), config)))
    }
}
