//! The processes of the demo: started from this executable, watched, started again, ended.
//!
//! Each is in a process group of its own, so that a Ctrl-C in the terminal reaches the demo alone, which then ends them in
//! order: API and workers first, the platform last.

use super::state::{Pids, State};
use crate::{
    config::{Config, NO_FILE, variables},
    exit::Stop,
};
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use secrecy::{ExposeSecret as _, SecretString};
use std::{
    fmt::{self, Write as _},
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, timeout},
};

/// The account of the fake that the demo connects, and its app password.
pub(super) const ACCOUNT: (&str, &str) = ("alice.test", "abcd-efgh-ijkl-mnop");

const DRAIN_MS: &str = "5000";
/// How long a process may take to end, its drain included.
const END_WITHIN: Duration = Duration::from_secs(8);
/// A process that lived shorter has failed to start.
const SHORT_LIFE: Duration = Duration::from_secs(3);
/// So many failures to start in a row are one too many.
const SHORT_LIVES_MAX: u32 = 5;
/// Lines of a log that explain a failure.
const LOG_LINES: usize = 12;

/// What a process of the demo is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Fake,
    Api,
    Worker(usize),
}

impl Role {
    /// All, in the order of starting.
    pub(super) const ALL: [Self; 4] = [Self::Fake, Self::Api, Self::Worker(0), Self::Worker(1)];

    fn name(self) -> String {
        match self {
            Self::Fake => "fake".to_owned(),
            Self::Api => "api".to_owned(),
            Self::Worker(index) => format!("worker-{}", index + 1),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fake => f.write_str("the fake PDS"),
            Self::Api => f.write_str("the API"),
            Self::Worker(index) => write!(f, "worker {}", index + 1),
        }
    }
}

/// A process that has ended without being asked to.
pub(super) struct Ended {
    pub(super) role: Role,
    pub(super) pid: u32,
    pub(super) how: String,
    /// Whether it is not worth starting it again.
    pub(super) gives_up: bool,
}

struct Member {
    role: Role,
    pid: u32,
    process: Child,
    since: Instant,
}

/// All processes of the demo.
pub(super) struct Fleet {
    program: PathBuf,
    database_url: SecretString,
    master_key: SecretString,
    data_dir: PathBuf,
    logs: [(Role, PathBuf); 4],
    api: SocketAddr,
    fake: SocketAddr,
    members: Vec<Member>,
    short_lives: u32,
}

