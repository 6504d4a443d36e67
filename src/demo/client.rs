//! What the demo asks of the API and of the fake, over HTTP like any other client.

use crate::exit::Stop;
use anyhow::Context as _;
use bytes::Bytes;
use publisher::{Answer, EgressAllow, Http, HttpConfig};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

/// Between the parts of an upload; nothing that a picture contains.
const BOUNDARY: &str = "postrider-demo-4b8f1c6e2a";

/// Speaks to one API and one fake.
#[derive(Clone)]
pub(super) struct Client {
    http: Http,
    base: Url,
    fake: Url,
    key: SecretString,
}

impl Client {
    pub(super) fn new(base: &str, fake: &str, key: SecretString) -> anyhow::Result<Self> {
        let (base, fake) = (Url::parse(base)?, Url::parse(fake)?);
        let mut egress_allow = Vec::new();
        for url in [&base, &fake] {
            egress_allow.extend(url.socket_addrs(|| None)?.into_iter().map(EgressAllow));
        }
        let http = Http::new(HttpConfig {
            egress_allow,
            ..HttpConfig::default()
        })?;
        Ok(Self {
            http,
            base,
            fake,
            key,
        })
    }

    pub(super) fn with_key(self, key: SecretString) -> Self {
        Self { key, ..self }
    }

    /// Whether the API says that it is ready.
    pub(super) async fn is_ready(&self) -> bool {
        let Ok(url) = self.base.join("ready") else {
            return false;
        };
        self.http
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.is_success())
    }

    /// Whether the fake answers.
    pub(super) async fn fake_answers(&self) -> bool {
        let Ok(url) = self.fake.join("_fake") else {
            return false;
        };
        self.http
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.is_success())
    }

    /// Whether the API knows the key.
    pub(super) async fn accepts_key(&self) -> bool {
        self.get("v1/accounts").await.is_ok()
    }

    /// What the fake has seen and done.
    pub(super) async fn ledger(&self) -> anyhow::Result<Value> {
        let url = self.fake.join("_fake/ledger")?;
        understood("GET /_fake/ledger", &self.http.get(&url).send().await?).map(|(_, body)| body)
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self
            .http
            .get(&self.base.join(path)?)
            .bearer(&self.key)
            .send()
            .await?;
        understood(&format!("GET /{path}"), &answer).map(|(_, body)| body)
    }

    /// Returns the status, too.
    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> anyhow::Result<(u16, Value)> {
        let mut call = self
            .http
            .post(&self.base.join(path)?)
            .bearer(&self.key)
            .json(body);
        if let Some(key) = idempotency_key {
            call = call.header("idempotency-key", key);
        }
        understood(&format!("POST /{path}"), &call.send().await?)
    }

    /// Uploads a picture as a form with one file.
    pub(super) async fn upload(&self, name: &str, picture: &[u8]) -> anyhow::Result<(u16, Value)> {
        let call = self
            .http
            .post(&self.base.join("v1/media")?)
            .bearer(&self.key);
        let call = call.bytes(
            &format!("multipart/form-data; boundary={BOUNDARY}"),
            form(name, picture),
        );
        understood("POST /v1/media", &call.send().await?)
    }
}

fn form(name: &str, picture: &[u8]) -> Bytes {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
    );
    let mut body = head.into_bytes();
    body.extend_from_slice(picture);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    body.into()
}

/// The body of a good answer. Errors: another status than 2xx, with what the server said about it.
fn understood(call: &str, answer: &Answer) -> anyhow::Result<(u16, Value)> {
    if !answer.is_success() {
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        let what = format!(
            "{call} answered {}: {}",
            answer.status,
            crate::output::shortened(&said, 600)
        );
        return Err(Stop::failed(what, "see the logs in .postrider/").into());
    }
    let body = answer
        .json()
        .with_context(|| format!("the answer to {call} is no JSON"))?;
    Ok((answer.status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_a_form_with_one_file() {
        let body = form("a.png", b"\x89PNG");
        let text = String::from_utf8_lossy(&body);
        assert!(text.starts_with(
            "--postrider-demo-4b8f1c6e2a\r\nContent-Disposition: form-data; name=\"file\";"
        ));
        assert!(text.ends_with("PNG\r\n--postrider-demo-4b8f1c6e2a--\r\n"));
    }
}
