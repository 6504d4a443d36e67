//! Connecting an account.

use crate::kit::{DID, HANDLE, PASSWORD, World, answers, entered, soon};
use publisher::{
    Class::{self, AccountBlocked, RateLimited, Rejected, Transient},
    Failure, Form, Grant,
    fake::Fault,
};
use secrecy::ExposeSecret as _;
use serde_json::json;

const CREATE: &str = "com.atproto.server.createSession";

async fn connect(
    world: &World,
    identifier: &str,
    password: &str,
    pds: Option<&str>,
) -> Result<Grant, Failure> {
    let entered = entered(identifier, password, pds);
    world
        .connector
        .authorizer
        .complete(&entered, world.now(), soon())
        .await
        .map(|mut grants| grants.remove(0))
}

#[tokio::test]
async fn a_form_asks_for_what_completing_needs() {
    let world = World::open().await;
    let Form { help_text, fields } = world.connector.authorizer.form().unwrap();
    let fields: Vec<_> = fields
        .iter()
        .map(|field| (field.name, field.input, field.required))
        .collect();
    assert_eq!(
        fields,
        [
            ("identifier", "text", true),
            ("appPassword", "password", true),
            ("pdsUrl", "url", false)
        ]
    );
    assert!(help_text.contains("app password"));
}

#[tokio::test]
async fn a_grant_names_the_account_its_pds_and_when_the_token_ends() {
    let world = World::open().await;
    let grant = connect(&world, "@Ada.Test", PASSWORD, None).await.unwrap();
    assert_eq!(grant.platform_account_id, DID);
    assert_eq!(
        (grant.handle.as_deref(), grant.display_name.as_deref()),
        (Some(HANDLE), Some(HANDLE))
    );
    let pds = world.server.url();
    assert_eq!(
        grant.profile,
        json!({ "pds": pds.as_str().trim_end_matches('/') })
    );
    let life = (grant.tokens.expires_at.unwrap() - world.now()).num_minutes();
    assert!((118..=120).contains(&life), "{life}");
    assert_eq!(grant.tokens.others["appPassword"].expose_secret(), PASSWORD);
    assert!(!format!("{grant:?}").contains("eyJ") && !format!("{grant:?}").contains(PASSWORD));
}

