//! The API in this process, over a database of its own, with two fake platforms and, if wanted, a worker.

use crate::platforms;
use api::{ApiConfig, State};
use axum::{Router, body::Body, http::Request};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use connector_bluesky::{FakeAccount, FakePds};
use engine::{
    Client, ClientConfig, Environment, Library, LibraryLimits, NewKeyRequest, Runtime,
    RuntimeConfig, Stop,
};
use publisher::{
    Http, Registry,
    fake::FakeServer,
    id::{ApiKeyId, OrgId, ProfileId},
    toys::{ToyPlatform, ToyTimes},
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use store::{Store, testing::TestDatabase};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use vault::{Keyring, Vault};

/// The app password of [`HANDLE`].
pub(crate) const PASSWORD: &str = "planted-app-password-7";

/// An account of the fake PDS.
pub(crate) const HANDLE: &str = "alice.test";

/// An answer with everything that is looked at.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Answer {
    /// Asserts the envelope and returns its `error`.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, code: &str, rule: Option<&str>) -> &Value {
        let error = &self.json["error"];
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(error["code"], code, "{}", self.text);
        assert_eq!(error["rule"].as_str(), rule, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(error["requestId"], self.header("x-request-id"));
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{}",
            self.text
        );
        assert!(
            error["docUrl"]
                .as_str()
                .unwrap()
                .ends_with(&format!("/errors/{code}")),
            "{}",
            self.text
        );
        assert_eq!(
            error["ruleUrl"].is_string(),
            rule.is_some(),
            "{}",
            self.text
        );
        error
    }

    /// Asserts the status and returns the body.
    #[track_caller]
    pub(crate) fn ok(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.text);
        &self.json
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Everything of one test.
pub(crate) struct App {
    pub(crate) db: TestDatabase,
    pub(crate) client: Client,
    pub(crate) router: Router,
    pub(crate) org: OrgId,
    pub(crate) profile: ProfileId,
    pub(crate) key: String,
    pub(crate) key_id: ApiKeyId,
    pub(crate) server: FakeServer,
    pub(crate) pds: Arc<FakePds>,
    vault: Vault,
    registry: Registry,
    library: Library,
    pub(crate) toys: FakeServer,
    pub(crate) toy_platform: Arc<ToyPlatform>,
    http: Http,
    _dir: TempDir,
    tasks: TaskTracker,
    stop: CancellationToken,
    worker: Stop,
}

impl App {
    /// Callers wait long enough to see everything settle.
    pub(crate) async fn start() -> Self {
        Self::with(Duration::from_secs(25), ApiConfig::default()).await
    }

