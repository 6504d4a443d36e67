//! A whole installation for one test: a database, the fake platforms in the test's own process (real HTTP), real
//! `postrider` processes, and the engine's own door for accepting.
//!
//! Every fleet has a database, fakes, files and processes of its own, so tests and cells of a table do not meet; how many
//! exist at a time is bounded. All secrets of a fleet are constants of this file or carry [`MARK`], so that they can be
//! searched for.

mod processes;

use crate::times::Times;
use connector_bluesky::{FakeAccount, FakePds};
use engine::{
    Acceptance, Client, ClientConfig, ConnectRequest, Environment, Library, LibraryLimits,
    NewKeyRequest, Submission, Target, TargetMedia,
};
use publisher::{
    EgressAllow, Entered, Http, HttpConfig, MediaKind, Registry, Setup,
    fake::FakeServer,
    id::{OrgId, PostId, ProfileId},
    toys,
};
use secrecy::SecretString;
use serde_json::json;
use std::{
    sync::{Arc, LazyLock, atomic::AtomicUsize},
    time::Duration,
};
use store::{AccountRow, Store, testing::TestDatabase};
use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vault::{Keyring, Vault};

/// Every platform that these tests publish on.
pub(crate) const PLATFORMS: [&str; 5] =
    ["bluesky", "toy_list", "toy_late", "toy_blind", "toy_steps"];

/// Stands in everything of a fleet that is secret and that the fleet chooses itself.
pub(crate) const MARK: &str = "zqmark";

/// The app password of every account of the fake PDS.
pub(crate) const APP_PASSWORD: &str = "zqmark-aaaa-bbbb-cccc";

/// The password of every account of the toys.
pub(crate) const TOY_PASSWORD: &str = "zqmark-toy-password";

/// The master key of every fleet.
pub(crate) const MASTER_KEY: &str = "enFtYXJrLW1hc3Rlci1rZXktb2YtYWxsLWZsZWV0cyE=";

/// A PNG file.
pub(crate) const PICTURE: &[u8] = include_bytes!("../../src/demo/postcard.png");

/// How many fleets exist at a time.
const FLEETS_MAX: usize = 8;

/// The length of every worker's claims.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(FLEETS_MAX)));

/// An installation.
pub(crate) struct Fleet {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) pds: Arc<FakePds>,
    pub(crate) http: Http,
    pub(crate) vault: Vault,
    pub(crate) org: OrgId,
    profile: ProfileId,
    pds_server: FakeServer,
    toys: FakeServer,
    times: Times,
    /// Variables of every process beside the usual ones.
    pub(crate) extra: crate::process::Variables,
    dir: TempDir,
    started: AtomicUsize,
    _place: OwnedSemaphorePermit,
}

impl Fleet {
    pub(crate) async fn open() -> Self {
        Self::open_with(Times::default()).await
    }

    pub(crate) async fn open_with(times: Times) -> Self {
        Self::open_on(TestDatabase::create().await, times).await
    }

    /// An installation on a database of the test's choice.
    pub(crate) async fn open_on(database: TestDatabase, times: Times) -> Self {
        let place = Arc::clone(&PLACES).acquire_owned().await.unwrap();
        let toys = toys::server(times.toys(), None).await.unwrap();
        let pds = connector_bluesky::fake(["ada", "bob"].map(fake_account).into());
        let pds_server = FakeServer::start(Arc::clone(&pds) as _, None)
            .await
            .unwrap();
        let egress_allow = vec![EgressAllow(toys.addr()), EgressAllow(pds_server.addr())];
        let http = Http::new(HttpConfig {
            egress_allow,
            ..HttpConfig::default()
        })
        .unwrap();
        let bluesky = pds_server.url();
        let addresses = [
            ("bluesky", bluesky.clone()),
            ("bluesky.plc", bluesky.clone()),
            ("bluesky.video", bluesky),
            ("toys", toys.url()),
        ];
        let setup = Setup {
            addresses: addresses.map(|(name, url)| (name.to_owned(), url)).into(),
            durations: times
                .named()
                .map(|(name, ms)| (name.to_owned(), Duration::from_millis(ms)))
                .into(),
            ..Setup::new(http.clone())
        };
        let registry = toys::connectors(&setup, times.toys())
            .unwrap()
            .into_iter()
            .fold(Registry::default(), Registry::with)
            .with(connector_bluesky::connector(&setup).unwrap());
        let vault = Vault::new(Keyring::parse(&format!("k1:{MASTER_KEY}")).unwrap());
        let dir = TempDir::new().unwrap();
        let library = Library::open(dir.path().join("data"), LibraryLimits::default()).unwrap();
        let store = database.store.clone();
        let client = Client::new(
            store.clone(),
            vault.clone(),
            registry,
            library,
            ClientConfig::default(),
        );
        let org = client.organisation("Fleet").await.unwrap().id;
        let profile = store.default_profile(org).await.unwrap().unwrap();
        let started = AtomicUsize::default();
        Self {
            database,
            store,
            client,
            pds,
            http,
            vault,
            org,
            profile,
            pds_server,
            toys,
            times,
            extra: vec![],
            dir,
            started,
            _place: place,
        }
    }

