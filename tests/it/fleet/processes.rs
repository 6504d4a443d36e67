//! A fleet's processes: how they are started, what they are told, what they said.

use super::{Fleet, LEASE, MASTER_KEY};
use crate::process::{LOOK_EVERY, Process, Variables};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// Variables that one process has beside those of its fleet, or instead of them.
pub(crate) type More<'a> = &'a [(&'static str, &'a str)];

impl Fleet {
    /// Starts `postrider worker`; `fault` is what `POSTRIDER_FAULT` says.
    pub(crate) fn worker(&self, fault: Option<&str>) -> Process {
        let fault = fault.map(|fault| ("POSTRIDER_FAULT", fault));
        self.worker_with(fault.as_slice())
    }

    pub(crate) fn worker_with(&self, more: More<'_>) -> Process {
        self.start("worker", &["worker"], &self.variables_with(more))
    }

    /// Starts `postrider api` and returns its address when it listens.
    pub(crate) async fn api(&self) -> (Process, String) {
        self.listening("api", &[]).await
    }

    /// Starts `postrider api` or `postrider serve` and returns its address when it listens.
    pub(crate) async fn listening(&self, verb: &'static str, more: More<'_>) -> (Process, String) {
        let mut process = self.start(verb, &[verb, "--json"], &self.variables_with(more));
        let printed = process.printed(Duration::from_secs(20)).await;
        let address = printed["listening"]
            .as_str()
            .unwrap()
            .trim_start_matches("http://")
            .to_owned();
        (process, address)
    }

    /// Starts any verb.
    pub(crate) fn start(&self, name: &str, arguments: &[&str], variables: &Variables) -> Process {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        Process::start(
            &format!("{number:02}-{name}"),
            arguments,
            variables,
            self.dir(),
        )
    }

    /// The environment of every process.
    pub(crate) fn variables(&self) -> Variables {
        let text = |value: String| OsString::from(value);
        let bluesky = self.pds_server.url().to_string();
        let egress = format!("{},{}", self.pds_server.addr(), self.toys.addr());
        let mut variables: Variables = vec![
            ("DATABASE_URL", text(self.database.url.clone())),
            ("POSTRIDER_MASTER_KEY", text(format!("k1:{MASTER_KEY}"))),
            ("POSTRIDER_EGRESS_ALLOW", text(egress)),
            ("POSTRIDER_LISTEN", "127.0.0.1:0".into()),
            ("POSTRIDER_DATA_DIR", self.data_dir().into()),
            ("POSTRIDER_BLUESKY_URL", text(bluesky.clone())),
            ("POSTRIDER_BLUESKY_PLC_URL", text(bluesky.clone())),
            ("POSTRIDER_BLUESKY_VIDEO_URL", text(bluesky)),
            ("POSTRIDER_TOYS_URL", text(self.toys.url().to_string())),
            ("POSTRIDER_PLATFORM_MS", text(self.times.variable())),
            ("POSTRIDER_LEASE_MS", text(LEASE.as_millis().to_string())),
            ("POSTRIDER_POLL_MS", "200".into()),
            ("POSTRIDER_DATABASE_CONNECTIONS", "3".into()),
            ("POSTRIDER_LOG", "trace".into()),
        ];
        variables.extend(self.extra.iter().cloned());
        variables
    }

    /// The same, with more, or with other values: the last one counts.
    pub(crate) fn variables_with(&self, more: More<'_>) -> Variables {
        let mut variables = self.variables();
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).into())));
        variables
    }

    /// Where the processes' output lies.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where the library's files lie.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Everything that the processes printed and logged, by file.
    pub(crate) fn outputs(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = std::fs::read_dir(self.dir())
            .unwrap()
            .map(|file| file.unwrap().path());
        let outputs = files.filter(|path| {
            path.extension()
                .is_some_and(|end| end == "out" || end == "err")
        });
        outputs
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect()
    }

    /// Waits until some process has said this.
    pub(crate) async fn is_said(&self, words: &str, within: Duration) {
        let said = async {
            let says = |said: Vec<u8>| String::from_utf8_lossy(&said).contains(words);
            while !self.outputs().into_values().any(says) {
                sleep(LOOK_EVERY).await;
            }
        };
        let said = timeout(within, said).await;
        assert!(said.is_ok(), "nobody said `{words}` within {within:?}");
    }
}
