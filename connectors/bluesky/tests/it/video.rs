//! Videos: the whole way, and each way of not arriving.

use crate::kit::{DID, Marks, World, receipt, text};
use connector_bluesky::VideoWish;
use publisher::{Checkpoint, Class, Failure, Media, Post, Progress, fake::Fault};
use serde_json::{Value, json};
use std::time::Duration;

const UPLOAD: &str = "app.bsky.video.uploadVideo";
const PUT: &str = "com.atproto.repo.putRecord";

/// A post with this video.
pub(crate) fn with(media: Media, words: &str) -> Post {
    Post {
        media: vec![media],
        ..text(words)
    }
}

/// The next claim, from a checkpoint.
pub(crate) async fn claim(
    world: &World,
    post: &Post,
    marks: &Marks,
    checkpoint: Option<Checkpoint>,
) -> Result<Progress, Failure> {
    let mut turn = world.turn(post, marks);
    turn.checkpoint = checkpoint;
    turn.publish().await
}

/// What a claim asks to be remembered, and how long to wait.
pub(crate) fn pending(progress: Progress) -> (Checkpoint, Duration) {
    match progress {
        Progress::Pending {
            checkpoint,
            poll_after,
            receipt,
        } => {
            assert_eq!(receipt, None);
            (checkpoint, poll_after)
        }
        Progress::Published(receipt) => panic!("{receipt:?}"),
    }
}

/// Claims until it is published, as patiently as the connector asks; returns how many claims that took.
async fn until_published(
    world: &World,
    post: &Post,
    marks: &Marks,
    mut checkpoint: Option<Checkpoint>,
) -> (publisher::Receipt, usize) {
    for claims in 1..=20 {
        match claim(world, post, marks, checkpoint.take()).await.unwrap() {
            Progress::Published(receipt) => return (receipt, claims),
            progress @ Progress::Pending { .. } => {
                let (next, wait) = pending(progress);
                assert_eq!(next.stage, "processing");
                assert_eq!(next.version, world.connector.habits.checkpoint_version);
                checkpoint = Some(next);
                world.server.clock().advance(wait);
            }
        }
    }
    panic!("not published after 20 claims");
}

pub(crate) fn wishes(world: &World, wish: VideoWish) {
    world.pds.set_video(DID, wish);
}

#[tokio::test]
async fn a_video_arrives_with_alt_text_ratio_and_captions() {
    let world = World::open().await;
    let (captions, option_media) = [
        world.files.vtt("med_en", "EN-gb"),
        world.files.vtt("med_de", "de"),
    ]
    .into_iter()
    .unzip();
    let media = Media {
        captions,
        ..world.files.mp4("med_film", 2_000_000)
    };
    let post = Post {
        option_media,
        ..with(media, "a film")
    };
    let marks = Marks::default();
    assert!(world.connector.publisher.preflight(&post).passes());

    let (_, claims) = until_published(&world, &post, &marks, None).await;

    assert!(claims > 3, "{claims}");
    let embed = &world.posts()[0].1["embed"];
    assert_eq!(embed["$type"], "app.bsky.embed.video");
    assert_eq!(embed["alt"], "alt of med_film");
    assert_eq!(
        embed["aspectRatio"],
        json!({ "width": 1_080, "height": 1_920 })
    );
    assert_eq!(embed["video"]["mimeType"], "video/mp4");
    let captions = embed["captions"].as_array().unwrap();
    let langs: Vec<&Value> = captions.iter().map(|caption| &caption["lang"]).collect();
    assert_eq!(langs, ["en-gb", "de"]);
    assert_eq!(captions[0]["file"]["mimeType"], "text/vtt");
    assert_eq!(world.server.ledger().effective("a film"), 1);
}

