//! One person, one app, and the provider of `toy_oauth` between them.

use crate::raw::http;
use publisher::{
    Account, App, Authorizer, Connector, Deadline, Entered, Failure, Grant, Http, Setup, Start,
    TokenSet,
    fake::{FakeApp, FakeServer},
    id::AccountId,
    toys::{self, ToyPlatform, ToyTimes},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use url::Url;

pub(crate) const REDIRECT: &str = "https://posts.example.com/v1/accounts/oauth/toy_oauth/callback";
pub(crate) const VERIFIER: &str = "planted-verifier-0123456789-0123456789-01234";
pub(crate) const STATE: &str = "planted-state";
pub(crate) const SECRET: &str = "toy-app-secret";

pub(crate) struct World {
    pub(crate) toys: Arc<ToyPlatform>,
    pub(crate) server: FakeServer,
    pub(crate) http: Http,
    pub(crate) connector: Connector,
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(5))
}

pub(crate) fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

pub(crate) fn app(client_secret: &str) -> App {
    App {
        client_id: "toy-app".to_owned(),
        client_secret: Some(secret(client_secret)),
    }
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::with(FakeApp::default(), Some(app(SECRET))).await
    }

    pub(crate) async fn with(fake: FakeApp, app: Option<App>) -> Self {
        let times = ToyTimes::default();
        let toys = Arc::new(ToyPlatform::with_app(times, fake));
        let server = FakeServer::start(toys.clone(), None).await.unwrap();
        let http = http(&[server.addr()]);
        let setup = Setup {
            addresses: [("toys".to_owned(), server.url())].into(),
            apps: app
                .map(|app| (toys::CONSENT_PLATFORM.to_owned(), app))
                .into_iter()
                .collect(),
            ..Setup::new(http.clone())
        };
        let connector = toys::consent_connector(&setup, times).unwrap();
        Self {
            toys,
            server,
            http,
            connector,
        }
    }

    pub(crate) fn authorizer(&self) -> &dyn Authorizer {
        &*self.connector.authorizer
    }

    /// Goes to the consent page and comes back with its parameters.
    pub(crate) async fn consent(&self) -> BTreeMap<String, String> {
        let start = Start {
            state: secret(STATE),
            verifier: secret(VERIFIER),
            redirect_uri: REDIRECT.to_owned(),
        };
        let consent = self.authorizer().begin(&start, soon()).await.unwrap();
        assert!(!format!("{consent:?} {start:?}").contains("planted"));
        let page = self.http.get(&consent.authorization_url).send().await;
        let page = page.unwrap();
        assert_eq!(page.status, 302, "{page:?}");
        let back = Url::parse(page.header("location").unwrap()).unwrap();
        assert!(back.as_str().starts_with(REDIRECT));
        back.query_pairs().into_owned().collect()
    }

    pub(crate) async fn exchange(&self, code: &str) -> Result<Vec<Grant>, Failure> {
        self.exchange_with(code, REDIRECT, VERIFIER).await
    }

    pub(crate) async fn exchange_with(
        &self,
        code: &str,
        redirect: &str,
        verifier: &str,
    ) -> Result<Vec<Grant>, Failure> {
        let entered = [
            ("code", code),
            ("redirectUri", redirect),
            ("codeVerifier", verifier),
        ];
        let entered = entered.map(|(name, value)| (name.to_owned(), secret(value)));
        let now = self.server.clock().now();
        let entered = Entered(entered.into());
        self.authorizer().complete(&entered, now, soon()).await
    }

    pub(crate) async fn connect(&self) -> Grant {
        let back = self.consent().await;
        assert_eq!(back["state"], STATE);
        self.exchange(&back["code"]).await.unwrap().remove(0)
    }

    pub(crate) async fn refresh(&self, tokens: &TokenSet) -> Result<TokenSet, Failure> {
        let now = self.server.clock().now();
        let account = account();
        let refreshed = self.authorizer().refresh(&account, tokens, now, soon());
        refreshed.await.map(|refreshed| refreshed.tokens)
    }

    pub(crate) fn is_live(&self, tokens: &TokenSet) -> bool {
        let token = tokens.access.expose_secret();
        let now = self.server.clock().now();
        self.toys.oauth().admit(token, now).is_some()
    }
}

pub(crate) fn account() -> Account {
    Account {
        id: AccountId::new(),
        platform_account_id: "ada".to_owned(),
        handle: None,
        profile: json!({}),
    }
}

#[track_caller]
pub(crate) fn assert_quiet(failure: &Failure) {
    let told = format!("{failure:?} {failure}");
    for secret in [VERIFIER, STATE, SECRET, "toycode", "toyacc", "toyref"] {
        assert!(!told.contains(secret), "{told}");
    }
}
