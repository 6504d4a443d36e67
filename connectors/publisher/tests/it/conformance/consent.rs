//! A toy whose accounts are connected on a consent page: the kit goes there for the person.

use super::toy;
use async_trait::async_trait;
use axum::{
    Router,
    extract::Query,
    http::Method,
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use chrono::{DateTime, Utc};
use publisher::{
    Account, Authorizer, Connector, Consent, Deadline, Entered, Failure, Form, Grant, Refreshed,
    Setup, Start, TokenSet,
    conformance::{Broken, Subject, Verdict, check},
    fake::{Entry, FakeKit, FakePlatform},
    toys::{self, ToyPlatform, ToyTimes},
};
use secrecy::{ExposeSecret as _, SecretString};
use std::{collections::BTreeMap, sync::Arc};
use url::Url;

/// The toys, with a page on which everybody agrees.
struct Page {
    toys: Arc<ToyPlatform>,
    /// Whether it brings the state back, as it must.
    keeps_the_state: bool,
}

impl FakePlatform for Page {
    fn name(&self) -> &'static str {
        self.toys.name()
    }

    fn routes(self: Arc<Self>, kit: FakeKit) -> Router {
        let keeps_the_state = self.keeps_the_state;
        let agree = move |Query(asked): Query<BTreeMap<String, String>>| async move {
            let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
            let state = if keeps_the_state {
                asked["state"].as_str()
            } else {
                "another"
            };
            back.query_pairs_mut()
                .append_pair("code", "ada")
                .append_pair("state", state);
            let answer: Response = Redirect::to(back.as_str()).into_response();
            answer
        };
        Arc::clone(&self.toys)
            .routes(kit)
            .route("/consent", get(agree))
    }

    fn attempted(&self, method: &Method, path: &str, body: &[u8], kit: &FakeKit) -> Option<Entry> {
        self.toys.attempted(method, path, body, kit)
    }
}

struct ByConsent {
    honest: Arc<dyn Authorizer>,
    base: Url,
}

#[async_trait]
impl Authorizer for ByConsent {
    fn form(&self) -> Option<Form> {
        None
    }

    async fn begin(&self, start: &Start, _: Deadline) -> Result<Consent, Failure> {
        let mut page = self.base.join("consent").unwrap();
        let state = start.state.expose_secret();
        let asked = [
            ("state", state),
            ("redirect_uri", start.redirect_uri.as_str()),
        ];
        page.query_pairs_mut().extend_pairs(asked);
        Ok(Consent {
            authorization_url: page,
            state: start.state.clone(),
            scopes: vec![],
            redirect_uri: start.redirect_uri.clone(),
            code_verifier: None,
        })
    }

    async fn complete(
        &self,
        entered: &Entered,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Vec<Grant>, Failure> {
        let brought = |name| entered.get(name).unwrap().to_owned();
        assert!(
            brought("codeVerifier").len() >= 43 && brought("redirectUri").starts_with("http://")
        );
        let fields = [
            ("identifier", brought("code")),
            ("password", "pass-word".to_owned()),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), SecretString::from(value)));
        self.honest
            .complete(&Entered(fields.into()), now, deadline)
            .await
    }

    async fn refresh(
        &self,
        account: &Account,
        tokens: &TokenSet,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Refreshed, Failure> {
        self.honest.refresh(account, tokens, now, deadline).await
    }

    async fn revoke(
        &self,
        account: &Account,
        tokens: &TokenSet,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        self.honest.revoke(account, tokens, deadline).await
    }
}

fn subject(keeps_the_state: bool) -> Subject {
    let fake = Page {
        toys: Arc::new(ToyPlatform::new(ToyTimes::default())),
        keeps_the_state,
    };
    let connector = |setup: &Setup| {
        let honest = toys::connectors(setup, ToyTimes::default())?.remove(0);
        let authorizer = ByConsent {
            honest: Arc::clone(&honest.authorizer),
            base: setup.addresses["toys"].clone(),
        };
        Ok(Connector {
            authorizer: Arc::new(authorizer),
            ..honest
        })
    };
    Subject {
        entered: vec![],
        fake: Arc::new(fake),
        connector: Arc::new(connector),
        ..toy(
            "toy_list",
            "POST /toy_list/{account}/posts",
            "GET /toy_list/{account}/posts",
        )
    }
}

#[tokio::test]
async fn an_account_is_connected_on_the_consent_page() {
    for case in [
        "each_shape_is_published_once",
        "a_connector_waits_for_nothing_but_its_calls",
    ] {
        let held = check(&|| subject(true), case).await;
        assert_eq!(held, Ok(Verdict::Held), "{case}");
    }
}

#[tokio::test]
async fn a_page_that_brings_another_state_back_connects_nobody() {
    let outcome = check(&|| subject(false), "each_shape_is_published_once").await;
    assert!(
        matches!(&outcome, Err(Broken::Broken(why)) if why.contains("state")),
        "{outcome:?}"
    );
}
