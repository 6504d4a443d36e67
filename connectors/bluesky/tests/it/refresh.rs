//! Keeping a session alive, and ending it.

use crate::kit::{DID, Marks, PASSWORD, World, answers, soon, text};
use publisher::{
    Class::{AccountBlocked, RateLimited, Transient},
    Failure, TokenSet,
    fake::Fault,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::time::Duration;

const CREATE: &str = "com.atproto.server.createSession";
const REFRESH: &str = "com.atproto.server.refreshSession";

async fn refresh(world: &World, tokens: &TokenSet) -> Result<TokenSet, Failure> {
    world
        .connector
        .authorizer
        .refresh(&world.account, tokens, world.now(), soon())
        .await
        .map(|refreshed| refreshed.tokens)
}

fn later(world: &World, seconds: u64) {
    world.server.clock().advance(Duration::from_secs(seconds));
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_that_work_and_keeps_the_app_password() {
    let mut world = World::open().await;
    later(&world, 3 * 3_600);
    let fresh = refresh(&world, &world.tokens).await.unwrap();
    assert_ne!(
        fresh.access.expose_secret(),
        world.tokens.access.expose_secret()
    );
    assert!(fresh.expires_at > world.tokens.expires_at);
    assert_eq!(fresh.others["appPassword"].expose_secret(), PASSWORD);
    world.tokens = fresh;
    world
        .turn(&text("fresh"), &Marks::default())
        .publish()
        .await
        .unwrap();
}

#[tokio::test]
async fn two_workers_who_refresh_at_once_both_go_on() {
    let world = World::open().await;
    let first = refresh(&world, &world.tokens).await.unwrap();
    let second = refresh(&world, &world.tokens).await.unwrap();
    for tokens in [first, second] {
        assert!(refresh(&world, &tokens).await.is_ok());
    }
}

#[tokio::test]
async fn a_refresh_token_that_ended_leads_back_to_the_app_password() {
    let world = World::open().await;
    later(&world, 91 * 86_400);
    assert!(refresh(&world, &world.tokens).await.is_ok());
    let old = &world.tokens;
    refresh(&world, old).await.unwrap();
    later(&world, 3 * 3_600); // past the grace of an exchanged token
    assert!(refresh(&world, old).await.is_ok());
}

#[tokio::test]
async fn a_revoked_app_password_needs_a_person() {
    let world = World::open().await;
    world.pds.revoke_app_password(DID);
    let failure = refresh(&world, &world.tokens).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (
            AccountBlocked,
            "bluesky.refresh_session.app_password_revoked"
        )
    );
    assert!(
        failure
            .remediation
            .unwrap()
            .contains("connect the account again")
    );
    // The access token goes on until it ends: what is due in the meantime is still published.
    world
        .turn(&text("still"), &Marks::default())
        .publish()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_refresh_that_fails_for_now_marks_nobody() {
    let world = World::open().await;
    for (fault, class) in [
        (
            answers(500, json!({ "error": "InternalServerError" })),
            Transient,
        ),
        (
            answers(429, json!({ "error": "RateLimitExceeded" })),
            RateLimited,
        ),
        (Fault::CutAfter, Transient),
        (Fault::Html, Transient),
    ] {
        world.server.faults().arm(REFRESH, fault, 1);
        assert_eq!(
            refresh(&world, &world.tokens).await.unwrap_err().class,
            class
        );
    }
    world
        .server
        .faults()
        .arm(REFRESH, answers(400, json!({ "error": "ExpiredToken" })), 1);
    world.server.faults().arm(
        CREATE,
        answers(429, json!({ "error": "RateLimitExceeded" })),
        1,
    );
    assert_eq!(
        refresh(&world, &world.tokens).await.unwrap_err().class,
        RateLimited
    );
    assert!(refresh(&world, &world.tokens).await.is_ok());
}

#[tokio::test]
async fn an_account_taken_down_is_recognised_at_refresh() {
    let world = World::open().await;
    world.pds.set_status(DID, Some("takendown"));
    assert_eq!(
        refresh(&world, &world.tokens).await.unwrap_err().class,
        AccountBlocked
    );
    world.pds.set_status(DID, Some("deactivated"));
    assert_eq!(
        refresh(&world, &world.tokens).await.unwrap_err().code,
        "bluesky.account.inactive"
    );
}

#[tokio::test]
async fn the_session_of_another_account_is_not_adopted() {
    let world = World::open().await;
    let other = json!({ "accessJwt": "a", "refreshJwt": "b", "handle": "bob.test", "did": "did:web:bob.test" });
    world.server.faults().arm(REFRESH, answers(200, other), 1);
    let failure = refresh(&world, &world.tokens).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (AccountBlocked, "bluesky.refresh_session.other_account")
    );
}

#[tokio::test]
async fn a_revoked_session_is_forgotten_by_the_server() {
    let world = World::open().await;
    let revoke = || {
        world
            .connector
            .authorizer
            .revoke(&world.account, &world.tokens, soon())
    };
    revoke().await.unwrap();
    let url = world
        .server
        .url()
        .join("/xrpc/com.atproto.server.refreshSession")
        .unwrap();
    let answer = world
        .http
        .post(&url)
        .bearer(world.tokens.refresh.as_ref().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    revoke().await.unwrap();
    world.server.faults().arm(
        "com.atproto.server.deleteSession",
        answers(503, Value::Null),
        1,
    );
    assert_eq!(revoke().await.unwrap_err().class, Transient);
}
