//! One request, from its parts to its answer.

use super::{
    Answer, CallError, CallErrorKind, Deadline, Http, UnderWay,
    answer::{self, Unreadable},
    body::{self, Cut, Handover},
    error::judge,
    guard::{TARGET, Target},
    observe::observed,
};
use crate::{contract::Permit, fault, media::MediaStream};
use ::http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use std::time::Duration;
use url::Url;

/// Largest answer unless a call says otherwise.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A request that is being put together. A part that cannot be used makes [`Call::send`] refuse, before anything is sent.
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    http: Http,
    method: Method,
    url: Url,
    permit: Option<Permit>,
    headers: HeaderMap,
    body: Content,
    answer_bytes_max: usize,
    deadline: Option<Deadline>,
    longest: Duration,
    withheld: Vec<SecretString>,
    mistake: Option<String>,
}

enum Content {
    None,
    Bytes(Bytes),
    Stream { length: u64, pieces: MediaStream },
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("to", &self.name())
            .finish_non_exhaustive()
    }
}

impl Call {
    pub(super) fn new(http: Http, method: Method, url: &Url, permit: Option<Permit>) -> Self {
        Self {
            longest: http.inner.call_timeout,
            withheld: Vec::new(),
            http,
            method,
            url: url.clone(),
            permit,
            headers: HeaderMap::new(),
            body: Content::None,
            answer_bytes_max: ANSWER_BYTES_MAX,
            deadline: None,
            mistake: None,
        }
    }

    /// Adds `Authorization: Bearer …`.
    pub fn bearer(self, token: &SecretString) -> Self {
        let value = format!("Bearer {}", token.expose_secret());
        self.with_header(AUTHORIZATION, &value)
    }

    /// Adds `Authorization: Basic …`: a name and a password, or an app's id and secret as they are to be sent.
    pub fn basic(self, name: &str, password: &SecretString) -> Self {
        let pair = format!("{name}:{}", password.expose_secret());
        self.with_header(
            AUTHORIZATION,
            &format!("Basic {}", BASE64_STANDARD.encode(pair)),
        )
    }

    /// Counts a part of the query or the body as secret: an error answer that repeats it is kept without it, as it is for
    /// what stands in `Authorization`.
    pub fn withhold(mut self, secret: &SecretString) -> Self {
        self.withheld.push(secret.clone());
        self
    }

    /// Sets a header; its value counts as secret.
    pub fn header(self, name: &'static str, value: &str) -> Self {
        match HeaderName::try_from(name) {
            Ok(name) => self.with_header(name, value),
            Err(_) => self.mistaken(format!("`{name}` is no header name")),
        }
    }

