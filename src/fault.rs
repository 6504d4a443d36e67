//! The traps of a test: what happens when an armed fault point is passed. Only builds with debug assertions have any.

use rustix::process::{Signal, getpid, kill_process};
use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// A fault point and what it does there; from `POSTRIDER_FAULT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `<point>`: this process kills itself, as `kill -9` would.
    Kill(String),
    /// `<point>:park`: writes `reached`, then this thread never goes on.
    Park {
        /// The point.
        point: String,
        /// The file that says that it was reached.
        reached: PathBuf,
    },
    /// `<point>:stop`: the first time, this process stops as `kill -STOP` would, and goes on after SIGCONT.
    Stop(String),
}

/// Whether the process has stopped itself already.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Longer than it takes until a stop has reached every thread.
const STOP_TAKES: Duration = Duration::from_millis(250);

static REACHED: OnceLock<PathBuf> = OnceLock::new();

impl Fault {
    /// Arms it for the rest of the process's life. Errors: says which points there are.
    pub(crate) fn arm(self) -> Result<(), String> {
        match self {
            Self::Kill(point) => publisher::fault::arm(&point, kill),
            Self::Park { point, reached } => {
                REACHED.get_or_init(|| reached);
                publisher::fault::arm(&point, park)
            }
            Self::Stop(point) => publisher::fault::arm(&point, stop),
        }
    }
}

fn kill(_: &str) {
    let _ = kill_process(getpid(), Signal::KILL);
    stand_still();
}

fn park(point: &str) {
    if let Some(file) = REACHED.get() {
        let _ = std::fs::write(file, point);
    }
    stand_still();
}

fn stop(_: &str) {
    if STOPPED.swap(true, Ordering::SeqCst) {
        return;
    }
    let _ = kill_process(getpid(), Signal::STOP);
    std::thread::sleep(STOP_TAKES);
}

fn stand_still() {
    loop {
        std::thread::park();
    }
}
