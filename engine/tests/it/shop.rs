//! A whole Postrider in one process: database, vault, toys, client and as many workers as a test wants.
//!
//! Two clocks decide, the database's and the fake's; [`Shop::pass`] moves both, so that no test waits for a backoff or a
//! window. Every test ends with [`Shop::close`], which holds each post against what the platform really shows.

use crate::scripted::Script;
use crate::state::PATIENCE;
use chrono::TimeDelta;
use engine::{
    AcceptError, Acceptance, Client, ClientConfig, ConnectError, ConnectRequest, Library,
    LibraryLimits, Runtime, RuntimeConfig, Stop, Submission, Target,
};
use publisher::fake::FakeServer;
use publisher::id::{BatchId, OrgId, ProfileId};
use publisher::toys::{self, ToyPlatform, ToyTimes};
use publisher::{Entered, Http, HttpConfig, Registry, Setup};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::testing::TestDatabase;
use store::{AccountRow, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vault::{Keyring, Vault};

/// Times short enough for tests; their ratios are those of production. Tokens outlive every test that does not want to
/// see them expire.
pub(crate) fn toy_times() -> ToyTimes {
    ToyTimes {
        call_deadline: Duration::from_secs(1),
        quiet: Duration::from_millis(500),
        late_quiet: Duration::from_millis(1500),
        visible_after: Duration::from_secs(1),
        container_takes: Duration::from_millis(100),
        token_lives: Duration::from_hours(1000),
        ..ToyTimes::default()
    }
}

/// A worker's configuration with a short lease.
pub(crate) fn quick() -> RuntimeConfig {
    RuntimeConfig {
        lease: Duration::from_secs(5),
        poll: Duration::from_millis(200),
        ..RuntimeConfig::default()
    }
}

pub(crate) struct Shop {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) fake: FakeServer,
    pub(crate) platform: Arc<ToyPlatform>,
    pub(crate) http: Http,
    pub(crate) org: OrgId,
    pub(crate) profile: ProfileId,
    pub(crate) tasks: TaskTracker,
    vault: Vault,
    registry: Registry,
    library: Library,
    stop_waiting: CancellationToken,
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
        self.ended().await;
    }

    /// Waits for the end of a worker that was told to stop.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .expect("a worker that was told to stop must end")
            .unwrap();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.running.is_finished()
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(toy_times()).await
    }

    pub(crate) async fn open_with(times: ToyTimes) -> Self {
        Self::build(times, None, ClientConfig::default()).await
    }

    /// Also serves the platform `scripted`, whose publisher does what a test says.
    pub(crate) async fn scripted() -> (Self, Arc<Script>) {
        let script = Arc::new(Script::default());
        let shop = Self::build(
            toy_times(),
            Some(Arc::clone(&script)),
            ClientConfig::default(),
        )
        .await;
        (shop, script)
    }

    pub(crate) async fn build(
        times: ToyTimes,
        script: Option<Arc<Script>>,
        client: ClientConfig,
    ) -> Self {
        let database = TestDatabase::create().await;
        let platform = Arc::new(ToyPlatform::new(times));
        let fake = FakeServer::start(platform.clone(), None).await.unwrap();
        let http = Http::new(HttpConfig {
            egress_allow: vec![publisher::EgressAllow(fake.addr())],
            ..HttpConfig::default()
        })
        .unwrap();
        let setup = Setup {
            addresses: BTreeMap::from([("toys".to_owned(), fake.url())]),
            ..Setup::new(http.clone())
        };
        let connectors = toys::connectors(&setup, times).unwrap();
        let scripted = script.map(|script| script.connector(&connectors[0], &setup));
        let registry = connectors
            .into_iter()
            .chain(scripted)
            .fold(Registry::default(), Registry::with);
        let vault =
            Vault::new(Keyring::parse("k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").unwrap());
        let dir =
            std::env::temp_dir().join(format!("postrider-test-{}", uuid::Uuid::now_v7().simple()));
        let library = Library::open(dir, LibraryLimits::default()).unwrap();
        let store = database.store.clone();
        let client = Client::new(
            store.clone(),
            vault.clone(),
            registry.clone(),
            library.clone(),
            client,
        );
        let tasks = TaskTracker::new();
        let stop_waiting = CancellationToken::new();
        client.start_waiting(&tasks, stop_waiting.clone());
        let org = client.organisation("Test").await.unwrap().id;
        let profile = store.default_profile(org).await.unwrap().unwrap();
        Self {
            database,
            store,
            client,
            fake,
            platform,
            http,
            org,
            profile,
            tasks,
            vault,
            registry,
            library,
            stop_waiting,
        }
    }

    /// A client of another store, of a process of its own as it were.
    pub(crate) fn client_on(&self, store: Store) -> Client {
        Client::new(
            store,
            self.vault.clone(),
            self.registry.clone(),
            self.library.clone(),
            ClientConfig::default(),
        )
    }

    /// Connects an account of a toy, or connects it again.
    pub(crate) async fn account(&self, platform: &str, name: &str) -> AccountRow {
        self.connect(platform, name).await.unwrap()
    }

    pub(crate) async fn connect(
        &self,
        platform: &str,
        name: &str,
    ) -> Result<AccountRow, ConnectError> {
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
        Ok(self.client.connect_account(ask).await?.account)
    }

    /// Starts a worker with a short lease.
    pub(crate) fn worker(&self) -> Worker {
        self.worker_on(self.store.clone(), quick())
    }

    pub(crate) fn worker_on(&self, store: Store, config: RuntimeConfig) -> Worker {
        self.start(store, self.vault.clone(), config)
    }

    /// Starts a worker with master keys of its own.
    pub(crate) fn worker_with(&self, vault: Vault, config: RuntimeConfig) -> Worker {
        self.start(self.store.clone(), vault, config)
    }

    fn start(&self, store: Store, vault: Vault, config: RuntimeConfig) -> Worker {
        let runtime = Runtime::new(
            store,
            vault,
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
        self.submit(self.submission(account, text)).await
    }

    /// Accepts a post that is to go `after` from now by the database's clock.
    pub(crate) async fn schedule(
        &self,
        account: &AccountRow,
        text: &str,
        after: Duration,
    ) -> BatchId {
        let mut submission = self.submission(account, text);
        submission.scheduled_at = Some(self.now().await + TimeDelta::from_std(after).unwrap());
        self.submit(submission).await
    }

    pub(crate) async fn submit(&self, submission: Submission) -> BatchId {
        match self.client.accept(submission).await {
            Ok(Acceptance::New { batch } | Acceptance::Known { batch }) => batch,
            Err(AcceptError::Preflight(violations)) => panic!("preflight: {violations:?}"),
            Err(error) => panic!("not accepted: {error}"),
        }
    }

    /// Lets time pass, by the database's clock and by the fake's: whatever is stored moves into the past. Leases stay: what
    /// runs goes on.
    pub(crate) async fn pass(&self, time: Duration) {
        self.fake.clock().advance(time);
        self.fake.settle().await;
        let by = format!("interval '{} milliseconds'", time.as_millis());
        self.database
            .execute(&format!(
                "do $$ begin
                   perform 1 from buckets order by org, id for no key update;
                   update buckets set ready_at = ready_at - {by}, blocked_until = blocked_until - {by};
                   update queues set blocked_until = blocked_until - {by};
                   update jobs set run_at = run_at - {by}, give_up_at = give_up_at - {by}, sent_at = sent_at - {by},
                                   answer_by = answer_by - {by}, claimed_at = claimed_at - {by};
                   update charges set at = at - {by};
                   update attempts set started_at = started_at - {by}, ended_at = ended_at - {by};
                   update accounts set token_expires_at = token_expires_at - {by},
                                       token_refreshed_at = token_refreshed_at - {by};
                   perform pg_notify('due', name) from queues;
                 end $$"
            ))
            .await;
    }

    /// Ends the shop: nothing may be broken, and the platform shows each post as often as it should.
    pub(crate) async fn close(self) {
        self.check_ledger().await;
        self.stop_waiting.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.fake.stop().await;
        self.database.close_clean().await;
    }
}
