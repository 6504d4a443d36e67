//! The OAuth room against a provider that keeps to the RFCs, through the connector of `toy_oauth`.

use crate::provider::{
    REDIRECT, SECRET, STATE, VERIFIER, World, account, app, assert_quiet, secret, soon,
};
use publisher::{
    Class, Start, TokenSet,
    fake::{Decision, FakeApp, Fault, Rotation},
};
use secrecy::ExposeSecret as _;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_consent_becomes_tokens_that_work_rotate_and_are_given_back() {
    let world = World::open().await;
    let grant = world.connect().await;
    assert_eq!(grant.platform_account_id, "ada");
    assert_eq!(grant.tokens.scopes, ["posts", "profile"]);
    assert!(world.is_live(&grant.tokens));
    let now = world.server.clock().now();
    let ends = grant.tokens.expires_at.unwrap() - now;
    assert!((3_590..=3_600).contains(&ends.num_seconds()), "{ends}");
    assert!(grant.tokens.refresh_expires_at.is_some());

    world.server.clock().advance(Duration::from_hours(2));
    assert!(!world.is_live(&grant.tokens));
    let fresh = world.refresh(&grant.tokens).await.unwrap();
    assert!(world.is_live(&fresh));
    let old = grant.tokens.refresh.as_ref().unwrap().expose_secret();
    assert_ne!(fresh.refresh.as_ref().unwrap().expose_secret(), old);

    let account = account();
    let revoked = world.authorizer().revoke(&account, &fresh, soon());
    revoked.await.unwrap();
    assert!(!world.is_live(&fresh));
    assert_eq!(world.toys.oauth().live(), 0);
    // What is gone is gone: no error.
    let again = world.authorizer().revoke(&account, &fresh, soon());
    again.await.unwrap();
}

#[tokio::test]
async fn a_code_works_once_and_its_replay_ends_what_it_gave() {
    let world = World::open().await;
    let code = world.consent().await["code"].clone();
    let grant = world.exchange(&code).await.unwrap().remove(0);
    let replay = world.exchange(&code).await.unwrap_err();
    assert_eq!(
        (replay.class, replay.rule.as_deref()),
        (Class::Rejected, Some("toy_oauth.connect.code"))
    );
    assert_quiet(&replay);
    assert!(!world.is_live(&grant.tokens));
    let dead = world.refresh(&grant.tokens).await.unwrap_err();
    assert_eq!(dead.class, Class::AccountBlocked);
    assert_quiet(&dead);
}

#[tokio::test]
async fn a_code_is_bound_to_verifier_redirect_and_time() {
    let world = World::open().await;
    let code = async || world.consent().await["code"].clone();
    let other = format!("{VERIFIER}x");
    let wrong = [
        world.exchange_with(&code().await, REDIRECT, &other).await,
        world
            .exchange_with(&code().await, "https://evil.example", VERIFIER)
            .await,
        world.exchange("toycode-guessed").await,
        {
            let late = code().await;
            world.server.clock().advance(Duration::from_mins(2));
            world.exchange(&late).await
        },
    ];
    for outcome in wrong {
        let failure = outcome.unwrap_err();
        assert_eq!(failure.class, Class::Rejected, "{failure}");
        assert_quiet(&failure);
    }
    let missing = world.exchange_with("x", REDIRECT, " ").await.unwrap_err();
    assert_eq!(
        missing.rule.as_deref(),
        Some("toy_oauth.connect.codeVerifier")
    );
}

#[tokio::test]
async fn what_the_person_says_is_told_apart() {
    let world = World::open().await;
    let oauth = world.toys.oauth();
    oauth.decide(Decision::Deny("access_denied".to_owned()));
    let denied = world.consent().await;
    assert_eq!(
        (denied["error"].as_str(), denied["state"].as_str()),
        ("access_denied", STATE)
    );
    assert!(!denied.contains_key("code"));

    let grant = |accounts: &[&str], scopes: Option<&[&str]>| Decision::Grant {
        accounts: accounts.iter().map(ToString::to_string).collect(),
        scopes: scopes.map(|all| all.iter().map(ToString::to_string).collect()),
    };
    oauth.decide(grant(&["ada"], Some(&["profile"])));
    let unticked = world.exchange(&world.consent().await["code"]).await;
    let unticked = unticked.unwrap_err();
    assert_eq!(unticked.rule.as_deref(), Some("toy_oauth.connect.scopes"));
    assert!(unticked.message.contains("posts"), "{unticked}");

    oauth.decide(grant(&["ada", "page"], None));
    let both = world
        .exchange(&world.consent().await["code"])
        .await
        .unwrap();
    let names: Vec<_> = both
        .iter()
        .map(|g| g.platform_account_id.as_str())
        .collect();
    assert_eq!(names, ["ada", "page"]);
    oauth.decide(grant(&[], None));
    let none = world
        .exchange(&world.consent().await["code"])
        .await
        .unwrap();
    assert!(none.is_empty());
}

