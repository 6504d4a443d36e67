//! An account that moves to another PDS: found, followed, and nothing lost.

use crate::kit::{DID, Marks, PASSWORD, World, connector_at, soon, text};
use connector_bluesky::{FakeAccount, FakePds, fake};
use publisher::{
    Class, EgressAllow, Evidence, Failure, Http, HttpConfig, Progress, Refreshed,
    fake::{FakeServer, Fault},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};

const PUT: &str = "com.atproto.repo.putRecord";

/// Ada's world, and the PDS that she will move to.
struct Two {
    world: World,
    pds: Arc<FakePds>,
    server: FakeServer,
}

impl Two {
    async fn open() -> Self {
        let mut world = World::open().await;
        let pds = fake(vec![]);
        let server = FakeServer::start(pds.clone(), None).await.unwrap();
        let http = Http::new(HttpConfig {
            egress_allow: vec![EgressAllow(world.server.addr()), EgressAllow(server.addr())],
            ..HttpConfig::default()
        })
        .unwrap();
        world.connector = connector_at(&http, &world.server.url(), &world.server.url());
        Self { world, pds, server }
    }

    fn move_ada(&self) {
        self.world
            .pds
            .move_account(DID, &self.pds, &self.server.url());
    }

    fn origin(&self) -> String {
        self.server.url().origin().ascii_serialization()
    }

    async fn refresh(&self) -> Result<Refreshed, Failure> {
        let World {
            connector,
            account,
            tokens,
            ..
        } = &self.world;
        let now = self.world.now();
        connector
            .authorizer
            .refresh(account, tokens, now, soon())
            .await
    }
}

#[tokio::test]
async fn a_refresh_follows_the_account_and_brings_its_new_place() {
    let two = Two::open().await;
    let stayed = two.refresh().await.unwrap();
    assert_eq!(stayed.profile, None);
    two.move_ada();
    // The document is believed for a while; that the old PDS calls the account deactivated casts doubt on it.
    two.world.server.clock().advance(Duration::from_mins(6));
    let moved = two.refresh().await.unwrap();
    assert_eq!(moved.profile, Some(json!({ "pds": two.origin() })));

    let mut world = two.world;
    world.tokens = moved.tokens;
    world.account.profile = moved.profile.unwrap();
    let (post, marks) = (text("from the new place"), Marks::default());
    world.turn(&post, &marks).publish().await.unwrap();
    assert_eq!(two.server.ledger().effective("from the new place"), 1);
    assert_eq!(world.server.ledger().sends("from the new place"), 0);
}

#[tokio::test]
async fn the_document_is_read_again_every_day_although_nothing_fails() {
    let two = Two::open().await;
    assert!(two.refresh().await.unwrap().profile.is_none());
    two.move_ada();
    two.world.pds.set_status(DID, None);
    two.world.server.clock().advance(Duration::from_hours(23));
    assert!(two.refresh().await.unwrap().profile.is_none());
    two.world.server.clock().advance(Duration::from_hours(2));
    let moved = two.refresh().await.unwrap();
    assert_eq!(moved.profile, Some(json!({ "pds": two.origin() })));
}

#[tokio::test]
async fn a_pds_that_was_named_is_kept_while_it_works() {
    let mut two = Two::open().await;
    let home = two.world.server.url().origin().ascii_serialization();
    two.world.account.profile = json!({ "pds": home, "named": true });
    two.move_ada();
    two.world.pds.set_status(DID, None);
    two.world.server.clock().advance(Duration::from_hours(25));
    assert!(two.refresh().await.unwrap().profile.is_none());
    two.world.pds.set_status(DID, Some("deactivated"));
    let moved = two.refresh().await.unwrap();
    assert_eq!(moved.profile, Some(json!({ "pds": two.origin() })));
}

#[tokio::test]
async fn an_app_password_that_did_not_move_along_asks_for_a_person() {
    let two = Two::open().await;
    two.move_ada();
    two.pds.add_account(FakeAccount {
        handle: "ada.test".to_owned(),
        did: DID.to_owned(),
        password: format!("other-{PASSWORD}"),
    });
    two.world.server.clock().advance(Duration::from_mins(6));
    let failure = two.refresh().await.unwrap_err();
    assert_eq!(failure.class, Class::AccountBlocked);
    assert_eq!(failure.code, "bluesky.account.moved");
    assert!(failure.message.contains("127.0.0.1") && failure.remediation.is_some());
}

#[tokio::test]
async fn a_deactivated_account_that_has_not_moved_stays_blocked() {
    let two = Two::open().await;
    for status in ["deactivated", "suspended", "takendown"] {
        two.world.pds.set_status(DID, Some(status));
        let failure = two.refresh().await.unwrap_err();
        assert_eq!(failure.class, Class::AccountBlocked, "{status}");
        let (post, marks) = (text("no"), Marks::default());
        let failure = two.world.turn(&post, &marks).publish().await.unwrap_err();
        assert_eq!(failure.class, Class::AccountBlocked, "{status}");
    }
}

#[tokio::test]
async fn a_publish_at_the_old_place_asks_for_a_new_session_and_sends_nothing_twice() {
    let two = Two::open().await;
    two.move_ada();
    let (post, marks) = (text("on the move"), Marks::default());
    let failure = two.world.turn(&post, &marks).publish().await.unwrap_err();
    assert_eq!(failure.class, Class::Unauthorized);
    assert_eq!(failure.code, "bluesky.account.moved");
    let moved = two.refresh().await.unwrap();
    let mut world = two.world;
    world.tokens = moved.tokens;
    world.account.profile = moved.profile.unwrap();
    let mut turn = world.turn(&post, &marks);
    turn.checkpoint = marks.last();
    assert!(matches!(
        turn.publish().await.unwrap(),
        Progress::Published(_)
    ));
    assert_eq!(two.server.ledger().effective("on the move"), 1);
}

#[tokio::test]
async fn a_look_finds_the_post_where_the_account_lives_now() {
    let two = Two::open().await;
    let (post, marks) = (text("carried along"), Marks::default());
    two.world.server.faults().arm(PUT, Fault::CutAfter, 1);
    let mut turn = two.world.turn(&post, &marks);
    let cut = turn.publish().await.unwrap_err();
    assert_eq!(cut.class, Class::Ambiguous);
    two.move_ada();
    // The old PDS has nothing of the account any more.
    let gone = crate::kit::answers(400, json!({ "error": "RecordNotFound", "message": "" }));
    let get = "com.atproto.repo.getRecord";
    two.world.server.faults().arm(get, gone, 1);
    turn.checkpoint = marks.last();
    turn.sent_at = Some(turn.now);
    turn.now += chrono::TimeDelta::minutes(10);
    let found = turn.verify().await.unwrap();
    assert!(
        matches!(found, Evidence::Found(Progress::Published(_))),
        "{found:?}"
    );
}
