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
//! Not built yet and refused in preflight: video. An account that moves to another PDS must be connected again.
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
mod freeze;
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
mod wire;

#[cfg(feature = "fake")]
pub use fake::{FakeAccount, FakePds, fake};

use publisher::{
    Bound, Connector, Counts, Habits, Pace, Quota, ReadBack, Scope, Setup, SetupError,
};
use std::{sync::Arc, time::Duration};
use url::Url;

/// The wire id.
const PLATFORM: &str = "bluesky";

/// Where accounts log in that name no PDS of their own.
const ENTRYWAY: &str = "https://bsky.social";

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
    ..Habits::LEAST
};

/// Bluesky, ready to be registered.
///
/// `setup.addresses["bluesky"]` replaces the login host `https://bsky.social`; `setup.durations` may replace
/// `bluesky.call_deadline` and `bluesky.quiet`.
///
/// # Errors
/// That address is no origin.
pub fn connector(setup: &Setup) -> Result<Connector, SetupError> {
    let entryway = match setup.addresses.get(PLATFORM) {
        Some(address) => session::host(address.as_str()),
        None => Url::parse(ENTRYWAY).map_err(|_| "the built-in address is broken"),
    };
    let entryway = entryway.map_err(|problem| SetupError {
        platform: PLATFORM,
        problem: format!("the address of the login host cannot be used: {problem}"),
        remedy: format!("set it to an origin such as {ENTRYWAY}, or leave it out"),
    })?;
    let habits = Habits {
        call_deadline: setup.duration("bluesky.call_deadline", HABITS.call_deadline),
        quiet: setup.duration("bluesky.quiet", HABITS.quiet),
        ..HABITS
    };
    let http = setup.http.named("bluesky").paced(habits.pace);
    Ok(Connector {
        platform: PLATFORM,
        display_name: "Bluesky",
        publisher: Arc::new(publish::Bluesky {
            http: http.clone(),
            habits,
        }),
        authorizer: Arc::new(authorize::AppPasswords { http, entryway }),
        quotas: vec![
            points("points_per_hour", 5_000, 3_600),
            points("points_per_day", 35_000, 86_400),
        ],
        habits,
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