#[tokio::test]
async fn a_look_comes_later_each_time_and_never_sleeps() {
    let world = World::open().await;
    let (post, marks) = (
        with(world.files.mp4("med_1", 500), "patient"),
        Marks::default(),
    );
    let (mut checkpoint, first) = pending(claim(&world, &post, &marks, None).await.unwrap());
    assert_eq!(first, Duration::from_secs(2));
    let mut waits = Vec::new();
    for _ in 0..10 {
        let progress = claim(&world, &post, &marks, Some(checkpoint))
            .await
            .unwrap();
        let (next, wait) = pending(progress);
        checkpoint = next;
        waits.push(wait.as_secs());
    }
    assert_eq!(waits, [3, 4, 5, 6, 7, 8, 9, 10, 10, 10]);
    assert!(marks.last().is_none());
}

#[tokio::test]
async fn a_worker_killed_at_any_stage_wastes_one_upload_at_most_and_publishes_once() {
    // What the dead claim had done: nothing that was kept, an upload, a look, a put.
    for stage in 0..4 {
        let world = World::open().await;
        let words = format!("killed at {stage}");
        let (post, marks) = (
            with(world.files.mp4("med_1", 70_000), &words),
            Marks::default(),
        );
        let uploaded = claim(&world, &post, &marks, None).await.unwrap();
        let kept = match stage {
            0 => None,
            1 => Some(pending(uploaded).0),
            2 => {
                let (checkpoint, wait) = pending(uploaded);
                world.server.clock().advance(wait);
                let looked = claim(&world, &post, &marks, Some(checkpoint)).await;
                Some(pending(looked.unwrap()).0)
            }
            _ => {
                world.server.clock().advance(Duration::from_mins(1));
                world.server.faults().arm(PUT, Fault::CutAfter, 1);
                let checkpoint = pending(uploaded).0;
                let cut = claim(&world, &post, &marks, Some(checkpoint)).await;
                assert_eq!(cut.unwrap_err().class, Class::Ambiguous);
                marks.last()
            }
        };
        until_published(&world, &post, &marks, kept).await;
        assert_eq!(world.server.ledger().doubles(), [""; 0]);
        assert_eq!(world.server.ledger().effective(&words), 1, "{stage}");
        // The service had the same bytes already: one job, whatever was sent again.
        let blob = &world.posts()[0].1["embed"]["video"];
        assert!(blob["ref"]["$link"].is_string());
    }
}

#[tokio::test]
async fn the_same_bytes_again_are_adopted_from_the_job_that_has_them() {
    let world = World::open().await;
    let media = world.files.mp4("med_1", 4_000);
    let marks = Marks::default();
    let first = with(media.clone(), "first");
    let (checkpoint, _) = pending(claim(&world, &first, &marks, None).await.unwrap());
    let second = with(media, "second");
    let (adopted, _) = pending(claim(&world, &second, &marks, None).await.unwrap());
    assert_eq!(adopted.body["job"], checkpoint.body["job"]);
    until_published(&world, &first, &marks, Some(checkpoint)).await;
    // It is done by now: no further look is needed than the one that says so.
    let (_, claims) = until_published(&world, &second, &marks, Some(adopted)).await;
    assert_eq!((claims, world.posts().len()), (1, 2));
}

