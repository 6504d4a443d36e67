//! Finding an account by its handle or DID, on any host, and not being led astray.

use crate::kit::{DID, HANDLE, PASSWORD, World, answers, connector_at, entered, soon};
use connector_bluesky::{FakeAccount, FakePds, fake};
use publisher::{
    Class, Connector, Deadline, EgressAllow, Failure, Grant, Http, HttpConfig,
    fake::{FakeServer, Fault},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const CREATE: &str = "com.atproto.server.createSession";
const RESOLVE: &str = "com.atproto.identity.resolveHandle";
const CAROL: &str = "did:plc:carolnxzyoun6zhxrhs64oi2";

/// Carol's own PDS beside the entryway, and a connector that may reach both.
struct Elsewhere {
    world: World,
    pds: Arc<FakePds>,
    server: FakeServer,
    connector: Connector,
}

impl Elsewhere {
    async fn open() -> Self {
        let world = World::open().await;
        let pds = fake(vec![FakeAccount {
            handle: "carol.test".to_owned(),
            did: CAROL.to_owned(),
            password: PASSWORD.to_owned(),
        }]);
        let server = FakeServer::start(pds.clone(), None).await.unwrap();
        let http = Http::new(HttpConfig {
            egress_allow: vec![EgressAllow(world.server.addr()), EgressAllow(server.addr())],
            ..HttpConfig::default()
        })
        .unwrap();
        // Her handle is known to her own host alone.
        let connector = connector_at(&http, &world.server.url(), &server.url());
        Self {
            world,
            pds,
            server,
            connector,
        }
    }

    fn origin(&self) -> String {
        self.server.url().origin().ascii_serialization()
    }

    async fn connect(&self, identifier: &str) -> Result<Grant, Failure> {
        let form = entered(identifier, PASSWORD, None);
        let now = self.world.now();
        let granted = self.connector.authorizer.complete(&form, now, soon()).await;
        granted.map(|mut grants| grants.remove(0))
    }
}

fn document(did: &str, handle: &str, home: &str) -> Value {
    json!({ "id": did, "alsoKnownAs": [format!("at://{handle}")], "service": [{
        "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": home,
    }] })
}

#[tokio::test]
async fn a_handle_alone_finds_the_pds_on_any_host() {
    let at = Elsewhere::open().await;
    let hers = document(CAROL, "carol.test", &at.origin());
    at.world.pds.set_document(CAROL, hers);
    for identifier in ["@Carol.test", CAROL] {
        let grant = at.connect(identifier).await.unwrap();
        assert_eq!(grant.platform_account_id, CAROL);
        assert_eq!(grant.profile, json!({ "pds": at.origin() }));
        assert_eq!(grant.handle.as_deref(), Some("carol.test"));
    }
}

#[tokio::test]
async fn a_did_web_is_read_from_its_own_host() {
    let at = Elsewhere::open().await;
    let port = at.server.addr().port();
    let did = format!("did:web:localhost%3A{port}");
    at.pds.add_account(FakeAccount {
        handle: "dora.test".to_owned(),
        did: did.clone(),
        password: PASSWORD.to_owned(),
    });
    let grant = at.connect(&did).await.unwrap();
    assert_eq!(grant.platform_account_id, did);
    let home = format!("http://localhost:{port}");
    assert_eq!(grant.profile, json!({ "pds": home }));
}

#[tokio::test]
async fn both_sides_must_agree_before_a_password_is_sent_anywhere() {
    let at = Elsewhere::open().await;
    let named = |handle: &str| document(CAROL, handle, &at.origin());
    let cases = [
        (named("mallory.test"), "does not claim"),
        (Value::Null, "does not exist"),
        (
            json!({ "id": CAROL, "alsoKnownAs": ["at://carol.test"] }),
            "names no PDS",
        ),
    ];
    at.server.faults().arm(CREATE, Fault::CutBefore, 1);
    at.world.server.faults().arm(CREATE, Fault::CutBefore, 1);
    for (written, why) in cases {
        at.world.pds.set_document(CAROL, written);
        at.world.server.clock().advance(Duration::from_mins(10));
        let failure = at.connect("carol.test").await.unwrap_err();
        assert_eq!(failure.class, Class::Rejected, "{failure}");
        assert_eq!(failure.rule.as_deref(), Some("bluesky.connect.identifier"));
        assert!(failure.message.contains(why), "{failure}");
        assert!(failure.remediation.is_some());
    }
    let nobody = at.connect("nobody.test").await.unwrap_err();
    assert_eq!(nobody.class, Class::Rejected);
    assert!(nobody.message.contains("no account nobody.test"));
    let left = at.server.faults().left() + at.world.server.faults().left();
    assert_eq!(left, 2, "nobody was asked to log in");
}

#[tokio::test]
async fn a_pds_that_answers_with_somebody_else_connects_nobody() {
    let at = Elsewhere::open().await;
    at.world
        .pds
        .set_document(CAROL, document(CAROL, "carol.test", &at.origin()));
    let session = json!({
        "accessJwt": "a", "refreshJwt": "b", "handle": "ada.test", "did": DID,
    });
    at.server.faults().arm(CREATE, answers(200, session), 1);
    let failure = at.connect("carol.test").await.unwrap_err();
    assert_eq!(failure.class, Class::AccountBlocked);
    assert_eq!(failure.code, "bluesky.create_session.other_account");
}

#[tokio::test]
async fn a_document_cannot_lead_to_an_address_that_is_not_public() {
    let at = Elsewhere::open().await;
    for home in [
        "http://10.0.0.1",
        "https://169.254.169.254",
        "http://127.0.0.1:1",
        "https://[::1]",
    ] {
        at.world
            .pds
            .set_document(CAROL, document(CAROL, "carol.test", home));
        at.world.server.clock().advance(Duration::from_mins(10));
        let failure = at.connect("carol.test").await.unwrap_err();
        assert_eq!(failure.class, Class::Transient, "{home}: {failure}");
        assert!(
            failure.message.contains("refused before sending"),
            "{failure}"
        );
    }
    // Neither can a DID of its own making.
    for did in ["did:web:localhost%3A1", "did:web:10.0.0.1", "did:key:z6Mk"] {
        let failure = at.connect(did).await.unwrap_err();
        assert!(
            matches!(failure.class, Class::Transient | Class::Rejected),
            "{did}: {failure}"
        );
    }
}

#[tokio::test]
async fn nonsense_from_a_directory_is_bounded_and_tried_again() {
    let world = World::open().await;
    // So late that nothing is remembered.
    world.server.clock().advance(Duration::from_hours(1));
    let connect = async || {
        let form = entered(HANDLE, PASSWORD, None);
        let deadline = Deadline::after(Duration::from_millis(1_500));
        let now = world.now();
        world
            .connector
            .authorizer
            .complete(&form, now, deadline)
            .await
    };
    for fault in [
        Fault::Html,
        Fault::Empty,
        Fault::HugeAnswer,
        Fault::TrickleAnswer,
        Fault::CutBefore,
        Fault::Hang {
            until_released: false,
        },
        answers(200, json!({ "id": "did:plc:somebodyelse", "service": [] })),
        answers(200, json!([])),
        answers(503, json!({})),
    ] {
        world.server.faults().arm(DID, fault.clone(), 1);
        let failure = connect().await.unwrap_err();
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (Class::Transient, "bluesky.identity.unreachable"),
            "{fault:?}: {failure}"
        );
        assert!(failure.remediation.unwrap().contains("pdsUrl"));
        world.server.faults().clear();
    }
    world.server.clock().advance(Duration::from_hours(1));
    // Who resolves handles is asked first; the handle's own host is the other way.
    for fault in [Fault::Html, Fault::HugeAnswer, Fault::CutBefore] {
        world.server.faults().arm(RESOLVE, fault.clone(), 1);
        assert!(connect().await.is_ok(), "{fault:?}");
        world.server.faults().arm(RESOLVE, fault, 1);
        let hosts = "/.well-known/atproto-did";
        world.server.faults().arm(hosts, Fault::HugeAnswer, 1);
        assert_eq!(connect().await.unwrap_err().class, Class::Transient);
    }
}
