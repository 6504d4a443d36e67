//! Door 2: the worker. One apalis Monitor per queue, each in a task of its own, around our claims.
//!
//! Drain loses nothing: stop claiming → wait until all permits are back, which is when everything is settled → shut the Monitors
//! down → renew once more. A hard stop cuts what runs: what was not marked goes back uncounted, what was is looked at later.

mod config;
mod limits;

pub use config::{RuntimeConfig, RuntimeError, Stop};

use limits::declared;

use crate::backend::{Claim, Claims};
use crate::claims::Claimer;
use crate::error::chain;
use crate::handlers::{self, Tools};
use crate::keeper::Keeper;
use crate::leases::{Leases, renew};
use crate::library::Library;
use crate::mark::LEASE_MARGIN;
use crate::settle::Settler;
use crate::telemetry;
use apalis::layers::WorkerBuilderExt as _;
use apalis::layers::catch_panic::CatchPanicLayer;
use apalis_core::error::{AbortError, BoxDynError};
use apalis_core::monitor::Monitor;
use apalis_core::worker::builder::WorkerBuilder;
use publisher::id::WorkerId;
use publisher::{Registry, measure};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::queue::WorkerInfo;
use store::{Store, StoreError, Woken};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use vault::Vault;

/// How long a hard stop waits for settlements that the database does not take.
const HARD_STOP_MAX: Duration = Duration::from_secs(10);

/// A worker, ready to run.
pub struct Runtime {
    store: Store,
    vault: Vault,
    registry: Registry,
    library: Library,
    config: RuntimeConfig,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// One queue's moving parts.
struct Lane {
    queue: String,
    free: Arc<Semaphore>,
    wake: Arc<Notify>,
}

impl Runtime {
    /// A worker for every platform of the registry.
    pub fn new(
        store: Store,
        vault: Vault,
        registry: Registry,
        library: Library,
        config: RuntimeConfig,
    ) -> Self {
        Self {
            store,
            vault,
            registry,
            library,
            config,
        }
    }

    /// Works until told to stop, and returns when everything it had begun is settled.
    ///
    /// Waits for a database that is away at the start. Errors: the lease is too short, or the database refuses.
    pub async fn run(self, stop: Stop) -> Result<(), RuntimeError> {
        self.check_lease()?;
        let worker = WorkerId::new();
        let queues: Vec<String> = self
            .registry
            .platforms()
            .iter()
            .map(ToString::to_string)
            .collect();
        tokio::select! {
            () = stop.drain.cancelled() => return Ok(()),
            begun = self.begin(worker, &queues) => begun?,
        }
        tracing::info!(worker = %worker, queues = queues.join(","), slots = self.config.slots, "working");

        telemetry::known(&queues);
        let background = CancellationToken::new();
        let tasks = TaskTracker::new();
        let leases = Arc::new(Leases::default());
        let lanes: Vec<Lane> = queues.iter().map(|queue| self.lane(queue)).collect();
        let wakes = lanes_by_queue(&lanes);
        let (settler, finished) = mpsc::channel(self.config.slots * lanes.len().max(1));

        tasks.spawn(renew(
            self.store.clone(),
            worker,
            Arc::clone(&leases),
            self.config.lease,
            background.clone(),
        ));
        tasks.spawn(self.keeper(&queues, &wakes).run(background.clone()));
        if self.config.listen {
            tasks.spawn(listen(
                self.store.clone(),
                lanes_by_queue(&lanes),
                background.clone(),
            ));
        }
        let settling = tasks.spawn(self.settler(&leases, &wakes, &stop).run(finished));
        let monitors = TaskTracker::new();
        let mut shutdowns = Vec::new();
        for lane in &lanes {
            let (handlers, claims) = mpsc::channel(self.config.slots);
            let shut = CancellationToken::new();
            monitors.spawn(self.monitor(Claims::new(claims), &stop, shut.clone()));
            shutdowns.push(shut);
            tasks.spawn(
                self.claimer(lane, worker, &leases, handlers, settler.clone())
                    .run(stop.drain.clone()),
            );
        }
        drop(settler);

        stop.drain.cancelled().await;
        self.drain(&stop, worker, &lanes).await;
        shutdowns.iter().for_each(CancellationToken::cancel);
        monitors.close();
        monitors.wait().await;
        // Every sender is gone with the monitors and the claimers: the settler ends after the last commit.
        let hard = stop.now.is_cancelled();
        let settler = settling.abort_handle();
        let settled =
            tokio::time::timeout(if hard { HARD_STOP_MAX } else { Duration::MAX }, settling);
        if settled.await.is_err() {
            settler.abort();
        }
        background.cancel();
        tasks.close();
        tasks.wait().await;
        tracing::info!(worker = %worker, "stopped; everything begun is settled");
        Ok(())
    }