    /// Callers wait only so long.
    pub(crate) async fn with(wait: Duration, config: ApiConfig) -> Self {
        let db = TestDatabase::create().await;
        let account = FakeAccount {
            handle: HANDLE.to_owned(),
            did: "did:plc:alicealicealicealicealic".to_owned(),
            password: PASSWORD.to_owned(),
        };
        let pds = connector_bluesky::fake(vec![account]);
        let server = FakeServer::start(pds.clone(), None).await.unwrap();
        let times = ToyTimes::default();
        let toy_platform = Arc::new(ToyPlatform::new(times));
        let toy_server = FakeServer::start(toy_platform.clone(), None).await.unwrap();
        let http = platforms::http(&[&server, &toy_server]);
        let registry = platforms::registry(&http, &server, &toy_server, times);
        let vault =
            Vault::new(Keyring::parse(&format!("k1:{}", STANDARD.encode([7; 32]))).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let limits = LibraryLimits {
            upload_bytes_max: 3_000_000,
        };
        let library = Library::open(dir.path().to_owned(), limits).unwrap();
        let client_config = ClientConfig {
            wait,
            ..ClientConfig::default()
        };
        let client = Client::new(
            db.store.clone(),
            vault.clone(),
            registry.clone(),
            library.clone(),
            client_config,
        );
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        client.start_waiting(&tasks, stop.clone());
        let org = client.organisation("Acme").await.unwrap().id;
        let profile = db.store.default_profile(org).await.unwrap().unwrap();
        let created = client
            .create_key(NewKeyRequest {
                org,
                name: "test",
                environment: Environment::Live,
                profile: None,
            })
            .await
            .unwrap();
        let key = created.key.expose_secret().to_owned();
        let router = api::router(State::new(client.clone(), config));
        Self {
            db,
            client,
            router,
            org,
            profile,
            key,
            key_id: created.id,
            server,
            pds,
            vault,
            registry,
            library,
            toys: toy_server,
            toy_platform,
            http,
            _dir: dir,
            tasks,
            stop,
            worker: Stop::default(),
        }
    }

    /// Starts a worker in this process; it has made its queues known when this returns.
    pub(crate) async fn work(&self) {
        let config = RuntimeConfig {
            poll: Duration::from_millis(100),
            ..RuntimeConfig::default()
        };
        let runtime = Runtime::new(
            self.db.store.clone(),
            self.vault.clone(),
            self.registry.clone(),
            self.library.clone(),
            config,
        );
        let stop = self.worker.clone();
        self.tasks
            .spawn(async move { runtime.run(stop).await.unwrap() });
        let queues = i64::try_from(self.registry.platforms().len()).unwrap();
        while self.db.count("select count(*) from queues").await < queues {
            tokio::task::yield_now().await;
        }
    }

    /// Makes the queues known, as the first worker does that ever ran.
    pub(crate) async fn declare_queues(&self) {
        for platform in self.registry.platforms() {
            let row = format!("insert into queues (name) values ('{platform}')");
            self.db.execute(&row).await;
        }
    }

    /// Stops everything; the database must be clean.
    pub(crate) async fn finish(self) {
        self.stop.cancel();
        self.worker.drain.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.db.close_clean().await;
    }

    /// One request as it is.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
            json,
        }
    }

    /// One request with another key, further headers, and a body as it is.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, &self.key, &[], Body::empty()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.raw("DELETE", path, &self.key, &[], Body::empty())
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.post_with(path, &[], body).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        self.raw(
            "POST",
            path,
            &self.key,
            &json_and(headers),
            body.to_string(),
        )
        .await
    }

    /// Goes where a browser would; returns where it is sent on to.
    pub(crate) async fn browse(&self, page: &str) -> String {
        let answer = self.http.get(&page.parse().unwrap()).send().await.unwrap();
        assert_eq!(answer.status, 302, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }

    /// Connects the account of the fake PDS and returns its id.
    pub(crate) async fn bluesky(&self) -> String {
        let form = json!({ "identifier": HANDLE, "appPassword": PASSWORD, "pdsUrl": self.server.url().as_str() });
        let answer = self
            .post("/v1/accounts/connect/bluesky/complete", form)
            .await;
        answer.ok(201)["id"].as_str().unwrap().to_owned()
    }

    /// Connects an account of a toy and returns its id.
    pub(crate) async fn toy(&self, platform: &str, name: &str) -> String {
        let form = json!({ "identifier": name, "password": "open sesame" });
        let answer = self
            .post(&format!("/v1/accounts/connect/{platform}/complete"), form)
            .await;
        answer.ok(201)["id"].as_str().unwrap().to_owned()
    }

    /// A new key: its secret and its id.
    pub(crate) async fn new_key(
        &self,
        environment: Environment,
        profile: Option<ProfileId>,
    ) -> (String, ApiKeyId) {
        let ask = NewKeyRequest {
            org: self.org,
            name: "another",
            environment,
            profile,
        };
        let created = self.client.create_key(ask).await.unwrap();
        (created.key.expose_secret().to_owned(), created.id)
    }

    /// A second profile of the organisation.
    pub(crate) async fn new_profile(&self, slug: &str) -> ProfileId {
        let id = ProfileId::new();
        let org = self.org;
        self.db
            .execute(&format!("insert into profiles (org, id, name, slug) values ('{org}', '{id}', '{slug}', '{slug}')"))
            .await;
        id
    }

    /// Nothing of a request was kept.
    pub(crate) async fn assert_nothing_stored(&self) {
        for table in ["batches", "posts", "jobs", "idempotency", "media"] {
            assert_eq!(
                self.db
                    .count(&format!("select count(*) from {table}"))
                    .await,
                0,
                "{table}"
            );
        }
    }
}

/// These headers, and JSON.
pub(crate) fn json_and<'a>(headers: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("content-type", "application/json")], headers].concat()
}

/// A client of a database that nobody serves.
pub(crate) fn client_without_database(dir: &TempDir) -> Client {
    let sizes = store::PoolSizes {
        acquire_timeout: Duration::from_millis(300),
        ..store::PoolSizes::default()
    };
    let store = Store::connect_lazily("postgres://postgres@127.0.0.1:9/postgres", sizes).unwrap();
    let vault = Vault::new(Keyring::parse(&format!("k1:{}", STANDARD.encode([7; 32]))).unwrap());
    let library = Library::open(dir.path().to_owned(), LibraryLimits::default()).unwrap();
    Client::new(
        store,
        vault,
        Registry::default(),
        library,
        ClientConfig::default(),
    )
}

/// A PNG of one pixel, and as many bytes as wanted behind it.
pub(crate) fn png(bytes: usize) -> Vec<u8> {
    let pixel = STANDARD
        .decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
        .unwrap();
    let missing = bytes.saturating_sub(pixel.len());
    [pixel, vec![0; missing]].concat()
}