impl Fleet {
    /// Chooses the addresses: those of the last run if they are free.
    pub(super) fn new(state: &State, config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            program: std::env::current_exe().context("this program cannot be found")?,
            database_url: config.database_url.clone().unwrap_or_default(),
            master_key: state.master_key().clone(),
            data_dir: state.data_dir(),
            logs: Role::ALL.map(|role| (role, state.log_file(&role.name()))),
            api: free_address(state.address_before(|facts| &facts.base_url))?,
            fake: free_address(state.address_before(|facts| &facts.fake_url))?,
            members: Vec::new(),
            short_lives: 0,
        })
    }

    pub(super) fn base_url(&self) -> String {
        format!("http://{}", self.api)
    }

    pub(super) fn fake_url(&self) -> String {
        format!("http://{}", self.fake)
    }

    /// Starts one process and returns its id.
    pub(super) fn spawn(&mut self, role: Role) -> anyhow::Result<u32> {
        let log = self.log(role);
        let again = self.members.iter().any(|member| member.role == role);
        let log = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .append(again)
            .truncate(!again)
            .open(log)?;
        let mut command = self.program_with_environment();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        match role {
            Role::Fake => {
                let account = format!("{}:{}", ACCOUNT.0, ACCOUNT.1);
                command.args([
                    "fake",
                    "bluesky",
                    "--listen",
                    &self.fake.to_string(),
                    "--account",
                    &account,
                ]);
            }
            Role::Api => _ = command.arg("api"),
            Role::Worker(_) => _ = command.arg("worker"),
        }
        let process = command
            .spawn()
            .with_context(|| format!("{role} cannot be started"))?;
        let pid = process.id().context("it ended at once")?;
        self.members.retain(|member| member.role != role);
        self.members.push(Member {
            role,
            pid,
            process,
            since: Instant::now(),
        });
        Ok(pid)
    }

    /// Runs one command of this program to its end and reads the JSON that it prints.
    pub(super) async fn command(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let ran = self
            .program_with_environment()
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .await?;
        if !ran.status.success() {
            let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
            let what = format!("`postrider {}` failed: {said}", arguments.join(" "));
            return Err(Stop::failed(what, "do what it says").into());
        }
        serde_json::from_slice(&ran.stdout).context("it printed no JSON")
    }

    /// Nothing of the caller's own configuration reaches the processes but the database.
    fn program_with_environment(&self) -> Command {
        let mut command = Command::new(&self.program);
        for variable in variables().filter(|variable| variable != "USER") {
            command.env_remove(variable);
        }
        command
            .env(NO_FILE.0, NO_FILE.1)
            .env("DATABASE_URL", self.database_url.expose_secret())
            .env("POSTRIDER_MASTER_KEY", self.master_key.expose_secret())
            .env("POSTRIDER_DATA_DIR", &self.data_dir)
            .env("POSTRIDER_LISTEN", self.api.to_string())
            .env("POSTRIDER_EGRESS_ALLOW", self.fake.to_string())
            .env("POSTRIDER_DRAIN_MS", DRAIN_MS);
        // The fake is the whole of Bluesky: nothing of the demo asks the real one.
        for part in [
            "POSTRIDER_BLUESKY_URL",
            "POSTRIDER_BLUESKY_PLC_URL",
            "POSTRIDER_BLUESKY_VIDEO_URL",
        ] {
            command.env(part, format!("http://{}", self.fake));
        }
        command
    }

    /// The ids of all processes.
    pub(super) fn pids(&self, postgres: Option<u32>) -> Pids {
        let pid = |role| {
            self.members
                .iter()
                .find(|member| member.role == role)
                .map_or(0, |member| member.pid)
        };
        Pids {
            api: pid(Role::Api),
            worker: [pid(Role::Worker(0)), pid(Role::Worker(1))],
            fake: pid(Role::Fake),
            postgres,
        }
    }

    /// A process that has ended since the last call, if there is one.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<Ended>> {
        for member in &mut self.members {
            let Some(status) = member.process.try_wait()? else {
                continue;
            };
            self.short_lives = if member.since.elapsed() < SHORT_LIFE {
                self.short_lives + 1
            } else {
                0
            };
            let gives_up = self.short_lives >= SHORT_LIVES_MAX;
            return Ok(Some(Ended {
                role: member.role,
                pid: member.pid,
                how: told(status),
                gives_up,
            }));
        }
        Ok(None)
    }

    /// Ends everything: SIGTERM, then SIGKILL. When this returns, no process is left.
    pub(super) async fn stop(&mut self) {
        let (fakes, others): (Vec<_>, Vec<_>) = self
            .members
            .drain(..)
            .partition(|member| member.role == Role::Fake);
        end(others).await;
        end(fakes).await;
    }

    /// Adds the last lines of the logs to an error.
    pub(super) fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        let mut told = String::new();
        for (role, file) in &self.logs {
            let text = fs::read_to_string(file).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES)..];
            if !last.is_empty() {
                let _ = write!(
                    told,
                    "\n{role}, {}:\n  {}",
                    file.display(),
                    last.join("\n  ")
                );
            }
        }
        let remedy = error
            .downcast_ref::<Stop>()
            .map_or("see the logs", |stop| stop.remedy.as_str())
            .to_owned();
        Stop::failed(format!("{error:#}"), format!("{remedy}{told}")).into()
    }

    fn log(&self, role: Role) -> &PathBuf {
        let index = self
            .logs
            .iter()
            .position(|(known, _)| *known == role)
            .unwrap_or_default();
        &self.logs[index].1
    }
}

async fn end(mut members: Vec<Member>) {
    for member in &members {
        // A member that has ended and was not waited for keeps its number, so this reaches nobody else.
        if let Some(pid) = i32::try_from(member.pid)
            .ok()
            .and_then(Pid::from_raw)
            .filter(|_| member.process.id().is_some())
        {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
    let deadline = Instant::now() + END_WITHIN;
    for member in &mut members {
        if timeout(
            deadline.saturating_duration_since(Instant::now()),
            member.process.wait(),
        )
        .await
        .is_err()
        {
            let _ = member.process.kill().await;
        }
    }
}

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "for no known reason".to_owned(),
    }
}

/// The wished address if it is free, else another one of loopback.
fn free_address(wish: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let free =
        |address: SocketAddr| TcpListener::bind(address).and_then(|listener| listener.local_addr());
    wish.and_then(|address| free(address).ok())
        .map_or_else(|| free(any), Ok)
        .context("no address of loopback is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_while_it_is_free() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        assert_ne!(free_address(Some(address)).unwrap(), address);
        drop(taken);
        assert_eq!(free_address(Some(address)).unwrap(), address);
    }
}