    /// The lease must leave room for a renewal and a whole call after it.
    fn check_lease(&self) -> Result<(), RuntimeError> {
        for connector in self.registry.all() {
            let needed = (connector.habits.call_deadline + LEASE_MARGIN) * 3 / 2;
            if self.config.lease <= needed {
                return Err(RuntimeError::LeaseTooShort {
                    lease_ms: self.config.lease.as_millis(),
                    platform: connector.platform,
                    call_ms: connector.habits.call_deadline.as_millis(),
                    needed_ms: needed.as_millis(),
                });
            }
        }
        Ok(())
    }

    /// Registers the worker and declares its platforms' limits, as soon as the database answers.
    async fn begin(&self, worker: WorkerId, queues: &[String]) -> Result<(), StoreError> {
        let info = WorkerInfo {
            id: worker,
            name: self.config.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            queues: queues.to_vec(),
        };
        let mut failures = 0u32;
        loop {
            match self.introduce(&info).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_passing() => {
                    failures = (failures + 1).min(6);
                    tracing::warn!(
                        error = chain(&error),
                        "the database is away; waiting for it"
                    );
                    tokio::time::sleep(Duration::from_millis(50) * 2u32.pow(failures)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn introduce(&self, info: &WorkerInfo) -> Result<(), StoreError> {
        for connector in self.registry.all() {
            self.store
                .declare_limits(connector.platform, &declared(connector))
                .await?;
        }
        match self.store.register_worker(info).await {
            // An earlier try whose answer was lost.
            Err(StoreError::Conflict { .. }) => Ok(()),
            other => other,
        }
    }

    fn lane(&self, queue: &str) -> Lane {
        Lane {
            queue: queue.to_owned(),
            free: Arc::new(Semaphore::new(self.config.slots)),
            wake: Arc::new(Notify::new()),
        }
    }

    fn keeper(&self, queues: &[String], wakes: &HashMap<String, Arc<Notify>>) -> Keeper {
        Keeper {
            store: self.store.clone(),
            registry: self.registry.clone(),
            queues: queues.to_vec(),
            lease: self.config.lease,
            wakes: wakes.clone(),
        }
    }

    fn settler(
        &self,
        leases: &Arc<Leases>,
        wakes: &HashMap<String, Arc<Notify>>,
        stop: &Stop,
    ) -> Settler {
        Settler {
            store: self.store.clone(),
            vault: self.vault.clone(),
            registry: self.registry.clone(),
            leases: Arc::clone(leases),
            wakes: wakes.clone(),
            stopping: stop.drain.clone(),
        }
    }

    fn claimer(
        &self,
        lane: &Lane,
        worker: WorkerId,
        leases: &Arc<Leases>,
        handlers: mpsc::Sender<Claim>,
        settler: mpsc::Sender<crate::backend::Finished>,
    ) -> Claimer {
        Claimer {
            store: self.store.clone(),
            queue: lane.queue.clone(),
            worker,
            lease: self.config.lease,
            poll: self.config.poll,
            slots: self.config.slots,
            free: Arc::clone(&lane.free),
            wake: Arc::clone(&lane.wake),
            leases: Arc::clone(leases),
            handlers,
            settler,
        }
    }

    /// One Monitor, driven to its end.
    fn monitor(
        &self,
        claims: Claims,
        stop: &Stop,
        shut: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let tools = Tools {
            store: self.store.clone(),
            vault: self.vault.clone(),
            registry: self.registry.clone(),
            library: self.library.clone(),
            attempt_max: self.config.attempt_max,
        };
        let (limit, now) = (
            self.config.attempt_max + Duration::from_secs(5),
            stop.now.clone(),
        );
        async move {
            let monitor = Monitor::new()
                .should_restart(|_, _| true)
                .register(move |_| {
                    let (tools, now) = (tools.clone(), now.clone());
                    WorkerBuilder::new("attempts")
                        .backend(claims.clone())
                        .timeout(limit)
                        .layer(CatchPanicLayer::<_, AbortError>::new())
                        .build(move |claim: Claim| attempt(tools.clone(), now.clone(), claim))
                });
            let signal = async move {
                shut.cancelled().await;
                Ok(())
            };
            if let Err(error) = monitor.run_with_signal(signal).await {
                tracing::error!(error = chain(&error), "a monitor ended with an error");
            }
        }
    }

    /// Waits until everything that was begun is settled, or until told to stop now.
    async fn drain(&self, stop: &Stop, worker: WorkerId, lanes: &[Lane]) {
        tracing::info!(worker = %worker, "draining: nothing new is claimed");
        let all = u32::try_from(self.config.slots).unwrap_or(u32::MAX);
        let settled = async {
            for lane in lanes {
                lane.free.acquire_many(all).await.map(drop).ok();
            }
        };
        tokio::select! {
            () = self.tell_stopping(worker) => {}
            () = stop.now.cancelled() => {}
            () = settled => return,
        }
        tracing::warn!(worker = %worker, "stopping now: what runs is cut");
        // The handlers have seen the signal; their settlements are on the way, unless the database is away.
        let cut = async {
            for lane in lanes {
                lane.free.acquire_many(all).await.map(drop).ok();
            }
        };
        if tokio::time::timeout(HARD_STOP_MAX, cut).await.is_err() {
            tracing::error!(worker = %worker, "stopped without settling everything; the leases will end by themselves");
        }
    }

    /// Says in the database that this worker stops, however long that takes: what it leaves behind is then no death.
    async fn tell_stopping(&self, worker: WorkerId) {
        while let Err(error) = self.store.stop_worker(worker).await {
            tracing::warn!(
                error = chain(&error),
                "the database does not know yet that this worker stops"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    }
}

async fn attempt(tools: Tools, now: CancellationToken, claim: Claim) -> Result<(), BoxDynError> {
    let Claim { work, state, .. } = claim;
    let begun = Instant::now();
    tokio::select! {
        biased;
        () = now.cancelled() => state.report(crate::decide::Report::Cut),
        () = handlers::run(&tools, &work, &state).instrument(telemetry::attempt(&work)) => {}
    }
    measure::ATTEMPT.observe([&work.claimed.queue], begun.elapsed().as_secs_f64());
    Ok(())
}

fn lanes_by_queue(lanes: &[Lane]) -> HashMap<String, Arc<Notify>> {
    lanes
        .iter()
        .map(|lane| (lane.queue.clone(), Arc::clone(&lane.wake)))
        .collect()
}

/// Turns notifications into wake-ups of the claim loops.
async fn listen(store: Store, wakes: HashMap<String, Arc<Notify>>, stop: CancellationToken) {
    let mut listener = store.listener();
    loop {
        let woken = tokio::select! {
            () = stop.cancelled() => return,
            woken = listener.next() => woken,
        };
        match woken {
            Woken::Due(queue) => {
                if let Some(wake) = wakes.get(&queue) {
                    wake.notify_one();
                }
            }
            Woken::Unsure => wakes.values().for_each(|wake| wake.notify_one()),
            Woken::Settled => {}
        }
    }
}
