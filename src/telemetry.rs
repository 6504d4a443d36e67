//! Logging: text or JSON lines on stderr, and panics among them.
//!
//! A bare level speaks of our own crates; others are heard from `warn` on, unless they are named (`info,sqlx=debug`).
//! What a panic says is logged only when it is a text of the program itself: a formatted one may hold anything.

use crate::{cli::LogFormat, exit::Stop};
use std::{
    any::Any, backtrace::BacktraceStatus, io::IsTerminal as _, panic::PanicHookInfo,
    str::FromStr as _,
};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// Prefixes of the targets that a bare level speaks of.
const OURS: [&str; 7] = [
    "postrider",
    "engine",
    "store",
    "vault",
    "publisher",
    "connector_",
    "api",
];

/// Starts logging for the rest of the process's life.
///
/// Errors: `levels` cannot be read.
pub(crate) fn init(levels: &str, format: LogFormat) -> Result<(), Stop> {
    let registry = tracing_subscriber::registry().with(filter(levels)?);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).init(),
        LogFormat::Text => registry
            .with(layer.with_ansi(std::io::stderr().is_terminal()))
            .init(),
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Whether `levels` can be read.
pub(crate) fn check(levels: &str) -> Result<(), String> {
    Targets::from_str(levels)
        .map(drop)
        .map_err(|e| e.to_string())
}

fn filter(levels: &str) -> Result<Targets, Stop> {
    let asked = Targets::from_str(levels).map_err(|e| {
        Stop::wrong_use(
            format!("`{levels}` is no list of log levels: {e}"),
            "write a level (error, warn, info, debug, trace), or targets with levels: info,store=debug",
        )
    })?;
    let level = asked.default_level().unwrap_or(LevelFilter::OFF);
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.map(|target| (target, level)));
    Ok(filter.with_targets(asked))
}

fn log_panic(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let backtrace = std::backtrace::Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(
        place,
        thread = thread.name(),
        backtrace,
        "panicked: {}",
        said(info.payload())
    );
}

/// The text of a panic, if it is certain to come from the program's own source.
fn said(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(a formatted message, withheld: it may hold data)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_bare_level_speaks_of_our_own_crates() {
        let filter = filter("debug").unwrap();
        assert!(filter.would_enable("connector_bluesky::publish", &Level::DEBUG));
        assert!(filter.would_enable("hyper::proto", &Level::WARN));
        assert!(!filter.would_enable("hyper::proto", &Level::INFO));
    }

    #[test]
    fn a_named_target_is_heard_as_asked() {
        let filter = filter("error,sqlx=debug,store=trace").unwrap();
        assert!(filter.would_enable("sqlx::query", &Level::DEBUG));
        assert!(filter.would_enable("store::queue", &Level::TRACE));
        assert!(!filter.would_enable("engine", &Level::WARN));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_wrong_use() {
        assert_eq!(
            filter("info,store=loud").unwrap_err().exit,
            crate::exit::Exit::WrongUse
        );
    }

    #[test]
    fn a_formatted_panic_is_withheld() {
        let secret: Box<dyn Any + Send> = Box::new(format!("key {}", "hunter2"));
        assert!(!said(secret.as_ref()).contains("hunter2"));
        let plain: Box<dyn Any + Send> = Box::new("the ring is empty");
        assert_eq!(said(plain.as_ref()), "the ring is empty");
    }
}
