//! Bluesky (AT Protocol) publishing, to any PDS, by app password.
//!
//! What the platform allows: a text of 300 graphemes and 3,000 bytes, with links, mentions and hashtags as facets, and one
//! embed: up to 4 images of 2,000,000 bytes each or the card of a link, and a quote beside it. A publication may go on as a
//! thread and end with a first comment, each of them a part with a key of its own; gates say who may reply and quote.
//!
//! The client may choose a post's key, and a put of the identical record under the same key changes nothing. That is the
//! whole of our promise here (grade A): a part is frozen under a minted key in the checkpoint before its first request,
//! every repetition sends exactly it, and `verify` reads the key.
//!
//! Write points per account: 5,000 an hour and 35,000 a day; a put costs 2, a creation in a batch 3. Requests: 3,000 in 5
//! minutes and host.
//!
//! A video goes through Bluesky's video service to the account's PDS before its post is frozen (`video`). Accounts are found
//! by handle or DID, and followed when they move to another PDS (`identity`).
//!
//! Sources: the platform sheet "Bluesky" (facts gathered 2026-11-20 from the atproto repository @ d6296a1c of 2026-08-20,
//! bsky-docs @ 390c1e97 and the official client) and the lexicons in `lexicons/`.

#![forbid(unsafe_code)]

mod authorize;
mod card;
mod embed;
mod failures;
#[cfg(feature = "fake")]
mod fake;
mod form;
mod freeze;
mod identity;
mod options;
mod part;
mod preflight;
mod publish;
mod record;
mod send;
mod session;
mod text;
mod tid;
mod usage;
mod video;
mod wire;

#[cfg(feature = "fake")]
pub use fake::{FakeAccount, FakePds, VideoWish, fake};

use self::{identity::Identities, video::VideoService};
use publisher::{
    Bound, Connector, Counts, Habits, Pace, Quota, ReadBack, Scope, Setup, SetupError,
};
use std::{sync::Arc, time::Duration};
use url::Url;

/// The wire id.
const PLATFORM: &str = "bluesky";

/// Where accounts log in that name no PDS of their own.
const ENTRYWAY: &str = "https://bsky.social";

/// The directory of `did:plc`.
const PLC: &str = "https://plc.directory";

/// The service that takes videos.
const VIDEO: &str = "https://video.bsky.app";

/// What the engine must know.
///
/// Quiet: `getRecord` reads the source of truth, so a record that exists is seen at once; but a request whose connection
/// was cut may still wait in a proxy or in the PDS. A minute is longer than any proxy's default, and a put that comes even
/// later meets the identical record and changes nothing.
pub(crate) const HABITS: Habits = Habits {
    call_deadline: Duration::from_secs(30),
    quiet: Duration::from_mins(1),
    read_back: ReadBack::Key,
    hosts_chosen_by_users: true,
    pace: Pace {
        requests: 3_000,
        per: Duration::from_mins(5),
    },
    checkpoint_version: record::CHECKPOINT_VERSION,
    // Access tokens live two hours.
    refresh_horizon: Duration::from_mins(30),
    // 300 MB at 3.5 Mbit/s; the engine's longest attempt leaves room for it.
    upload_deadline: Duration::from_mins(12),
    ..Habits::LEAST
};

/// Bluesky, ready to be registered.
///
/// `setup.addresses` may replace `bluesky` (the login host, `https://bsky.social`), `bluesky.plc` (`https://plc.directory`)
/// and `bluesky.video` (`https://video.bsky.app`), and with `bluesky.handles` the hosts of all handles by one that tells them
/// apart by the `Host` header; `setup.durations` may replace `bluesky.call_deadline` and `bluesky.quiet`.
///
/// # Errors
/// One of these addresses is no origin.
pub fn connector(setup: &Setup) -> Result<Connector, SetupError> {
    let entryway = address(setup, PLATFORM, ENTRYWAY)?;
    let plc = address(setup, "bluesky.plc", PLC)?;
    let video = address(setup, "bluesky.video", VIDEO)?;
    let handle_hosts = setup.addresses.get("bluesky.handles").cloned();
    let habits = Habits {
        call_deadline: setup.duration("bluesky.call_deadline", HABITS.call_deadline),
        quiet: setup.duration("bluesky.quiet", HABITS.quiet),
        ..HABITS
    };
    let http = setup.http.named("bluesky").paced(habits.pace);
    let identities = Arc::new(Identities::new(
        http.clone(),
        entryway.clone(),
        plc,
        handle_hosts,
    ));
    Ok(Connector {
        platform: PLATFORM,
        display_name: "Bluesky",
        publisher: Arc::new(publish::Bluesky {
            http: http.clone(),
            habits,
            identities: Arc::clone(&identities),
            video: VideoService {
                http: http.clone(),
                address: video,
            },
        }),
        authorizer: Arc::new(authorize::AppPasswords {
            http,
            entryway,
            identities,
        }),
        quotas: vec![
            points("points_per_hour", 5_000, 3_600),
            points("points_per_day", 35_000, 86_400),
        ],
        habits,
    })
}

/// An address of the configuration, or the public one. Errors: it is no origin.
fn address(setup: &Setup, name: &str, public: &str) -> Result<Url, SetupError> {
    let given = setup.addresses.get(name).map_or(public, Url::as_str);
    session::host(given).map_err(|problem| SetupError {
        platform: PLATFORM,
        problem: format!("the address `{name}` cannot be used: {problem}"),
        remedy: format!("set it to an origin such as {public}, or leave it out"),
    })
}

/// Write points: the reference PDS counts a write before it executes it, so every call counts, refused ones too.
fn points(name: &'static str, max: u32, seconds: u64) -> Quota {
    Quota {
        name,
        meter: "points",
        scope: Scope::Account,
        counts: Counts::Calls,
        units: part::PUT_POINTS,
        bound: Bound::Window {
            max,
            window: Duration::from_secs(seconds),
        },
    }
}
