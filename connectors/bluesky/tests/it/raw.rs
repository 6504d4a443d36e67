//! Requests that the connector would never make, straight to the fake.

use crate::kit::{DID, World};
use publisher::Answer;
use secrecy::SecretString;
use serde_json::{Value, json};

pub(crate) const POST: &str = "app.bsky.feed.post";
pub(crate) const RKEY: &str = "3jzfcijpj2z2a";

impl World {
    pub(crate) async fn call(
        &self,
        nsid: &str,
        token: Option<&SecretString>,
        body: &Value,
    ) -> Answer {
        let url = self.server.url().join(&format!("/xrpc/{nsid}")).unwrap();
        let call = self.http.post(&url).json(body);
        let call = if let Some(token) = token {
            call.bearer(token)
        } else {
            call
        };
        call.send().await.unwrap()
    }

    pub(crate) async fn get(&self, nsid: &str, params: &[(&str, &str)]) -> Answer {
        let url = self.server.url().join(&format!("/xrpc/{nsid}")).unwrap();
        self.http.get(&url).query(params).send().await.unwrap()
    }

    pub(crate) async fn put(&self, rkey: &str, record: &Value, more: Value) -> Answer {
        let mut body = json!({ "repo": DID, "collection": POST, "rkey": rkey, "record": record });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap_or_default());
        self.call(
            "com.atproto.repo.putRecord",
            Some(&self.tokens.access),
            &body,
        )
        .await
    }
}

pub(crate) fn record(text: &str) -> Value {
    json!({ "$type": POST, "text": text, "createdAt": "2026-11-20T10:00:00.000Z" })
}

/// Status and error name.
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    let body: Value = answer.json().unwrap();
    (
        answer.status,
        body["error"].as_str().unwrap_or_default().to_owned(),
    )
}

pub(crate) fn is(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}