    /// Appends to the query.
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.url.query_pairs_mut().extend_pairs(pairs);
        self
    }

    /// Sets a JSON body.
    pub fn json(self, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => self.bytes("application/json", json.into()),
            Err(e) => self.mistaken(format!("the body cannot be written as JSON: {e}")),
        }
    }

    /// Sets a body of bytes.
    pub fn bytes(mut self, content_type: &str, body: Bytes) -> Self {
        self.body = Content::Bytes(body);
        self.with_header(CONTENT_TYPE, content_type)
    }

    /// Sets a body of `length` bytes that is read while it is sent.
    pub fn stream(mut self, content_type: &str, length: u64, body: MediaStream) -> Self {
        self.body = Content::Stream {
            length,
            pieces: body,
        };
        self.with_header(CONTENT_TYPE, content_type)
    }

    /// Sets a body in the form of a web form.
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        self.bytes("application/x-www-form-urlencoded", body.into())
    }

    /// Largest answer that is read, in bytes; 1 MiB unless said otherwise.
    pub fn answer_bytes_max(mut self, max: usize) -> Self {
        self.answer_bytes_max = max;
        self
    }

    /// Lets this call take longer, or less, than the client's own longest time; an upload takes what its bytes need.
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Ends the call by then, or by its longest time, whichever comes first.
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Sends the request and reads the answer whole. Any status is an answer.
    ///
    /// # Errors
    /// Transport trouble, the guard, the pace, the deadline, the permit; [`CallError::may_have_been_sent`] says
    /// whether the platform can have received it.
    pub async fn send(self) -> Result<Answer, CallError> {
        let (platform, method, name) = (self.http.platform, self.method.clone(), self.name());
        observed(platform, &method, name, self.exchange()).await
    }

    /// The call itself.
    async fn exchange(mut self) -> Result<Answer, CallError> {
        let _under_way = UnderWay::begin(&self.http.inner);
        let own = Deadline::after(self.longest);
        let bound = self.permit.as_ref().and_then(Permit::over_by);
        let own = bound.map_or(own, |bound| bound.earlier(own));
        let deadline = self.deadline.map_or(own, |wish| wish.earlier(own));
        let report = Report {
            call: self.name(),
            once: self.permit.is_some(),
        };
        let target = self
            .admit()
            .map_err(|why| report.unsent(CallErrorKind::Refused, why))?;
        // Before the request is sent the permit bounds it; afterwards the answer has until the deadline.
        let begin_by = self
            .permit
            .as_ref()
            .map_or(deadline, |p| p.not_after().earlier(deadline));
        self.keep_pace(begin_by)
            .await
            .map_err(|kind| report.unsent(kind, String::new()))?;
        if self
            .permit
            .as_ref()
            .is_some_and(|permit| permit.not_after().has_passed())
        {
            return Err(report.unsent(CallErrorKind::PastNotAfter, String::new()));
        }
        if deadline.has_passed() {
            return Err(report.unsent(CallErrorKind::TimedOut, String::new()));
        }
        let once = self.permit.is_some();
        let bytes_max = self.answer_bytes_max;
        let secrets = self.secrets();
        let (client, request, handover) = self.into_request();
        let exchange = TARGET.scope(target, exchange(&client, request, bytes_max));
        let outcome = match tokio::time::timeout(deadline.left(), exchange).await {
            Ok(Ok(answer)) => Ok(answer.without(&secrets)),
            Ok(Err(trouble)) => Err(report.trouble(trouble, &handover)),
            Err(_) => Err(report.late(&handover)),
        };
        match &outcome {
            Ok(answer) => tracing::debug!(call = report.call, status = answer.status, "answered"),
            Err(error) => tracing::debug!(%error, sent = error.may_have_been_sent, "no answer"),
        }
        if once && outcome.is_ok() {
            fault::point("send.after_answer");
        }
        outcome
    }

    /// What an error answer must not repeat.
    fn secrets(&mut self) -> Vec<SecretString> {
        let mut secrets = std::mem::take(&mut self.withheld);
        let credential = self
            .headers
            .get(AUTHORIZATION)
            .and_then(|v| v.to_str().ok());
        let credential = credential.map(|v| v.split_once(' ').map_or(v, |(_, secret)| secret));
        secrets.extend(credential.map(|secret| secret.to_owned().into()));
        secrets
    }

    fn name(&self) -> String {
        format!(
            "{} {}{}",
            self.method,
            self.url.host_str().unwrap_or("(no host)"),
            self.url
                .port()
                .map(|port| format!(":{port}"))
                .unwrap_or_default()
        )
    }

    /// What can be refused before the pace is asked. Errors: says why.
    fn admit(&mut self) -> Result<Target, String> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        let empty = match &self.body {
            Content::None => true,
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Stream { length, .. } => *length == 0,
        };
        if self.permit.is_some() && empty {
            let why = "an irreversible request needs a body, which can be withheld when it is late";
            return Err(why.to_owned());
        }
        self.http
            .inner
            .guard
            .admit(&self.url)
            .map_err(|refusal| refusal.0)
    }

    /// Waits for a place in the pace of this host, if there is one before `until`.
    async fn keep_pace(&mut self, until: Deadline) -> Result<(), CallErrorKind> {
        let Some(pacer) = &self.http.pacer else {
            return Ok(());
        };
        let port = self.url.port_or_known_default().unwrap_or_default();
        let host = format!("{}:{port}", self.url.host_str().unwrap_or_default());
        while let Err(wait) = pacer.take(&host) {
            if wait >= until.left() {
                return Err(CallErrorKind::Paced { retry_in: wait });
            }
            // A zero wait would spin: the next place may be a few nanoseconds away.
            tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
        }
        Ok(())
    }

    fn into_request(self) -> (reqwest::Client, reqwest::Request, Handover) {
        let handover = Handover::default();
        let mut request = reqwest::Request::new(self.method, self.url);
        *request.headers_mut() = self.headers;
        let once = self.permit.map(|permit| permit.not_after());
        let (length, pieces) = match self.body {
            Content::None => (0, None),
            Content::Bytes(bytes) if once.is_none() => {
                *request.body_mut() = Some(bytes.into());
                (0, None)
            }
            Content::Bytes(bytes) => (bytes.len() as u64, Some(body::halves(&bytes))),
            Content::Stream { length, pieces } => (length, Some(pieces)),
        };
        if let Some(pieces) = pieces {
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
            let body = body::guarded(pieces, length, once, handover.clone());
            *request.body_mut() = Some(body);
        }
        let inner = &self.http.inner;
        let client = if once.is_some() {
            &inner.irreversible
        } else {
            &inner.guarded
        };
        (client.clone(), request, handover)
    }

    fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::try_from(value) {
            Ok(mut value) => {
                value.set_sensitive(name != CONTENT_TYPE);
                self.headers.insert(name, value);
                self
            }
            Err(_) => self.mistaken(format!("the value of header `{name}` cannot be sent")),
        }
    }

    fn mistaken(mut self, mistake: String) -> Self {
        self.mistake.get_or_insert(mistake);
        self
    }
}

