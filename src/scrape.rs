//! `GET /metrics`: everything that is measured, in Prometheus' text format, on a listener of its own.
//!
//! The listener is off unless the configuration names its address, and it answers nothing else; so the figures are never
//! public by accident. What happens is counted where it happens. What waits is read from the database now and then, not when
//! somebody asks: the statement reads all live jobs, so its pauses are long enough that it works a twentieth of the time at
//! most, however many jobs there are.

use crate::{config::Config, server, shutdown::Shutdown};
use anyhow::Context as _;
use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use publisher::measure::{self, About};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use store::{FigureRow, Store, StoreError};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

/// Between two looks at the queue.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// The pause between two looks is so many times as long as the look took.
const PAUSE_FOR_A_LOOK: u32 = 20;

/// How often histograms are folded; without that they would grow until somebody asks.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What Prometheus calls its text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// When the queue was looked at last.
#[derive(Clone, Debug, Default)]
struct LastLook(Arc<Mutex<Option<Instant>>>);

impl LastLook {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn age(&self) -> Option<Duration> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed())
    }
}

/// Measures and answers until the drain, if the configuration says where; returns the address.
///
/// Errors: the address cannot be taken.
pub(crate) fn start(
    config: &Config,
    store: &Store,
    tracker: &TaskTracker,
    shutdown: &Shutdown,
) -> anyhow::Result<Option<SocketAddr>> {
    let Some(listen) = config.metrics_listen else {
        return Ok(None);
    };
    let listener = server::bind(listen, "POSTRIDER_METRICS_LISTEN")?;
    let address = listener
        .local_addr()
        .context("the listener of the metrics has no address")?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "metrics are answered beyond this machine, to whoever asks");
    }
    let handle = install()?;
    let last = LastLook::default();
    let routes = routes(handle.clone(), last.clone());
    let (inner, told) = (tracker.clone(), shutdown.clone());
    tracker.spawn(async move {
        if let Err(error) = server::serve(listener, routes, &inner, &told).await {
            tracing::error!(%error, "metrics are no longer answered");
        }
    });
    let drain = shutdown.drain.clone();
    tracker.spawn(async move {
        while timeout(UPKEEP_EVERY, drain.cancelled()).await.is_err() {
            handle.run_upkeep();
        }
    });
    let (store, drain) = (store.clone(), shutdown.drain.clone());
    tracker.spawn(async move {
        tokio::select! {
            () = drain.cancelled() => {}
            () = look_now_and_then(&store, &last) => {}
        }
    });
    tracing::info!(%address, "answering GET /metrics");
    Ok(Some(address))
}

/// Makes everything that is measured from now on known to the exporter.
fn install() -> anyhow::Result<PrometheusHandle> {
    let mut builder = PrometheusBuilder::new();
    for about in measure::ALL
        .iter()
        .filter(|about| !about.buckets.is_empty())
    {
        let metric = Matcher::Full(about.name.to_owned());
        builder = builder.set_buckets_for_metric(metric, about.buckets)?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)
        .map_err(|_| anyhow::anyhow!("something else measures already"))?;
    measure::ALL.iter().for_each(describe);
    Ok(handle)
}

fn describe(about: &About) {
    match about.kind {
        "counter" => metrics::describe_counter!(about.name, about.is),
        "gauge" => metrics::describe_gauge!(about.name, about.is),
        _ => metrics::describe_histogram!(about.name, about.is),
    }
}

fn routes(handle: PrometheusHandle, last: LastLook) -> Router {
    Router::new().route(
        "/metrics",
        get(move || {
            if let Some(age) = last.age() {
                measure::SAMPLE_AGE.set([], age.as_secs_f64());
            }
            let text = ([(CONTENT_TYPE, TEXT_FORMAT)], handle.render()).into_response();
            std::future::ready::<Response>(text)
        }),
    )
}

async fn look_now_and_then(store: &Store, last: &LastLook) {
    loop {
        let begun = Instant::now();
        match look(store).await {
            Ok(()) => last.note(),
            Err(error) => tracing::debug!(%error, "the queue could not be sampled"),
        }
        sleep(SAMPLE_EVERY.max(begun.elapsed() * PAUSE_FOR_A_LOOK)).await;
    }
}

async fn look(store: &Store) -> Result<(), StoreError> {
    for FigureRow {
        figure,
        queue,
        label,
        value,
    } in store.sample_queues().await?
    {
        match figure.as_str() {
            "jobs" => measure::JOBS_LIVE.set([&queue, &label], value),
            "due" => measure::OLDEST_DUE.set([&queue], value),
            "blocked" => measure::BUCKET_BLOCKED.set([&queue, &label], value),
            "letters" => measure::DEAD_LETTERS_OPEN.set([&queue, &label], value),
            _ => measure::WORKERS.set([&queue], value),
        }
    }
    Ok(())
}
