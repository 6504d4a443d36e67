//! A PostgreSQL of one test's own, which can be stopped, crashed and started again.
//!
//! It is made with `fsync` on, as in production, and needs PostgreSQL's programs on this machine.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    path::PathBuf,
    process::{Command, Stdio},
};
use store::testing::TestDatabase;
use tempfile::TempDir;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// Sessions are ended, transactions rolled back, everything is written: a planned restart.
    Fast,
    /// Everything stops where it is: a crash, with recovery from the log at the next start.
    Immediate,
}

/// The server. Dropped, it is stopped and deleted.
pub(crate) struct Cluster {
    dir: TempDir,
}

impl Cluster {
    pub(crate) async fn up() -> Self {
        let cluster = Self {
            dir: TempDir::new().unwrap(),
        };
        cluster.start().await;
        cluster
    }

    /// An empty database on it, with the schema.
    pub(crate) async fn database(&self) -> TestDatabase {
        TestDatabase::create_on(&self.fact("DATABASE_URL")).await
    }

    /// Returns when none of the server's processes is left.
    pub(crate) async fn halt(&self, how: Halt) {
        if how == Halt::Immediate {
            let pid: i32 = self.fact("POSTGRES_PID").parse().unwrap();
            kill_process(Pid::from_raw(pid).unwrap(), Signal::QUIT).unwrap();
        }
        self.run("down").await;
    }

    /// Returns when the server answers, after recovery if it needs one; its address stays.
    pub(crate) async fn start(&self) {
        self.run("up").await;
    }

    /// How often a start had to recover from a crash.
    pub(crate) fn recoveries(&self) -> usize {
        let log = std::fs::read_to_string(self.dir.path().join("postgres/log")).unwrap();
        log.matches("automatic recovery in progress").count()
    }

    fn fact(&self, name: &str) -> String {
        let facts = std::fs::read_to_string(self.dir.path().join("postgres.env")).unwrap();
        let mut pairs = facts.lines().filter_map(|line| line.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
            .to_owned()
    }

    async fn run(&self, verb: &str) {
        let mut command = script(verb, self.dir.path().to_owned());
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = ran.await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/postgres {verb}: {said}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut remove = script("remove", self.dir.path().to_owned());
        remove
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok();
    }
}

fn script(verb: &str, dir: PathBuf) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres"));
    // With an address in the environment the script would use that server.
    command
        .arg(verb)
        .arg(dir)
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null());
    command
}
