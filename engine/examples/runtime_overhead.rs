//! What apalis costs per job, beside the bare futures that it replaces: the figures of ADR-0001.
//!
//! `cargo run --release -p engine --example runtime_overhead [jobs] [slots]`: no database, no platform; a job does nothing. Prints
//! the median of five interleaved runs of each.

use apalis::layers::WorkerBuilderExt as _;
use apalis::layers::catch_panic::CatchPanicLayer;
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::error::{AbortError, BoxDynError};
use apalis_core::monitor::Monitor;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;
use tower::layer::util::Identity;

const RUNS: usize = 5;

/// A job that does nothing but hold its slot.
struct Job(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

#[derive(Clone)]
struct Jobs(Arc<Mutex<mpsc::Receiver<Job>>>);

impl Backend for Jobs {
    type Task = Task<Job>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let mut receiver = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        receiver
            .poll_recv(cx)
            .map(|job| job.map(|job| Ok(TaskBuilder::new(job).build())))
    }

    fn poll_close(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Jobs {
    type Args = Job;
    type Id = ();
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

/// Feeds jobs as slots become free; returns when all of them are done.
async fn feed(jobs: usize, slots: usize, to: mpsc::Sender<Job>) {
    let free = Arc::new(Semaphore::new(slots));
    for _ in 0..jobs {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        to.send(Job(permit)).await.ok();
    }
    let all = u32::try_from(slots).unwrap_or(u32::MAX);
    free.acquire_many(all).await.map(drop).ok();
}

async fn bare(jobs: usize, slots: usize) -> Duration {
    let (to, mut from) = mpsc::channel::<Job>(slots);
    let begun = Instant::now();
    let runner = async {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                job = from.recv() => match job {
                    Some(job) => running.push(async move { drop(job) }),
                    None => break,
                },
                Some(()) = running.next() => {}
            }
        }
    };
    tokio::join!(feed(jobs, slots, to), runner);
    begun.elapsed()
}

async fn apalis(jobs: usize, slots: usize) -> Duration {
    let (to, from) = mpsc::channel::<Job>(slots);
    let backend = Jobs(Arc::new(Mutex::new(from)));
    let done = tokio_util::sync::CancellationToken::new();
    let monitor = Monitor::new().register(move |_| {
        WorkerBuilder::new("overhead")
            .backend(backend.clone())
            .timeout(Duration::from_mins(1))
            .layer(CatchPanicLayer::<_, AbortError>::new())
            .build(|job: Job| async move {
                drop(job);
                Ok::<(), BoxDynError>(())
            })
    });
    let begun = Instant::now();
    let signal = done.clone();
    let run = monitor.run_with_signal(async move {
        signal.cancelled().await;
        Ok(())
    });
    let feeding = async {
        feed(jobs, slots, to).await;
        let took = begun.elapsed();
        done.cancel();
        took
    };
    let (_, took) = tokio::join!(run, feeding);
    took
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "it prints its figures")]
async fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<usize>().ok());
    let jobs = arguments.next().unwrap_or(300_000);
    let slots = arguments.next().unwrap_or(64);
    let (mut bares, mut apalises) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        bares.push(bare(jobs, slots).await);
        apalises.push(apalis(jobs, slots).await);
    }
    for (name, took) in [
        ("bare FuturesUnordered", median(bares)),
        ("apalis with timeout and catch-panic", median(apalises)),
    ] {
        let count = u32::try_from(jobs).unwrap_or(u32::MAX);
        let each = took.as_secs_f64() * 1e6 / f64::from(count);
        println!(
            "{name}: {jobs} jobs, {slots} slots: {:.0} jobs/s, {each:.2} µs each",
            f64::from(count) / took.as_secs_f64()
        );
    }
}
