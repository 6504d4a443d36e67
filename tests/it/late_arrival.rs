//! Late arrival: the platform closes the connection without an answer, and lets the request take effect 90 s later.
//!
//! The fake's clock is advanced by the test, the platform's quiet time stands for those 90 s: a look inside it may not say
//! "absent". On Bluesky not even that matters, because a put that comes later meets the identical record.

use crate::{ending::Ending, fleet::Fleet, process::LOOK_EVERY, times::Times};
use publisher::fake::Fault;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// After the connection was cut, by the fake's clock.
const LATE: Duration = Duration::from_secs(90);

const ENDED_WITHIN: Duration = Duration::from_mins(1);

/// The platforms' irreversible requests, as their fakes name them.
pub(crate) fn irreversible(platform: &str) -> String {
    match platform {
        "bluesky" => "com.atproto.repo.putRecord".to_owned(),
        "toy_steps" => "publish".to_owned(),
        other => format!("POST /{other}/{{account}}/posts"),
    }
}

/// Waits until a request for this text has arrived at the fake.
pub(crate) async fn has_arrived(fleet: &Fleet, platform: &str, text: &str) {
    let arrived = async {
        while fleet.fake(platform).ledger().sends(text) == 0 {
            sleep(LOOK_EVERY).await;
        }
    };
    let arrived = timeout(Duration::from_secs(30), arrived).await;
    assert!(arrived.is_ok(), "no request for {text}");
}

/// Publishes one post whose first request takes effect late; `advances` says whether it does so before anybody looks.
async fn publish_late(platform: &str, times: Times, advances_first: bool) -> Ending {
    let fleet = Fleet::open_with(times).await;
    let account = fleet.account(platform, "ada").await;
    let (fake, text) = (fleet.fake(platform), format!("{platform} comes late"));
    fake.faults()
        .arm(&irreversible(platform), Fault::Late { after: LATE }, 1);
    let post = fleet.accept(&account, &text, false).await;
    let worker = fleet.worker(None);
    has_arrived(&fleet, platform, &text).await;
    assert_eq!(fake.ledger().effective(&text), 0, "it took effect at once");
    if advances_first {
        fake.clock().advance(LATE + Duration::from_secs(1));
    }
    let mut endings = fleet.endings(&[post], ENDED_WITHIN).await;
    fake.clock().advance(LATE + Duration::from_secs(1));
    fake.settle().await;
    worker.drain().await;
    let sends = fake.ledger().entries();
    assert!(sends.iter().all(|entry| entry.text == text), "{sends:?}");
    assert_eq!(fake.ledger().effective(&text), 1, "{sends:?}\n{endings:?}");
    fleet.close().await;
    endings.remove(0)
}

/// Quiet long enough for the test to advance the fake's clock meanwhile.
fn patient() -> Times {
    Times {
        quiet: 6_000,
        late_quiet: 6_000,
        bluesky_quiet: 6_000,
        ..Times::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_effect_is_found_by_looking_and_not_sent_again() {
    for platform in ["bluesky", "toy_list", "toy_late", "toy_steps"] {
        let ending = publish_late(platform, patient(), true).await;
        assert_eq!(ending.word(), "published", "{ending:?}");
        assert_eq!(
            ending.outcomes(),
            ["unknown", "published"],
            "{platform}: {ending:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_effect_that_nobody_can_look_up_waits_for_a_person() {
    let ending = publish_late("toy_blind", patient(), true).await;
    assert_eq!(
        (ending.word().as_str(), ending.post.shown.as_str()),
        ("ambiguous", "failed"),
        "{ending:?}"
    );
    let error = ending.post.error.unwrap();
    assert_eq!(error["rule"], "publish.outcome_unknown", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_comes_even_after_its_repetition_makes_no_second_record() {
    let ending = publish_late("bluesky", Times::default(), false).await;
    assert_eq!(ending.word(), "published", "{ending:?}");
    assert_eq!(
        ending.outcomes(),
        ["unknown", "absent", "published"],
        "{ending:?}"
    );
}
