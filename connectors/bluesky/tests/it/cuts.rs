//! Answers that never come: whatever happens to the one irreversible request, there is one post in the end.

use crate::kit::{Marks, World, receipt, text};
use chrono::TimeDelta;
use publisher::{Class, Evidence, Progress, fake::Fault};
use std::time::Duration;

const PUT: &str = "com.atproto.repo.putRecord";

/// Publishes into a fault, then does what the engine does: looks until it knows, and puts again if there is nothing.
async fn survive(fault: Fault) {
    let world = World::open().await;
    let (post, marks) = (text("survivor"), Marks::default());
    world.server.faults().arm(PUT, fault.clone(), 1);
    let mut turn = world.turn(&post, &marks);
    let failure = turn.publish().await.unwrap_err();
    assert_eq!(failure.class, Class::Ambiguous, "{fault:?}: {failure}");

    turn.sent_at = Some(turn.now);
    turn.checkpoint = marks.last();
    let receipt = loop {
        match turn.verify().await.unwrap() {
            Evidence::Found(Progress::Published(receipt)) => break receipt,
            Evidence::NotYet { look_after } => {
                assert!(
                    turn.now < turn.sent_at.unwrap() + TimeDelta::seconds(90),
                    "{fault:?}"
                );
                turn.now += TimeDelta::from_std(look_after).unwrap();
            }
            Evidence::Absent => {
                assert!(
                    turn.now >= turn.sent_at.unwrap() + TimeDelta::seconds(90),
                    "{fault:?}"
                );
                break receipt(turn.publish().await.unwrap());
            }
            other => panic!("{fault:?}: {other:?}"),
        }
    };
    // Whatever was still under way arrives now.
    world.server.clock().advance(Duration::from_hours(1));
    world.server.settle().await;
    let posts = world.posts();
    assert_eq!(posts.len(), 1, "{fault:?}");
    assert!(receipt.uri.unwrap().ends_with(&posts[0].0));
    assert_eq!(
        world.server.ledger().effective("survivor"),
        1,
        "{fault:?}: {:?}",
        world.server.ledger().entries()
    );
}

#[tokio::test]
async fn a_request_cut_at_any_point_makes_exactly_one_post() {
    for fault in [Fault::CutBefore, Fault::CutMidBody, Fault::CutAfter] {
        survive(fault).await;
    }
}

#[tokio::test]
async fn a_request_that_takes_effect_90_seconds_after_the_cut_makes_no_second_post() {
    // The engine's clock runs on without the fake's: when Absent is said, the late request is still under way.
    survive(Fault::Late {
        after: Duration::from_secs(90),
    })
    .await;
    survive(Fault::Late {
        after: Duration::from_mins(10),
    })
    .await;
}