#[tokio::test]
async fn an_account_that_may_not_upload_is_told_why_before_anything_is_sent() {
    let world = World::open().await;
    let (post, marks) = (
        with(world.files.mp4("med_1", 4_000), "no"),
        Marks::default(),
    );
    let says = |what: &str| Some(what.to_owned());
    let three_hours = Some(Duration::from_hours(3));
    for (wish, class, rule, retry_in) in [
        (
            VideoWish {
                error: says("unconfirmed_email"),
                ..VideoWish::default()
            },
            Class::Rejected,
            "bluesky.video.email_unconfirmed",
            None,
        ),
        (
            VideoWish {
                error: says("account_too_new"),
                message: says("Your account is too new"),
                ..VideoWish::default()
            },
            Class::Rejected,
            "bluesky.video.quota_exhausted",
            None,
        ),
        (
            VideoWish {
                remaining_daily_videos: Some(0),
                message: says("Daily limit reached"),
                ..VideoWish::default()
            },
            Class::Transient,
            "bluesky.video.quota_exhausted",
            three_hours,
        ),
        (
            VideoWish {
                remaining_daily_bytes: Some(3_999),
                ..VideoWish::default()
            },
            Class::Transient,
            "bluesky.video.quota_exhausted",
            three_hours,
        ),
    ] {
        let said = wish.message.clone();
        wishes(&world, wish);
        world.server.faults().arm(UPLOAD, Fault::CutBefore, 1);
        let failure = claim(&world, &post, &marks, None).await.unwrap_err();
        assert_eq!((failure.class, failure.retry_in), (class, retry_in));
        assert_eq!(failure.rule.as_deref(), Some(rule));
        assert!(failure.remediation.is_some());
        assert!(said.is_none_or(|said| failure.message.contains(&said)));
        assert_eq!(world.server.faults().left(), 1, "nothing was uploaded");
        world.server.faults().clear();
    }
    wishes(&world, VideoWish::default());
    until_published(&world, &post, &marks, None).await;
}

#[tokio::test]
async fn a_blob_thrown_away_before_the_put_comes_again_under_the_same_key() {
    let world = World::open().await;
    let pds = world.pds.clone();
    let marks = Marks {
        hook: Some(Box::new(move || pds.collect_blobs(DID))),
        ..Marks::default()
    };
    let post = with(world.files.mp4("med_1", 900), "thrown away");
    let (checkpoint, _) = pending(claim(&world, &post, &marks, None).await.unwrap());
    world.server.clock().advance(Duration::from_mins(1));
    let mut checkpoint = Some(checkpoint);
    // The put finds it gone: not a failure, but a step back.
    let gone = claim(&world, &post, &marks, checkpoint.take())
        .await
        .unwrap();
    let first = marks.last().unwrap();
    let (again, wait) = pending(gone);
    assert_eq!((again.stage.as_str(), wait), ("processing", Duration::ZERO));

    let patient = Marks::default();
    let (receipt, _) = until_published(&world, &post, &patient, Some(again)).await;
    let second = patient.last().unwrap();
    assert_eq!(first.body["rkey"], second.body["rkey"]);
    assert_eq!(first.body["record"], second.body["record"]);
    assert!(
        receipt
            .uri
            .unwrap()
            .ends_with(first.body["rkey"].as_str().unwrap())
    );
    assert_eq!(world.server.ledger().effective("thrown away"), 1);

    // A PDS that loses it every time is believed in the end.
    let hopeless = with(world.files.mp4("med_2", 900), "hopeless");
    let mut checkpoint = None;
    let failure = loop {
        match claim(&world, &hopeless, &marks, checkpoint.take()).await {
            Ok(progress) => {
                let (next, _) = pending(progress);
                world.server.clock().advance(Duration::from_mins(1));
                checkpoint = Some(next);
            }
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.class, Class::Rejected);
    assert_eq!(failure.rule.as_deref(), Some("bluesky.video.upload_failed"));
}

#[tokio::test]
async fn captions_are_uploaded_again_before_a_put_is_repeated() {
    let world = World::open().await;
    let (caption, file) = world.files.vtt("med_en", "en");
    let media = Media {
        captions: vec![caption],
        ..world.files.mp4("med_1", 900)
    };
    let post = Post {
        option_media: vec![file],
        ..with(media, "captioned")
    };
    let marks = Marks::default();
    let (checkpoint, _) = pending(claim(&world, &post, &marks, None).await.unwrap());
    world.server.clock().advance(Duration::from_mins(1));
    world.server.faults().arm(PUT, Fault::CutBefore, 1);
    claim(&world, &post, &marks, Some(checkpoint))
        .await
        .unwrap_err();
    let again = claim(&world, &post, &marks, marks.last()).await.unwrap();
    let receipt = receipt(again);
    assert!(receipt.uri.is_some());
    assert_eq!(world.server.ledger().effective("captioned"), 1);
}
