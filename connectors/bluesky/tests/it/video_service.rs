//! The fake video service by itself, and every bad answer that a real one can give.

use crate::{
    kit::{DID, Marks, World, answers, text},
    raw::{is, refusal},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use publisher::{
    Answer, Class, Deadline, Failure, Media, MediaReader, MediaStream, Post, Progress, fake::Fault,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

const LIMITS: &str = "app.bsky.video.getUploadLimits";
const STATUS: &str = "app.bsky.video.getJobStatus";
const UPLOAD: &str = "app.bsky.video.uploadVideo";
const VOUCH: &str = "com.atproto.server.getServiceAuth";
const BLOB: &str = "com.atproto.repo.uploadBlob";

/// A token of the PDS for another service.
async fn vouched(world: &World, params: &[(&str, &str)]) -> Result<SecretString, (u16, String)> {
    let url = world.server.url().join(&format!("/xrpc/{VOUCH}")).unwrap();
    let call = world.http.get(&url).query(params);
    let answer = call.bearer(&world.tokens.access).send().await.unwrap();
    if !answer.is_success() {
        return Err(refusal(&answer));
    }
    let body: Value = answer.json().unwrap();
    Ok(body["token"].as_str().unwrap().to_owned().into())
}

async fn upload(world: &World, token: &SecretString, did: &str, kind: &str) -> Answer {
    let url = world.server.url().join(&format!("/xrpc/{UPLOAD}")).unwrap();
    let call = world
        .http
        .post(&url)
        .query(&[("did", did), ("name", "x.mp4")]);
    let film = Bytes::from_static(b"\0\0\0\x20ftypisom");
    call.bearer(token).bytes(kind, film).send().await.unwrap()
}

#[tokio::test]
async fn a_token_is_good_for_one_service_one_method_and_a_while() {
    let world = World::open().await;
    let exp = |seconds: i64| (world.now().timestamp() + seconds).to_string();
    let refused = Err(is(400, "BadExpiration"));
    let ask = async |exp: &str, lxm: Option<&str>| {
        let mut params = vec![("aud", "did:web:127.0.0.1"), ("exp", exp)];
        params.extend(lxm.map(|lxm| ("lxm", lxm)));
        vouched(&world, &params).await.map(|_| ())
    };
    assert_eq!(ask(&exp(-1), Some(BLOB)).await, refused);
    assert_eq!(ask(&exp(3_700), Some(BLOB)).await, refused);
    assert_eq!(ask(&exp(90), None).await, refused);
    assert!(ask(&exp(1_800), Some(BLOB)).await.is_ok());

    let token = async |aud: &str, lxm: &str| {
        let expires = exp(1_800);
        vouched(&world, &[("aud", aud), ("lxm", lxm), ("exp", &expires)])
            .await
            .unwrap()
    };
    let pds = "did:web:127.0.0.1";
    let good = token(pds, BLOB).await;
    let mp4 = "video/mp4";
    assert_eq!(upload(&world, &good, DID, mp4).await.status, 200);
    for (token, did, kind, wanted) in [
        (
            token("did:web:video.bsky.app", BLOB).await,
            DID,
            mp4,
            is(401, "BadJwtAudience"),
        ),
        (
            token(pds, UPLOAD).await,
            DID,
            mp4,
            is(401, "BadJwtLexiconMethod"),
        ),
        (world.tokens.access.clone(), DID, mp4, is(401, "BadJwt")),
        (
            good.clone(),
            "did:web:bob.test",
            mp4,
            is(400, "InvalidRequest"),
        ),
        (good.clone(), DID, "video/webm", is(400, "InvalidRequest")),
        // The same bytes once more.
        (good.clone(), DID, mp4, is(409, "already_exists")),
    ] {
        assert_eq!(refusal(&upload(&world, &token, did, kind).await), wanted);
    }
    world.server.clock().advance(Duration::from_secs(1_801));
    let late = upload(&world, &good, DID, mp4).await;
    assert_eq!(refusal(&late), is(401, "JwtExpired"));
}

#[tokio::test]
async fn a_job_goes_through_its_states_by_the_clock_and_names_its_blob() {
    let world = World::open().await;
    let expires = (world.now().timestamp() + 1_800).to_string();
    let params = [
        ("aud", "did:web:127.0.0.1"),
        ("lxm", BLOB),
        ("exp", &expires),
    ];
    let token = vouched(&world, &params).await.unwrap();
    let begun: Value = upload(&world, &token, DID, "video/mp4")
        .await
        .json()
        .unwrap();
    let id = begun["jobId"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    for _ in 0..9 {
        let answer = world.get(STATUS, &[("jobId", &id)]).await;
        let status = answer.json::<Value>().unwrap()["jobStatus"].clone();
        seen.push(status["state"].as_str().unwrap().to_owned());
        if status["blob"].is_object() {
            assert_eq!(status["blob"]["mimeType"], "video/mp4");
        }
        world.server.clock().advance(Duration::from_secs(1));
    }
    seen.dedup();
    let expected = [
        "CREATED",
        "ENCODING",
        "ENCODED",
        "SCANNING",
        "SCANNED",
        "UPLOADING",
        "UPLOADED",
        "COMPLETED",
    ];
    assert_eq!(seen, expected.map(|word| format!("JOB_STATE_{word}")));
    let unknown = world.get(STATUS, &[("jobId", "job-99")]).await;
    assert_eq!(refusal(&unknown), is(400, "InvalidRequest"));
}

/// A post with a video.
fn post(world: &World) -> Post {
    Post {
        media: vec![world.files.mp4("med_1", 50_000)],
        ..text("a film")
    }
}

/// Everything that a broken server answers, and nothing that hangs longer than a claim may last.
fn nonsense() -> [Fault; 7] {
    [
        Fault::Html,
        Fault::Empty,
        Fault::HugeAnswer,
        Fault::TrickleAnswer,
        Fault::CutBefore,
        Fault::CutMidBody,
        Fault::Hang {
            until_released: false,
        },
    ]
}

#[tokio::test]
async fn nonsense_from_any_of_the_servers_is_tried_again_and_never_hangs() {
    for call in [VOUCH, LIMITS, UPLOAD, STATUS] {
        for fault in nonsense() {
            let world = World::open().await;
            let (post, marks) = (post(&world), Marks::default());
            let mut turn = world.turn(&post, &marks);
            if call == STATUS {
                let Progress::Pending { checkpoint, .. } = turn.publish().await.unwrap() else {
                    panic!("done at once");
                };
                turn.checkpoint = Some(checkpoint);
            }
            world.server.faults().arm(call, fault.clone(), 1);
            turn.deadline = Deadline::after(Duration::from_millis(1_500));
            let failure = turn.publish().await.unwrap_err();
            assert_eq!(
                failure.class,
                Class::Transient,
                "{call} {fault:?}: {failure}"
            );
            assert!(marks.last().is_none());
            world.server.faults().clear();
            turn.deadline = crate::kit::soon();
            assert!(turn.publish().await.is_ok(), "{call} {fault:?}");
        }
    }
}

#[tokio::test]
async fn each_refusal_of_the_service_has_its_class() {
    let error = |status, error: &str| answers(status, json!({ "error": error, "message": "why" }));
    for (fault, class, rule) in [
        (
            error(413, "PayloadTooLarge"),
            Class::Rejected,
            "bluesky.media.video_size_max",
        ),
        (
            error(400, "UnsupportedContentType"),
            Class::Rejected,
            "bluesky.video.upload_failed",
        ),
        (
            error(400, "DailyLimitExceeded"),
            Class::Transient,
            "bluesky.video.quota_exhausted",
        ),
        (
            error(401, "unconfirmed_email"),
            Class::Rejected,
            "bluesky.video.email_unconfirmed",
        ),
        (
            error(401, "JwtExpired"),
            Class::Transient,
            "bluesky.video.upload_failed",
        ),
        (
            error(503, "ServiceOverloaded"),
            Class::Transient,
            "bluesky.video.upload_failed",
        ),
        (
            error(409, "something_else"),
            Class::Transient,
            "bluesky.video.upload_failed",
        ),
        (
            Fault::Status {
                status: 429,
                body: json!({ "error": "RateLimitExceeded" }),
                headers: vec![("retry-after".to_owned(), "120".to_owned())],
            },
            Class::RateLimited,
            "bluesky.video.upload_failed",
        ),
    ] {
        let world = World::open().await;
        let (post, marks) = (post(&world), Marks::default());
        world.server.faults().arm(UPLOAD, fault.clone(), 1);
        let failure = world.turn(&post, &marks).publish().await.unwrap_err();
        assert_eq!(failure.class, class, "{fault:?}");
        assert_eq!(failure.rule.as_deref(), Some(rule), "{fault:?}");
        if class == Class::RateLimited {
            assert_eq!(failure.retry_in, Some(Duration::from_mins(2)));
        }
    }
}

#[tokio::test]
async fn both_shapes_of_a_job_are_read_and_a_busy_service_is_asked_later() {
    let world = World::open().await;
    let (post, marks) = (post(&world), Marks::default());
    let wrapped =
        json!({ "jobStatus": { "jobId": "job-9", "did": DID, "state": "JOB_STATE_CREATED" } });
    world.server.faults().arm(UPLOAD, answers(200, wrapped), 1);
    let Progress::Pending { checkpoint, .. } = world.turn(&post, &marks).publish().await.unwrap()
    else {
        panic!("done at once");
    };
    assert_eq!(checkpoint.body["job"], "job-9");
    let busy = Fault::Status {
        status: 429,
        body: json!({ "error": "RateLimitExceeded" }),
        headers: vec![("retry-after".to_owned(), "45".to_owned())],
    };
    world.server.faults().arm(STATUS, busy, 1);
    let mut turn = world.turn(&post, &marks);
    turn.checkpoint = Some(checkpoint);
    let Progress::Pending { poll_after, .. } = turn.publish().await.unwrap() else {
        panic!("done at once");
    };
    assert_eq!(poll_after, Duration::from_secs(45));
}

/// A file that exists only while it is read, and counts how much of it was asked for.
struct Spring {
    pieces: usize,
    piece: Bytes,
    asked: AtomicUsize,
}

#[async_trait]
impl MediaReader for Spring {
    async fn open(&self, _media: &Media) -> Result<MediaStream, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (pieces, piece) = (self.pieces, self.piece.clone());
        let head = Bytes::from_static(b"\0\0\0\x20ftypisom");
        let rest = (0..pieces).map(move |_| Ok(piece.clone()));
        Ok(stream::iter(std::iter::once(Ok(head)).chain(rest)).boxed())
    }

    async fn read(&self, media: &Media, _bytes_max: usize) -> Result<Bytes, Failure> {
        Err(Failure::rejected(
            "test.read_whole",
            format!("{} was read whole", media.id),
        ))
    }
}

#[tokio::test]
async fn a_video_is_streamed_and_never_read_whole() {
    let world = World::open().await;
    let piece = Bytes::from(vec![9; 64 * 1024]);
    let spring = Spring {
        pieces: 320,
        piece,
        asked: AtomicUsize::new(0),
    };
    let size = 12 + 320 * 64 * 1024;
    let media = Media {
        size_bytes: size,
        ..world.files.mp4("med_spring", 12)
    };
    let post = Post {
        media: vec![media],
        ..text("a spring")
    };
    let marks = Marks::default();
    let mut turn = world.turn(&post, &marks);
    turn.media = Some(&spring);
    assert!(matches!(
        turn.publish().await.unwrap(),
        Progress::Pending { .. }
    ));
    assert_eq!(spring.asked.load(Ordering::SeqCst), 1);
    let limits = world.pds.video_bytes_used(DID);
    assert_eq!(limits, i64::try_from(size).unwrap());
}
