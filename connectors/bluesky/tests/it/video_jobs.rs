//! Jobs that fail, are forgotten, or never end.

use crate::{
    kit::{DID, Marks, World},
    video::{claim, pending, wishes, with},
};
use connector_bluesky::VideoWish;
use publisher::{Class, Media};
use serde_json::json;
use std::time::Duration;

const STATUS: &str = "app.bsky.video.getJobStatus";

#[tokio::test]
async fn a_job_that_failed_is_tried_three_times_or_refused_at_once() {
    for (code, uploads) in [
        ("encoding_failure", 3),
        ("pds_upload_failure", 3),
        ("generic_failure", 3),
        ("validation_failure", 1),
        ("pds_upload_unsupported_blob_size", 1),
    ] {
        let world = World::open().await;
        let (post, marks) = (with(world.files.mp4("med_1", 900), code), Marks::default());
        wishes(
            &world,
            VideoWish {
                failure_code: Some(code.to_owned()),
                ..VideoWish::default()
            },
        );
        let mut checkpoint = None;
        let mut counted = json!(0);
        let failure = loop {
            match claim(&world, &post, &marks, checkpoint.take()).await {
                Ok(progress) => {
                    let (next, wait) = pending(progress);
                    world.server.clock().advance(wait);
                    counted = next.body["uploads"].clone();
                    checkpoint = Some(next);
                }
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.class, Class::Rejected);
        assert_eq!(failure.rule.as_deref(), Some("bluesky.video.job_failed"));
        assert_eq!(failure.code, format!("bluesky.get_job_status.{code}"));
        assert_eq!(counted, uploads);
        assert!(world.posts().is_empty() && marks.last().is_none());
    }
}

#[tokio::test]
async fn a_file_that_is_no_film_is_refused_when_the_service_looks_into_it() {
    let world = World::open().await;
    let lie = Media {
        mime: "video/mp4".to_owned(),
        kind: publisher::MediaKind::Video,
        ..world.files.png("med_lie", 8, 8)
    };
    let (post, marks) = (with(lie, "a lie"), Marks::default());
    let (checkpoint, _) = pending(claim(&world, &post, &marks, None).await.unwrap());
    world.server.clock().advance(Duration::from_mins(1));
    let failure = claim(&world, &post, &marks, Some(checkpoint))
        .await
        .unwrap_err();
    assert_eq!(failure.class, Class::Rejected);
    assert_eq!(failure.code, "bluesky.get_job_status.validation_failure");
}

#[tokio::test]
async fn a_job_that_the_service_forgot_begins_again_and_one_that_never_ends_counts() {
    let world = World::open().await;
    let (post, marks) = (
        with(world.files.mp4("med_1", 900), "forgotten"),
        Marks::default(),
    );
    let (checkpoint, _) = pending(claim(&world, &post, &marks, None).await.unwrap());
    wishes(
        &world,
        VideoWish {
            forget_jobs: true,
            ..VideoWish::default()
        },
    );
    let forgotten = claim(&world, &post, &marks, Some(checkpoint)).await;
    let (checkpoint, wait) = pending(forgotten.unwrap());
    assert_eq!(
        (&checkpoint.body["job"], wait),
        (&json!(null), Duration::ZERO)
    );

    let begun = claim(&world, &post, &marks, Some(checkpoint)).await;
    let (checkpoint, _) = pending(begun.unwrap());
    assert_eq!(checkpoint.body["uploads"], 2);
    let working = json!({ "jobStatus": {
        "jobId": "job-1", "did": DID, "state": "JOB_STATE_ENCODING", "progress": 40,
    } });
    let answer = || crate::kit::answers(200, working.clone());
    world.server.faults().arm(STATUS, answer(), 2);
    let mut turn = world.turn(&post, &marks);
    turn.checkpoint = Some(checkpoint);
    turn.now += chrono::TimeDelta::minutes(14);
    pending(turn.publish().await.unwrap());
    turn.now += chrono::TimeDelta::minutes(2);
    let slow = turn.publish().await.unwrap_err();
    assert_eq!(slow.class, Class::Transient);
    assert_eq!(
        slow.rule.as_deref(),
        Some("bluesky.video.transcode_timeout")
    );
    assert!(slow.message.contains("40 %"), "{}", slow.message);
}