#[tokio::test]
async fn a_refresh_token_rotates_with_a_grace_and_its_replay_kills_the_family() {
    for (grace, killed) in [(Duration::ZERO, true), (Duration::from_mins(5), false)] {
        let fake = FakeApp {
            rotation: Rotation::Rotates { grace },
            ..FakeApp::default()
        };
        let world = World::with(fake, Some(app(SECRET))).await;
        let grant = world.connect().await;
        let first = world.refresh(&grant.tokens).await.unwrap();
        let again = world.refresh(&grant.tokens).await;
        if killed {
            assert_eq!(again.unwrap_err().class, Class::AccountBlocked);
            assert!(!world.is_live(&first));
            assert_eq!(
                world.refresh(&first).await.unwrap_err().class,
                Class::AccountBlocked
            );
        } else {
            let again = again.unwrap();
            assert_eq!(
                again.refresh.as_ref().unwrap().expose_secret(),
                first.refresh.as_ref().unwrap().expose_secret()
            );
            world.server.clock().advance(Duration::from_mins(6));
            assert!(world.refresh(&grant.tokens).await.is_err());
            assert_eq!(world.toys.oauth().live(), 0);
        }
    }
    let keeps = FakeApp {
        rotation: Rotation::Keeps,
        ..FakeApp::default()
    };
    let world = World::with(keeps, Some(app(SECRET))).await;
    let grant = world.connect().await;
    for _ in 0..3 {
        world.refresh(&grant.tokens).await.unwrap();
    }
    assert_eq!(world.toys.oauth().refreshes(), 3);
    let none = TokenSet {
        refresh: None,
        ..grant.tokens
    };
    assert_eq!(
        world.refresh(&none).await.unwrap_err().code,
        "toy_oauth.refresh.none"
    );
}

#[tokio::test]
async fn an_app_that_is_refused_is_the_operators_trouble() {
    let world = World::with(FakeApp::default(), Some(app("another-secret"))).await;
    let refused = world.exchange(&world.consent().await["code"]).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.class, refused.code.as_str(), refused.http_status),
        (
            Class::OperatorBlocked,
            "toy_oauth.exchange.app_refused",
            Some(401)
        )
    );
    assert_quiet(&refused);
    assert!(!format!("{refused:?}").contains("another-secret"));

    let unregistered = World::with(FakeApp::default(), None).await;
    let start = Start {
        state: secret(STATE),
        verifier: secret(VERIFIER),
        redirect_uri: REDIRECT.to_owned(),
    };
    let none = unregistered.authorizer().begin(&start, soon()).await;
    assert_eq!(none.unwrap_err().code, "toy_oauth.app.none");
    let form = unregistered.authorizer().form();
    assert!(form.is_none());
}

#[tokio::test]
async fn nonsense_instead_of_tokens_is_nobodys_verdict() {
    let world = World::open().await;
    let status = |status, body| Fault::Status {
        status,
        body,
        headers: vec![],
    };
    let faults = [
        Fault::Html,
        Fault::Empty,
        Fault::HugeAnswer,
        Fault::CutBefore,
        Fault::CutAfter,
        status(503, json!("<html>")),
        status(
            200,
            json!({"access_token": ["toyacc"], "token_type": "Bearer"}),
        ),
        status(200, json!({"error": "server_error"})),
        status(400, json!({"error": "the code toycode-x was used"})),
    ];
    for fault in faults {
        let code = world.consent().await["code"].clone();
        world
            .server
            .faults()
            .arm("POST /toy_oauth/token", fault.clone(), 1);
        let failure = world.exchange(&code).await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{fault:?}: {failure}");
        assert_quiet(&failure);
    }
    let busy = Fault::Status {
        status: 429,
        body: json!({}),
        headers: vec![("retry-after".to_owned(), "7".to_owned())],
    };
    let grant = world.connect().await;
    world.server.faults().arm("POST /toy_oauth/token", busy, 1);
    let busy = world.refresh(&grant.tokens).await.unwrap_err();
    assert_eq!(
        (busy.class, busy.retry_in),
        (Class::RateLimited, Some(Duration::from_secs(7)))
    );
    // Nothing of this harmed the tokens.
    world.refresh(&grant.tokens).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_of_a_rotation_is_healed_only_within_the_grace() {
    let fake = FakeApp {
        rotation: Rotation::Rotates {
            grace: Duration::from_mins(1),
        },
        ..FakeApp::default()
    };
    let world = World::with(fake, Some(app(SECRET))).await;
    let grant = world.connect().await;
    world
        .server
        .faults()
        .arm("POST /toy_oauth/token", Fault::CutAfter, 1);
    let lost = world.refresh(&grant.tokens).await.unwrap_err();
    assert_eq!(lost.class, Class::Transient);
    let healed = world.refresh(&grant.tokens).await.unwrap();
    assert!(world.is_live(&healed));
}
