//! A caller of one API, over HTTP, as everybody is.

use crate::process::LOOK_EVERY;
use publisher::{Answer, CallError, EgressAllow, Http, HttpConfig};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::time::Duration;
use store::AccountRow;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(40);

/// A caller of one API.
#[derive(Clone)]
pub(crate) struct Caller {
    http: Http,
    base: String,
    key: SecretString,
}

impl Caller {
    pub(crate) fn of(address: &str, key: &SecretString) -> Self {
        let egress_allow = vec![EgressAllow(address.parse().unwrap())];
        let http = Http::new(HttpConfig {
            egress_allow,
            ..HttpConfig::default()
        })
        .unwrap();
        Self {
            http,
            base: format!("http://{address}/"),
            key: key.clone(),
        }
    }

    /// POSTs JSON, under an Idempotency-Key if there is one.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> Result<Answer, CallError> {
        let url = format!("{}{path}", self.base).parse().unwrap();
        let mut call = self.http.post(&url).bearer(&self.key).json(body);
        if let Some(key) = idempotency_key {
            call = call.header("idempotency-key", key);
        }
        call.send().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let url = format!("{}{path}", self.base).parse().unwrap();
        self.http.get(&url).bearer(&self.key).send().await.unwrap()
    }

    /// Waits until the API takes requests.
    pub(crate) async fn is_ready(&self) {
        let ready = async {
            while !self.get("ready").await.is_success() {
                sleep(LOOK_EVERY).await;
            }
        };
        assert!(
            timeout(PATIENCE, ready).await.is_ok(),
            "the API is not ready after {PATIENCE:?}"
        );
    }
}

/// A request for one immediate post.
pub(crate) fn immediate(account: &AccountRow, text: &str) -> Value {
    json!({ "targets": [{ "accountId": account.id }], "text": text })
}
