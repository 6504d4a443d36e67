//! A new version is rolled out while posts are being uploaded: workers are replaced one after the other.

use crate::{
    fleet::Fleet,
    process::{LOOK_EVERY, Process},
};
use publisher::fake::Fault;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_mins(1);

/// More than the deaths in a row that make a job a poison pill.
const REPLACEMENTS: usize = 5;

/// Uploads at a time: two accounts of two platforms, each with two posts.
const UPLOADS: u32 = 8;

/// Longer than the whole test, so that every upload is still under way when its worker must go.
const MANY: u32 = 10_000;

/// The steps before anything irreversible: pictures on Bluesky, containers on the toy with two steps.
const STEPS: [(&str, &str); 2] = [
    ("bluesky", "com.atproto.repo.uploadBlob"),
    ("toy_steps", "POST /toy_steps/{account}/containers"),
];

/// Uploads that have begun on both fakes since the start.
fn begun(fleet: &Fleet) -> u32 {
    let left = STEPS.map(|(platform, _)| fleet.fake(platform).faults().left());
    2 * MANY - left.iter().sum::<u32>()
}

/// A worker whose drain is over long before an upload is.
fn impatient(fleet: &Fleet) -> Process {
    fleet.worker_with(&[
        ("POSTRIDER_DRAIN_MS", "200"),
        ("POSTRIDER_LEASE_MS", "20000"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_whose_uploads_outlast_one_worker_after_the_other_are_published_once() {
    let fleet = Fleet::open().await;
    let picture = fleet.picture().await;
    let mut posts = vec![];
    for (platform, step) in STEPS {
        let hang = Fault::Hang {
            until_released: true,
        };
        fleet.fake(platform).faults().arm(step, hang, MANY);
        let media = if platform == "bluesky" {
            vec![picture.clone()]
        } else {
            vec![]
        };
        for name in ["ada", "bob"] {
            let account = fleet.account(platform, name).await;
            for n in 0..2 {
                let text = format!("{platform} {name} {n}, a long upload");
                let post = fleet.accept_with(&account, &text, media.clone(), None);
                posts.push(post.await);
            }
        }
    }
    let mut worker = impatient(&fleet);
    for replaced in 0..=REPLACEMENTS {
        let uploads = UPLOADS * u32::try_from(replaced + 1).unwrap();
        let all_begun = async {
            while begun(&fleet) < uploads {
                sleep(LOOK_EVERY).await;
            }
        };
        let begins = timeout(PATIENCE, all_begun).await;
        assert!(
            begins.is_ok(),
            "{} of {uploads}\n{}",
            begun(&fleet),
            fleet.queue().await
        );
        let counted = "select count(*) from jobs where failures + looks + deaths > 0";
        assert_eq!(fleet.database.count(counted).await, 0);
        if replaced < REPLACEMENTS {
            let next = impatient(&fleet);
            fleet
                .until(
                    "select count(*) from workers where not stopping",
                    "2",
                    PATIENCE,
                )
                .await;
            std::mem::replace(&mut worker, next).drain().await;
        }
    }
    for (platform, _) in STEPS {
        fleet.fake(platform).faults().clear();
    }
    for ending in fleet.end_well(&posts, PATIENCE).await {
        assert_eq!(ending.outcomes(), ["published"], "{ending:?}");
        let ledger = fleet.fake(&ending.post.platform).ledger();
        assert_eq!(ledger.sends(&ending.post.text), 1, "{ending:?}");
    }
    worker.drain().await;
    fleet.close().await;
}
