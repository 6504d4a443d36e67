//! Zombies: a worker is stopped (SIGSTOP) past its lease, another one takes over, and the first goes on (SIGCONT).
//!
//! What it was about to send, it does not send any more; what it had sent, it still reports, and that report is kept.

use crate::{
    fleet::{Fleet, LEASE, PLATFORMS},
    late_arrival::{has_arrived, irreversible},
    process::Process,
    times::Times,
};
use publisher::{fake::Fault, id::PostId};
use rustix::process::Signal;
use std::time::Duration;
use tokio::task::JoinSet;

const STOPPED_WITHIN: Duration = Duration::from_secs(40);

const ENDED_WITHIN: Duration = Duration::from_secs(90);

/// A worker that was stopped with one post in its hands, and whose lease is over.
struct Zombie {
    fleet: Fleet,
    platform: &'static str,
    process: Process,
    post: PostId,
    text: String,
}

impl Zombie {
    /// Stops itself at a point.
    async fn at(point: &str, platform: &'static str, times: Times) -> Self {
        let (fleet, post, text) = accepted(platform, times).await;
        let process = fleet.worker(Some(&format!("{point}:stop")));
        process.is_stopped_within(STOPPED_WITHIN).await;
        lease_is_over(&fleet).await;
        Self {
            fleet,
            platform,
            process,
            post,
            text,
        }
    }

    /// Is stopped while the platform keeps it waiting for the answer to its irreversible request.
    async fn waiting_for_its_answer(platform: &'static str, times: Times) -> Self {
        let (fleet, post, text) = accepted(platform, times).await;
        let hang = Fault::Hang {
            until_released: true,
        };
        fleet
            .fake(platform)
            .faults()
            .arm(&irreversible(platform), hang, 1);
        let process = fleet.worker(None);
        has_arrived(&fleet, platform, &text).await;
        process.signal(Signal::STOP);
        process.is_stopped_within(STOPPED_WITHIN).await;
        lease_is_over(&fleet).await;
        Self {
            fleet,
            platform,
            process,
            post,
            text,
        }
    }

    /// Waits until the reaper has given its claim to others.
    async fn is_taken_over(&self) {
        let died = format!(
            "select count(*) from attempts where subject = '{}' and outcome = 'died'",
            self.post
        );
        self.fleet.until(&died, "1", ENDED_WITHIN).await;
    }

    /// Goes on, finishes what it had begun and ends.
    async fn goes_on(self) -> (Fleet, PostId, String) {
        self.process.signal(Signal::CONT);
        self.process.drain().await;
        self.fleet.fake(self.platform).settle().await;
        (self.fleet, self.post, self.text)
    }

    /// Requests that arrived and publications that took effect.
    fn ledger(&self) -> (usize, usize) {
        let ledger = self.fleet.fake(self.platform).ledger();
        (ledger.sends(&self.text), ledger.effective(&self.text))
    }
}

async fn accepted(platform: &str, times: Times) -> (Fleet, PostId, String) {
    let fleet = Fleet::open_with(times).await;
    let account = fleet.account(platform, "ada").await;
    let text = format!("{platform} in a zombie's hands");
    let post = fleet.accept(&account, &text, false).await;
    (fleet, post, text)
}

async fn lease_is_over(fleet: &Fleet) {
    let live = "select count(*) from leases where until > clock_timestamp()";
    fleet.until(live, "0", LEASE * 4).await;
}

