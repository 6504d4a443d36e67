//! A whole Postrider in one process: database, vault, toys, client and as many workers as a test wants.

use engine::{
    AcceptError, Acceptance, Client, ClientConfig, ConnectRequest, Library, LibraryLimits, Runtime,
    RuntimeConfig, Stop, Submission, Target,
};
use publisher::fake::FakeServer;
use publisher::id::{BatchId, OrgId, ProfileId};
use publisher::toys::{self, ToyTimes};
use publisher::{Entered, Http, HttpConfig, Registry, Setup};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;
use store::testing::TestDatabase;
use store::{AccountRow, PostRow, Store};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use vault::{Keyring, Vault};

/// Times short enough for tests; their ratios are those of production.
pub(crate) fn toy_times() -> ToyTimes {
    ToyTimes {
        call_deadline: Duration::from_millis(1000),
        quiet: Duration::from_millis(500),
        late_quiet: Duration::from_millis(1500),
        visible_after: Duration::from_millis(1000),
        container_takes: Duration::from_millis(100),
        ..ToyTimes::default()
    }
}

pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) fake: FakeServer,
    pub(crate) org: OrgId,
    pub(crate) profile: ProfileId,
    vault: Vault,
    registry: Registry,
    library: Library,
    tasks: TaskTracker,
    stop_waiting: tokio_util::sync::CancellationToken,
}

/// A worker inside the test's process.
pub(crate) struct Worker {
    pub(crate) stop: Stop,
    running: JoinHandle<()>,
}

impl Worker {
    /// Drains and waits for the end.
    pub(crate) async fn drain(self) {
        self.stop.drain.cancel();
        self.running.await.unwrap();
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(toy_times()).await
    }

    pub(crate) async fn open_with(times: ToyTimes) -> Self {
        let database = TestDatabase::create().await;
        let fake = toys::server(times, None).await.unwrap();
        let http = Http::new(HttpConfig {
            egress_allow: vec![publisher::EgressAllow(fake.addr())],
            ..HttpConfig::default()
        })
        .unwrap();
        let addresses =
            BTreeMap::from([("toys".to_owned(), fake.url().to_string().parse().unwrap())]);
        let setup = Setup {
            http,
            addresses,
            durations: BTreeMap::new(),
        };
        let registry = toys::connectors(&setup, times)
            .unwrap()
            .into_iter()
            .fold(Registry::default(), Registry::with);
        let vault =
            Vault::new(Keyring::parse("k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap());
        let dir =
            std::env::temp_dir().join(format!("postrider-test-{}", uuid::Uuid::now_v7().simple()));
        let library = Library::open(dir, LibraryLimits::default()).unwrap();
        let config = ClientConfig {
            wait: Duration::from_secs(10),
            ..ClientConfig::default()
        };
        let store = database.store.clone();
        let client = Client::new(
            store.clone(),
            vault.clone(),
            registry.clone(),
            library.clone(),
            config,
        );
        let tasks = TaskTracker::new();
        let stop_waiting = tokio_util::sync::CancellationToken::new();
        client.start_waiting(&tasks, stop_waiting.clone());
        let org = client.organisation("Test").await.unwrap().id;
        let profile = store.default_profile(org).await.unwrap().unwrap();
        Self {
            database,
            store,
            client,
            fake,
            org,
            profile,
            vault,
            registry,
            library,
            tasks,
            stop_waiting,
        }
    }

    /// Connects an account of a toy.
    pub(crate) async fn account(&self, platform: &str, name: &str) -> AccountRow {
        let entered = Entered(BTreeMap::from([
            ("identifier".to_owned(), name.to_owned().into()),
            ("password".to_owned(), format!("pw-{name}").into()),
        ]));
        let ask = ConnectRequest {
            org: self.org,
            profile: self.profile,
            platform,
            entered,
        };
        self.client.connect_account(ask).await.unwrap().account
    }

    /// Starts a worker with a short lease.
    pub(crate) fn worker(&self) -> Worker {
        self.worker_with(RuntimeConfig {
            lease: Duration::from_secs(3),
            poll: Duration::from_millis(200),
            ..RuntimeConfig::default()
        })
    }

    pub(crate) fn worker_with(&self, config: RuntimeConfig) -> Worker {
        let runtime = Runtime::new(
            self.store.clone(),
            self.vault.clone(),
            self.registry.clone(),
            self.library.clone(),
            config,
        );
        let stop = Stop::default();
        let running = self.tasks.spawn({
            let stop = stop.clone();
            async move { runtime.run(stop).await.unwrap() }
        });
        Worker { stop, running }
    }

    pub(crate) fn submission(&self, account: &AccountRow, text: &str) -> Submission {
        Submission {
            org: self.org,
            api_key: None,
            request_id: "test".to_owned(),
            remembered: None,
            scheduled_at: None,
            metadata: json!({}),
            warnings: vec![],
            targets: vec![Target {
                account: account.clone(),
                text: text.to_owned(),
                media: vec![],
                first_comment: None,
                options: json!({}),
                metadata: json!({}),
                publish_within: None,
                warnings: vec![],
            }],
        }
    }

    pub(crate) async fn accept(&self, account: &AccountRow, text: &str) -> BatchId {
        match self.client.accept(self.submission(account, text)).await {
            Ok(Acceptance::New { batch } | Acceptance::Known { batch }) => batch,
            Err(AcceptError::Preflight(violations)) => panic!("preflight: {violations:?}"),
            Err(error) => panic!("not accepted: {error}"),
        }
    }

    /// The only post of a batch, once it has its result; panics after half a minute.
    pub(crate) async fn result(&self, batch: BatchId) -> PostRow {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            let post = self
                .store
                .list_batch(self.org, batch)
                .await
                .unwrap()
                .remove(0);
            if !matches!(post.shown.as_str(), "queued" | "publishing") {
                return post;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "no result: {post:?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the shop: nothing may be broken.
    pub(crate) async fn close(self) {
        self.stop_waiting.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.fake.stop().await;
        self.database.close_clean().await;
    }
}
