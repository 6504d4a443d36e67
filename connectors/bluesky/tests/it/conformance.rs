//! The conformance kit on Bluesky.

use crate::kit::{DID, HANDLE, PASSWORD, noise};
use bytes::Bytes;
use connector_bluesky::{FakeAccount, connector, fake};
use publisher::{
    Class::{
        self, AccountBlocked, Ambiguous, Duplicate, OperatorBlocked, RateLimited, Rejected, Stale,
        Transient, Unauthorized,
    },
    Scope,
    conformance::{
        Ignored,
        Phase::{self, Connect, Look, Publish, Refresh},
        Row, Shape, Subject, Violating, mp4, png,
    },
};
use publisher::{FirstComment, Media};
use serde_json::json;
use std::{sync::Arc, time::Duration};

const PUT: &str = "com.atproto.repo.putRecord";
const GET: &str = "com.atproto.repo.getRecord";
const UPLOAD: &str = "com.atproto.repo.uploadBlob";
const RESOLVE: &str = "com.atproto.identity.resolveHandle";
const LOGIN: &str = "com.atproto.server.createSession";
const REFRESH: &str = "com.atproto.server.refreshSession";

publisher::conformance!(subject);

fn subject() -> Subject {
    let pds = fake(vec![FakeAccount {
        handle: HANDLE.to_owned(),
        did: DID.to_owned(),
        password: PASSWORD.to_owned(),
    }]);
    let account = Arc::clone(&pds);
    Subject {
        addresses: vec!["bluesky", "bluesky.plc", "bluesky.video", "bluesky.handles"],
        entered: vec![
            ("identifier", HANDLE.to_owned()),
            ("appPassword", PASSWORD.to_owned()),
        ],
        irreversible: PUT,
        look: GET,
        refresh: REFRESH,
        shapes: shapes(),
        violating: violating(),
        ignored: vec![Ignored {
            post: Shape::text("unknown option", "hello")
                .options(json!({ "colour": "red" }))
                .post,
            codes: vec!["bluesky.options.unknown"],
        }],
        rows: rows(),
        unreachable: vec![
            (
                Stale,
                "what lies on the servers before a post is public is uploaded again, with the key that is kept",
            ),
            (
                OperatorBlocked,
                "accounts connect by app password; there is no app that could be at fault",
            ),
            (
                Duplicate,
                "a put of the same record is answered with the first one",
            ),
        ],
        revoke: Some(Arc::new(move || account.revoke_app_password(DID))),
        ..Subject::new(connector, pds)
    }
}

fn shapes() -> Vec<Shape> {
    let commented = {
        let mut shape = Shape::text("a thread with a comment", "one")
            .options(json!({ "langs": ["en"], "thread": [
                { "text": "two", "media": [{ "kind": "image", "mediaId": "further", "altText": "alternative-further" }] },
                { "text": "three" }] }))
            .attached(picture("further", 12, 9));
        shape.post.first_comment = Some(FirstComment {
            text: "four".to_owned(),
        });
        shape
    };
    vec![
        Shape::text("text", "hello, sky"),
        Shape::text("facets", "@ada.test and @nobody.test: example.com #sky"),
        Shape::text("an image", "look").with(picture("one", 20, 10)),
        Shape::text("four images", "")
            .with(picture("first", 10, 10))
            .with(picture("second", 20, 10))
            .with(picture("third", 30, 10))
            .with(picture("fourth", 40, 10)),
        commented,
        Shape::text("a video", "moving").with(mp4("film", 5_000)),
    ]
}

/// A real picture: what cannot be decoded is refused.
fn picture(id: &str, width: u32, height: u32) -> (Media, Bytes) {
    let bytes = Bytes::from(noise(id, width, height));
    let (media, _) = png(id, bytes.len());
    let media = Media {
        size_bytes: bytes.len() as u64,
        width: Some(width),
        height: Some(height),
        ..media
    };
    (media, bytes)
}

fn violating() -> Vec<Violating> {
    let many = Shape::text("many", "x".repeat(301)).options(json!({ "langs": ["no language"] }));
    let names = ["a", "b", "c", "d", "e"];
    let many = names
        .into_iter()
        .fold(many, |post, name| post.with(png(name, 100)));
    vec![
        Violating {
            post: many.post,
            rules: vec![
                "bluesky.text.max_graphemes",
                "bluesky.media.count_max",
                "bluesky.options.langs",
            ],
        },
        Violating {
            post: Shape::text("empty", " \n").post,
            rules: vec!["bluesky.text.non_empty"],
        },
    ]
}

fn rows() -> Vec<Row> {
    let row = |phase: Phase, route, status, error: &str, class: Class| {
        let body = json!({ "error": error, "message": "because" });
        Row::new(phase, route, status, body, class)
    };
    let limited = |phase, route| row(phase, route, 429, "RateLimitExceeded", RateLimited);
    let minutes = Duration::from_mins(15);
    vec![
        row(Publish, PUT, 400, "ExpiredToken", Unauthorized),
        row(Publish, PUT, 400, "InvalidToken", Unauthorized),
        row(Publish, PUT, 401, "AuthMissing", Unauthorized),
        row(Publish, PUT, 401, "AccountTakedown", AccountBlocked),
        row(Publish, PUT, 403, "ScopeMissingError", AccountBlocked),
        row(Publish, PUT, 400, "InvalidRequest", Rejected),
        row(Publish, PUT, 400, "InvalidSwap", Ambiguous).code("bluesky.put_record.key_taken"),
        row(Publish, PUT, 400, "BlobNotFound", Transient),
        row(Publish, PUT, 413, "PayloadTooLarge", Rejected),
        limited(Publish, PUT)
            .header("retry-after", "900")
            .header("ratelimit-policy", "5000;w=3600")
            .limit(minutes, Scope::Account),
        limited(Look, GET)
            .header("retry-after", "900")
            .header("ratelimit-policy", "3000;w=300")
            .limit(minutes, Scope::Host),
        row(Publish, PUT, 500, "InternalServerError", Ambiguous),
        row(Publish, PUT, 503, "NotEnoughResources", Ambiguous),
        row(Publish, UPLOAD, 400, "ExpiredToken", Unauthorized),
        row(Publish, UPLOAD, 413, "PayloadTooLarge", Rejected),
        row(Publish, UPLOAD, 500, "InternalServerError", Transient),
        limited(Publish, UPLOAD)
            .header("retry-after", "900")
            .limit(minutes, Scope::Account),
        row(Publish, RESOLVE, 502, "UpstreamFailure", Transient),
        row(Look, GET, 500, "InternalServerError", Transient),
        row(Look, GET, 400, "InvalidRequest", Rejected),
        row(Refresh, REFRESH, 500, "InternalServerError", Transient),
        row(Refresh, REFRESH, 401, "AccountTakedown", AccountBlocked),
        row(
            Connect,
            LOGIN,
            401,
            "AuthenticationRequired",
            AccountBlocked,
        ),
        row(
            Connect,
            LOGIN,
            401,
            "AuthFactorTokenRequired",
            AccountBlocked,
        )
        .code("bluesky.create_session.second_factor"),
        row(Connect, LOGIN, 503, "NotEnoughResources", Transient),
    ]
}