#[tokio::test]
async fn a_named_pds_is_used_whatever_the_document_says() {
    let world = World::open().await;
    let session = json!({
        "accessJwt": "a", "refreshJwt": "b", "handle": "handle.invalid", "did": DID,
        "didDoc": { "service": [{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.test" }] },
    });
    world
        .server
        .faults()
        .arm(CREATE, answers(200, session.clone()), 2);
    let own = world.server.url();
    let named = connect(&world, HANDLE, PASSWORD, Some(own.as_str()))
        .await
        .unwrap();
    assert_eq!(
        named.profile,
        json!({ "pds": own.as_str().trim_end_matches('/'), "named": true })
    );
    assert_eq!(
        (
            named.handle,
            named.display_name.as_deref(),
            named.tokens.expires_at
        ),
        (None, Some(DID), None)
    );
    // Of who enters an e-mail address, nothing but the session tells where they live.
    let found = connect(&world, "ada@example.com", PASSWORD, None).await;
    assert_eq!(found.unwrap().profile, json!({ "pds": "https://pds.test" }));
}

#[tokio::test]
async fn refused_credentials_say_what_to_do() {
    let world = World::open().await;
    for (identifier, password) in [(HANDLE, "wrong-wrong-wrong"), ("me@nowhere.test", PASSWORD)] {
        let failure = connect(&world, identifier, password, None)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.http_status),
            (AccountBlocked, Some(401))
        );
        assert!(failure.remediation.unwrap().contains("App Passwords"));
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused_without_a_call() {
    let world = World::open().await;
    world.server.faults().arm("*", Fault::CutBefore, 1);
    for (identifier, password, pds, rule) in [
        ("", PASSWORD, None, "bluesky.connect.identifier"),
        ("ada", PASSWORD, None, "bluesky.connect.identifier"),
        (HANDLE, "", None, "bluesky.connect.app_password"),
        (HANDLE, "SECRET1", None, "bluesky.connect.app_password"),
        (
            HANDLE,
            PASSWORD,
            Some("pds.test"),
            "bluesky.connect.pds_url",
        ),
        (
            HANDLE,
            PASSWORD,
            Some("https://u:p@pds.test"),
            "bluesky.connect.pds_url",
        ),
        (
            HANDLE,
            PASSWORD,
            Some("https://pds.test/xrpc/"),
            "bluesky.connect.pds_url",
        ),
    ] {
        let failure = connect(&world, identifier, password, pds)
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.rule.as_deref()),
            (Rejected, Some(rule)),
            "{failure}"
        );
        assert!(failure.remediation.is_some() && !format!("{failure:?}").contains(PASSWORD));
    }
    assert_eq!(world.server.faults().left(), 1);
}

#[tokio::test]
async fn each_refusal_of_a_login_has_its_class() {
    let world = World::open().await;
    let rows: [(Fault, Class, &str); 6] = [
        (
            answers(401, json!({ "error": "AuthFactorTokenRequired" })),
            AccountBlocked,
            "bluesky.create_session.second_factor",
        ),
        (
            answers(401, json!({ "error": "AccountTakedown" })),
            AccountBlocked,
            "bluesky.create_session.account_taken_down",
        ),
        (
            answers(429, json!({ "error": "RateLimitExceeded" })),
            RateLimited,
            "bluesky.create_session.rate_limited",
        ),
        (
            answers(503, json!({ "error": "NotEnoughResources" })),
            Transient,
            "bluesky.create_session.unavailable",
        ),
        (
            Fault::Html,
            Transient,
            "bluesky.create_session.answer_unreadable",
        ),
        (
            Fault::CutBefore,
            Transient,
            "bluesky.create_session.no_answer",
        ),
    ];
    for (fault, class, code) in rows {
        world.server.faults().arm(CREATE, fault, 1);
        let failure = connect(&world, HANDLE, PASSWORD, None).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (class, code));
    }
}

#[tokio::test]
async fn a_named_pds_that_is_not_reached_is_a_mistake_or_an_outage() {
    let world = World::open().await;
    for address in ["http://127.0.0.1:1", "https://10.0.0.1"] {
        let failure = connect(&world, HANDLE, PASSWORD, Some(address))
            .await
            .unwrap_err();
        assert_eq!(
            (failure.class, failure.rule.as_deref()),
            (Rejected, Some("bluesky.connect.pds_url")),
            "{failure}"
        );
        assert!(failure.remediation.unwrap().contains("https://"));
    }
    let pds = world.server.url();
    world.server.faults().arm(CREATE, Fault::CutBefore, 1);
    let failure = connect(&world, HANDLE, PASSWORD, Some(pds.as_str()))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (Transient, "bluesky.create_session.no_answer")
    );
    assert!(failure.remediation.unwrap().contains("pdsUrl"));
}

#[tokio::test]
async fn an_account_that_is_down_is_not_connected() {
    let world = World::open().await;
    world.pds.set_status(DID, Some("deactivated"));
    let failure = connect(&world, HANDLE, PASSWORD, None).await.unwrap_err();
    assert_eq!(
        (failure.class, failure.code.as_str()),
        (AccountBlocked, "bluesky.account.inactive")
    );
    assert!(failure.message.contains("deactivated"));
    world.pds.set_status(DID, Some("takendown"));
    assert_eq!(
        connect(&world, HANDLE, PASSWORD, None)
            .await
            .unwrap_err()
            .class,
        AccountBlocked
    );
    world.pds.set_status(DID, None);
    assert!(connect(&world, HANDLE, PASSWORD, None).await.is_ok());
}

#[tokio::test]
async fn a_login_host_that_is_no_origin_is_refused_at_start() {
    let world = World::open().await;
    for name in ["bluesky", "bluesky.plc", "bluesky.video"] {
        let address = "https://pds.test/path".parse().unwrap();
        let addresses = [(name.to_owned(), address)].into();
        let error = connector_bluesky::connector(&publisher::Setup {
            addresses,
            ..publisher::Setup::new(world.http.clone())
        })
        .unwrap_err();
        assert!(error.to_string().contains("without a path"), "{error}");
    }
}