    /// The fake that serves a platform.
    pub(crate) fn fake(&self, platform: &str) -> &FakeServer {
        if platform == "bluesky" {
            &self.pds_server
        } else {
            &self.toys
        }
    }

    /// Connects `ada` or `bob` of a platform, again if need be.
    pub(crate) async fn account(&self, platform: &str, name: &str) -> AccountRow {
        let ask = ConnectRequest {
            org: self.org,
            profile: self.profile,
            platform,
            entered: entered(platform, name),
        };
        self.client.connect_account(ask).await.unwrap().account
    }

    pub(crate) async fn api_key(&self) -> SecretString {
        let ask = NewKeyRequest {
            org: self.org,
            name: "tests",
            environment: Environment::Live,
            profile: None,
        };
        self.client.create_key(ask).await.unwrap().key
    }

    /// Accepts one post in a batch of its own: immediate, or scheduled for the next second.
    pub(crate) async fn accept(&self, account: &AccountRow, text: &str, scheduled: bool) -> PostId {
        let after = scheduled.then_some(Duration::from_secs(1));
        self.accept_with(account, text, vec![], after).await
    }

    /// Accepts one post in a batch of its own, with media of the library, to go so long from now.
    pub(crate) async fn accept_with(
        &self,
        account: &AccountRow,
        text: &str,
        media: Vec<TargetMedia>,
        after: Option<Duration>,
    ) -> PostId {
        let (_, now) = self.store.ping().await.unwrap();
        let target = Target {
            account: account.clone(),
            text: text.to_owned(),
            media,
            first_comment: None,
            options: json!({}),
            metadata: json!({}),
            publish_within: None,
            warnings: vec![],
        };
        let submission = Submission {
            org: self.org,
            api_key: None,
            request_id: "fleet".to_owned(),
            remembered: None,
            scheduled_at: after.map(|after| now + after),
            metadata: json!({}),
            warnings: vec![],
            targets: vec![target],
        };
        let (Acceptance::New { batch } | Acceptance::Known { batch }) =
            self.client.accept(submission).await.unwrap();
        self.store.list_batch(self.org, batch).await.unwrap()[0].id
    }

    /// Puts a picture into the library.
    pub(crate) async fn picture(&self) -> TargetMedia {
        let mut upload = self.client.library().begin(self.org).await.unwrap();
        upload.write(PICTURE).await.unwrap();
        let stored = upload.finish(&self.store, self.profile).await.unwrap();
        TargetMedia {
            id: stored.id,
            kind: MediaKind::Image,
            alt_text: Some("a postcard".to_owned()),
            captions: vec![],
        }
    }

    /// Ends it: nothing runs, no lease lives, no invariant is broken, no deadlock was counted, and no process said a secret.
    pub(crate) async fn close(self) {
        let running = self
            .database
            .count("select count(*) from jobs where state = 'running'")
            .await;
        let live = self
            .database
            .count("select count(*) from leases where until > clock_timestamp()")
            .await;
        assert_eq!(
            (running, live),
            (0, 0),
            "jobs running, leases alive\n{}",
            self.queue().await
        );
        for (path, said) in self.outputs() {
            let said = String::from_utf8_lossy(&said);
            let told = said
                .lines()
                .find(|line| line.contains(MARK) || line.contains(MASTER_KEY));
            assert!(
                told.is_none(),
                "{} tells a secret: {told:?}",
                path.display()
            );
        }
        self.pds_server.stop().await;
        self.toys.stop().await;
        self.database.close_clean().await;
    }
}

/// The DID of an account of the fake PDS.
pub(crate) fn did(name: &str) -> String {
    format!("did:plc:{name}7nxzyoun6zhxrhs64oiz1")
}

fn fake_account(name: &str) -> FakeAccount {
    FakeAccount {
        handle: format!("{name}.test"),
        did: did(name),
        password: APP_PASSWORD.to_owned(),
    }
}

/// What a person enters to connect `ada` or `bob`.
fn entered(platform: &str, name: &str) -> Entered {
    let (identifier, field, password) = match platform {
        "bluesky" => (format!("{name}.test"), "appPassword", APP_PASSWORD),
        _ => (name.to_owned(), "password", TOY_PASSWORD),
    };
    let fields = [("identifier", identifier), (field, password.to_owned())];
    Entered(
        fields
            .map(|(name, value)| (name.to_owned(), SecretString::from(value)))
            .into(),
    )
}
