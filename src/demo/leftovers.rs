//! Ends what an earlier demo left running because it was killed itself.

use super::{narrator::Narrator, state::Facts};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{fs, process::Command, time::Duration};

/// How long a leftover may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(6);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends every process of the last run that is still there and still ours.
pub(super) async fn end(before: Option<&Facts>, say: Narrator) {
    let Some(pids) = before.map(|facts| &facts.pids) else {
        return;
    };
    let [first, second] = pids.worker;
    let known = [
        (pids.api, "api"),
        (first, "worker"),
        (second, "worker"),
        (pids.fake, "fake"),
    ];
    let left: Vec<Pid> = known
        .into_iter()
        .filter_map(|(pid, verb)| ours(pid, verb))
        .collect();
    if left.is_empty() {
        return;
    }
    say.remark(&format!(
        "ending {} processes that an earlier demo left running",
        left.len()
    ));
    for pid in &left {
        let _ = kill_process(*pid, Signal::TERM);
    }
    let gone = async {
        while left.iter().any(|pid| test_kill_process(*pid).is_ok()) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        for pid in &left {
            let _ = kill_process(*pid, Signal::KILL);
        }
    }
}

/// The process, if it runs this program with this verb: a number may have gone to another program since.
fn ours(pid: u32, verb: &str) -> Option<Pid> {
    let words = command_line(pid)?;
    let program = words.first()?.rsplit('/').next()?;
    let ours = program == env!("CARGO_BIN_NAME") && words.get(1).is_some_and(|word| word == verb);
    if ours {
        i32::try_from(pid).ok().and_then(Pid::from_raw)
    } else {
        None
    }
}

fn command_line(pid: u32) -> Option<Vec<String>> {
    if let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) {
        return Some(
            line.split(|byte| *byte == 0)
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect(),
        );
    }
    let listed = Command::new("ps")
        .args(["-o", "args=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let line = String::from_utf8_lossy(&listed.stdout).into_owned();
    (!line.trim().is_empty()).then(|| line.split_whitespace().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_program_is_not_ours() {
        assert!(ours(std::process::id(), "api").is_none());
        assert!(ours(u32::MAX, "api").is_none());
        assert!(!command_line(std::process::id()).unwrap().is_empty());
    }
}
