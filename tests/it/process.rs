//! A `postrider` process of a test: started, watched, stopped, killed, drained.
//!
//! Its output goes to two files, so that nothing it says can block it and everything can be searched afterwards. Every wait
//! is bounded, and a wait that is over says what the process said last.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use std::{
    ffi::OsString,
    fs::{self, File},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

/// Between two looks at something that is waited for.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a process may take to end in good order.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// The variables of one process; nothing else of the test's own environment reaches it.
pub(crate) type Variables = Vec<(&'static str, OsString)>;

/// A running process. Dropped, it is killed.
pub(crate) struct Process {
    name: String,
    child: Child,
    pid: Pid,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `postrider <arguments>`; its output goes to `<name>.out` and `<name>.err` in `dir`.
    pub(crate) fn start(name: &str, arguments: &[&str], variables: &Variables, dir: &Path) -> Self {
        let file = |end: &str| dir.join(format!("{name}.{end}"));
        let (stdout, stderr) = (file("out"), file("err"));
        let child = Command::new(env!("CARGO_BIN_EXE_postrider"))
            .args(arguments)
            .env_clear()
            .envs(variables.iter().cloned())
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        Self {
            name: name.to_owned(),
            pid: pid.unwrap(),
            child,
            stdout,
            stderr,
        }
    }

    /// Sends a signal to a process that was not waited for yet, so that it reaches nobody else.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.child.id().is_some(), "{} has ended", self.name);
        kill_process(self.pid, signal).unwrap();
    }

    /// How it ended, if it did within that time.
    pub(crate) async fn end_within(&mut self, within: Duration) -> Option<ExitStatus> {
        timeout(within, self.child.wait())
            .await
            .ok()
            .map(Result::unwrap)
    }

    /// Waits until SIGKILL has ended it; panics if it lives on or ended otherwise.
    pub(crate) async fn is_killed_within(&mut self, within: Duration) {
        let Some(status) = self.end_within(within).await else {
            panic!(
                "{} was not killed in {within:?}\n{}",
                self.name,
                self.said()
            );
        };
        let signal = status.signal();
        assert_eq!(
            signal,
            Some(Signal::KILL.as_raw()),
            "{}: {status}\n{}",
            self.name,
            self.said()
        );
    }

    /// Kills it as `kill -9` does and waits for its end.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::KILL);
        self.is_killed_within(DRAIN_WITHIN).await;
    }

    /// Asks it to end, and expects that it does so in good order.
    pub(crate) async fn drain(self) {
        self.signal(Signal::TERM);
        self.ends_in_order().await;
    }

    /// Expects that a process that was told to end does so in good order.
    pub(crate) async fn ends_in_order(mut self) {
        let ended = self.end_within(DRAIN_WITHIN).await;
        let code = ended.map(|status| status.code());
        assert_eq!(
            code,
            Some(Some(0)),
            "{} did not drain\n{}",
            self.name,
            self.said()
        );
    }

    /// Waits until a signal has stopped it; it goes on with SIGCONT.
    pub(crate) async fn is_stopped_within(&self, within: Duration) {
        let is_stopped = async {
            let look = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(self.pid), look).unwrap().is_none() {
                sleep(LOOK_EVERY).await;
            }
        };
        let stopped = timeout(within, is_stopped).await;
        assert!(
            stopped.is_ok(),
            "{} was not stopped in {within:?}\n{}",
            self.name,
            self.said()
        );
    }

    /// The first line of JSON that it printed on stdout.
    pub(crate) async fn printed(&mut self, within: Duration) -> Value {
        let printed = async {
            loop {
                let text = fs::read_to_string(&self.stdout).unwrap();
                if let Ok(value) = serde_json::from_str(&text) {
                    return value;
                }
                assert!(
                    self.child.try_wait().unwrap().is_none(),
                    "{} ended\n{}",
                    self.name,
                    self.said()
                );
                sleep(LOOK_EVERY).await;
            }
        };
        let printed = timeout(within, printed).await;
        printed.expect("a process that started prints where it listens")
    }

    /// The end of what it logged.
    pub(crate) fn said(&self) -> String {
        let text = fs::read_to_string(&self.stderr).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}