/// How many late receipts are kept.
async fn late_receipts(fleet: &Fleet) -> i64 {
    fleet.database.count("select count(*) from receipts").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_that_was_about_to_send_sends_nothing_any_more() {
    let mut each = JoinSet::new();
    for platform in PLATFORMS {
        each.spawn(async move {
            let zombie = Zombie::at("mark.after", platform, Times::default()).await;
            assert_eq!(
                zombie.ledger(),
                (0, 0),
                "{platform}: sent before it was stopped"
            );
            let heir = zombie.fleet.worker(None);
            let before = zombie
                .fleet
                .endings(&[zombie.post], ENDED_WITHIN)
                .await
                .remove(0);
            // Where nobody can look, nobody sends again either.
            let (word, ledger) = if platform == "toy_blind" {
                ("ambiguous", (0, 0))
            } else {
                ("published", (1, 1))
            };
            assert_eq!(
                (before.word().as_str(), zombie.ledger()),
                (word, ledger),
                "{platform}: {before:?}"
            );
            let (fleet, post, text) = zombie.goes_on().await;
            let fake = fleet.fake(platform).ledger();
            assert_eq!(
                (fake.sends(&text), fake.effective(&text)),
                ledger,
                "{platform}: the zombie sent"
            );
            let after = fleet.ending(post).await;
            assert_eq!(
                (after.word().as_str(), after.outcomes()),
                (word, before.outcomes()),
                "{platform}"
            );
            assert_eq!(late_receipts(&fleet).await, 0);
            heir.drain().await;
            fleet.close().await;
        });
    }
    while let Some(one) = each.join_next().await {
        one.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_receipt_turns_a_dead_letter_into_a_published_post() {
    let zombie = Zombie::at("send.after_answer", "toy_blind", Times::default()).await;
    let heir = zombie.fleet.worker(None);
    let before = zombie
        .fleet
        .endings(&[zombie.post], ENDED_WITHIN)
        .await
        .remove(0);
    assert_eq!(
        (before.word().as_str(), zombie.ledger()),
        ("ambiguous", (1, 1)),
        "{before:?}"
    );
    let (fleet, post, text) = zombie.goes_on().await;
    let after = fleet.ending(post).await;
    assert_eq!(
        (after.word().as_str(), after.letter.as_deref()),
        ("published", None),
        "{after:?}"
    );
    assert!(
        after
            .post
            .receipt
            .is_some_and(|receipt| receipt["uri"].is_string())
    );
    assert_eq!(fleet.fake("toy_blind").ledger().sends(&text), 1);
    assert_eq!(late_receipts(&fleet).await, 1);
    heir.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_receipt_is_read_before_anybody_looks() {
    // No look could end this within the test's patience.
    let times = Times {
        late_quiet: 300_000,
        visible_after: 290_000,
        ..Times::default()
    };
    let zombie = Zombie::at("send.after_answer", "toy_late", times).await;
    let heir = zombie.fleet.worker(None);
    zombie.is_taken_over().await;
    let (fleet, post, text) = zombie.goes_on().await;
    let after = fleet.endings(&[post], ENDED_WITHIN).await.remove(0);
    assert_eq!(
        (after.word().as_str(), after.outcomes()),
        ("published", vec!["died", "published"]),
        "{after:?}"
    );
    assert_eq!(fleet.fake("toy_late").ledger().sends(&text), 1);
    assert_eq!(late_receipts(&fleet).await, 1);
    heir.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_receipt_of_what_was_found_already_changes_nothing() {
    for platform in ["bluesky", "toy_list"] {
        let zombie = Zombie::at("send.after_answer", platform, Times::default()).await;
        let heir = zombie.fleet.worker(None);
        let before = zombie
            .fleet
            .endings(&[zombie.post], ENDED_WITHIN)
            .await
            .remove(0);
        assert_eq!(
            (before.word().as_str(), zombie.ledger()),
            ("published", (1, 1)),
            "{before:?}"
        );
        let (fleet, post, text) = zombie.goes_on().await;
        let after = fleet.ending(post).await;
        assert_eq!(
            (after.outcomes(), &after.post.receipt),
            (before.outcomes(), &before.post.receipt),
            "{platform}"
        );
        assert_eq!(fleet.fake(platform).ledger().sends(&text), 1);
        heir.drain().await;
        fleet.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_effect_while_its_worker_is_stopped_is_the_only_one() {
    let times = Times {
        quiet: 15_000,
        ..Times::default()
    };
    let zombie = Zombie::waiting_for_its_answer("toy_list", times).await;
    assert_eq!(zombie.ledger(), (1, 0));
    let heir = zombie.fleet.worker(None);
    zombie.is_taken_over().await;
    zombie.fleet.fake("toy_list").faults().release();
    let (fleet, post, text) = zombie.goes_on().await;
    let after = fleet.endings(&[post], ENDED_WITHIN).await.remove(0);
    assert_eq!(after.word(), "published", "{after:?}");
    let ledger = fleet.fake("toy_list").ledger();
    assert_eq!(
        (ledger.sends(&text), ledger.effective(&text)),
        (1, 1),
        "{after:?}"
    );
    heir.drain().await;
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_takes_effect_after_the_heir_repeated_it_makes_no_second_record() {
    let zombie = Zombie::waiting_for_its_answer("bluesky", Times::default()).await;
    assert_eq!(zombie.ledger(), (1, 0));
    let heir = zombie.fleet.worker(None);
    let before = zombie
        .fleet
        .endings(&[zombie.post], ENDED_WITHIN)
        .await
        .remove(0);
    assert_eq!(
        (before.word().as_str(), zombie.ledger()),
        ("published", (2, 1)),
        "{before:?}"
    );
    zombie.fleet.fake("bluesky").faults().release();
    let (fleet, post, text) = zombie.goes_on().await;
    let after = fleet.ending(post).await;
    assert_eq!(
        (after.word().as_str(), after.outcomes()),
        ("published", before.outcomes()),
        "{after:?}"
    );
    let ledger = fleet.fake("bluesky").ledger();
    assert_eq!(
        (ledger.sends(&text), ledger.effective(&text)),
        (2, 1),
        "{:?}",
        ledger.entries()
    );
    heir.drain().await;
    fleet.close().await;
}