enum Trouble {
    Request(reqwest::Error),
    Answer(Unreadable),
}

async fn exchange(
    client: &reqwest::Client,
    request: reqwest::Request,
    bytes_max: usize,
) -> Result<Answer, Trouble> {
    let response = client.execute(request).await.map_err(Trouble::Request)?;
    answer::read(response, bytes_max)
        .await
        .map_err(Trouble::Answer)
}

/// Turns what went wrong into a [`CallError`] of one call.
struct Report {
    call: String,
    once: bool,
}

impl Report {
    fn unsent(&self, kind: CallErrorKind, detail: String) -> CallError {
        self.error(kind, false, detail)
    }

    /// The deadline passed on the way: sent, unless nothing of an irreversible body was taken.
    fn late(&self, handover: &Handover) -> CallError {
        let sent = !self.once || handover.has_begun();
        self.error(CallErrorKind::TimedOut, sent, String::new())
    }

    fn trouble(&self, trouble: Trouble, handover: &Handover) -> CallError {
        let error = match trouble {
            Trouble::Request(error) => error,
            Trouble::Answer(Unreadable::Broken(error)) => {
                let judged = judge(error);
                return self.error(judged.kind, true, judged.detail);
            }
            Trouble::Answer(Unreadable::TooLarge) => {
                return self.error(CallErrorKind::AnswerTooLarge, true, String::new());
            }
        };
        let judged = judge(error);
        let sent = judged.connected && (!self.once || handover.has_begun());
        match handover.cut() {
            Some(Cut::PastNotAfter) => self.error(CallErrorKind::PastNotAfter, sent, String::new()),
            Some(cut) => self.error(CallErrorKind::Broken, sent, cut.to_string()),
            None => self.error(judged.kind, sent, judged.detail),
        }
    }

    fn error(&self, kind: CallErrorKind, may_have_been_sent: bool, detail: String) -> CallError {
        CallError {
            kind,
            may_have_been_sent,
            once: self.once,
            call: self.call.clone(),
            detail,
        }
    }
}

#[cfg(test)]
#[cfg(debug_assertions)]
#[path = "call_tests.rs"]
mod tests;
