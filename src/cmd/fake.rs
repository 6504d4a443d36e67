//! `postrider fake bluesky | toys`: a fake platform as a process of its own.

use crate::{
    cli::{Fake, FakeBluesky},
    exit::{Exit, Stop},
    output::Output,
    shutdown::Shutdown,
};
use anyhow::Context as _;
use connector_bluesky::FakeAccount;
use publisher::{
    fake::{FakePlatform, FakeServer},
    toys::{ToyPlatform, ToyTimes},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio_util::task::TaskTracker;

/// Serves until the first signal.
pub(crate) async fn run(fake: &Fake, output: Output) -> anyhow::Result<Exit> {
    let (platform, listen): (Arc<dyn FakePlatform>, _) = match fake {
        Fake::Bluesky(ask) => (connector_bluesky::fake(accounts(ask)), ask.listen),
        Fake::Toys(ask) => (Arc::new(ToyPlatform::new(ToyTimes::default())), ask.listen),
    };
    let tracker = TaskTracker::new();
    let shutdown =
        Shutdown::on_signals(&tracker, Duration::ZERO).context("signals cannot be handled")?;
    let name = platform.name();
    let about = platform.about();
    let server = FakeServer::start(platform, Some(listen))
        .await
        .map_err(|e| {
            Stop::failed(
                format!("cannot listen on {listen}: {e}"),
                "choose another address with --listen",
            )
        })?;
    if output.is_json() {
        output.document(&json!({ "fake": name, "url": server.url().as_str(), "about": about }))?;
    } else {
        output.line(format_args!(
            "A fake {name} at {}; GET {}_fake tells more",
            server.url(),
            server.url()
        ))?;
    }
    tracing::info!(url = %server.url(), "serving a fake {name}");
    shutdown.drain.cancelled().await;
    server.stop().await;
    shutdown.finish();
    tracker.close();
    tracker.wait().await;
    Ok(Exit::Done)
}

fn accounts(ask: &FakeBluesky) -> Vec<FakeAccount> {
    let account = |(handle, password): &(String, String)| FakeAccount {
        handle: handle.clone(),
        did: did(handle),
        password: password.clone(),
    };
    ask.accounts.iter().map(account).collect()
}

/// A DID for a handle, the same one every time.
fn did(handle: &str) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut step = |byte: u8| {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        state
    };
    handle.bytes().for_each(|byte| _ = step(byte));
    let letters = (0..24_u8).map(|place| {
        let index = usize::try_from(step(place) >> 59).unwrap_or_default();
        char::from(LETTERS[index % LETTERS.len()])
    });
    format!("did:plc:{}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_one_did_of_the_right_shape() {
        let alice = did("alice.test");
        assert_eq!(alice, did("alice.test"));
        assert_ne!(alice, did("bob.test"));
        let key = alice.strip_prefix("did:plc:").unwrap();
        assert!(
            key.len() == 24
                && key
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7')),
            "{alice}"
        );
    }
}
