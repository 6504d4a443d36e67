//! Who an account is and where it lives: handle → DID → DID document → PDS.
//!
//! A handle is believed only if both sides say so: it leads to a DID, and the DID's document claims the handle. Two of the
//! protocol's three ways from a handle to a DID are built: the entryway's `resolveHandle`, which looks into the DNS for us,
//! and `https://{handle}/.well-known/atproto-did`, which needs nobody. The third, a TXT record looked up by ourselves, would
//! cost a resolver of our own and finds nothing that the first does not. DIDs are `did:plc`, in a directory, and `did:web`,
//! on its own host (with a port on localhost only, as the protocol has it).
//!
//! Every answer here comes from a stranger: each is bounded in size and in time, and the guard of [`Http`] stands before it.
//!
//! Sources: the platform sheet "Bluesky" §1, and atproto.com/specs/{handle,did} (atproto-website @ ab7b07d3, 2026-08-20).

use crate::{
    publish::is_did,
    session::pds_of,
    text::is_handle,
    wire::{Resolved, Xrpc, XrpcError},
};
use chrono::{DateTime, TimeDelta, Utc};
use publisher::{Answer, Class, Deadline, Failure, Http};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use url::Url;

/// How long a document is believed without asking again.
const BELIEVED: TimeDelta = TimeDelta::hours(24);

/// How long it is believed even when an answer casts doubt on it: many posts may fail at once for one reason.
const BELIEVED_IN_DOUBT: TimeDelta = TimeDelta::minutes(5);

/// Longest time for one question.
const QUESTION_MAX: Duration = Duration::from_secs(5);

/// Largest document, in bytes; real ones have about a thousand.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Largest answer to a question for a DID, in bytes.
const DID_BYTES_MAX: usize = 4 * 1024;

/// Documents that are remembered.
const KNOWN_MAX: usize = 10_000;

/// Looks accounts up, and remembers their documents for a while.
#[derive(Debug)]
pub(crate) struct Identities {
    pub(crate) http: Http,
    /// Answers `resolveHandle`.
    pub(crate) resolver: Url,
    /// The directory of `did:plc`.
    pub(crate) plc: Url,
    /// Where every handle's own host is asked, instead of at `https://{handle}`.
    pub(crate) handle_hosts: Option<Url>,
    known: Mutex<HashMap<String, (DateTime<Utc>, Identity)>>,
}

/// What a DID document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) did: String,
    /// The handles that it claims, in its order.
    pub(crate) handles: Vec<String>,
    /// Where the account lives, if it lives anywhere.
    pub(crate) pds: Option<Url>,
}

/// How new a document must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// A day old will do.
    Routine,
    /// Something that the account's host said casts doubt on it.
    InDoubt,
}

/// Why an account was not found.
#[derive(Debug)]
pub(crate) enum Lost {
    /// It is certain that there is no such account; says why.
    Nobody(String),
    /// Who knows could not be asked, or answered nonsense.
    Unasked(String),
}

impl Lost {
    /// For a person who entered the handle or DID.
    pub(crate) fn failure(self, rule: &str) -> Failure {
        match self {
            Self::Nobody(why) => Failure::rejected(rule, format!("identifier: {why}"))
                .rule(rule)
                .remediation("Check the handle; it is shown on the account's profile, e.g. alice.bsky.social."),
            Self::Unasked(why) => Failure::transient("bluesky.identity.unreachable", why)
                .remediation("Try again later, or enter the address of the PDS (pdsUrl)."),
        }
    }
}

impl Identities {
    pub(crate) fn new(http: Http, resolver: Url, plc: Url, handle_hosts: Option<Url>) -> Self {
        Self {
            http,
            resolver,
            plc,
            handle_hosts,
            known: Mutex::default(),
        }
    }

    /// The account that a handle leads to and that claims it. Errors: there is none; nobody could be asked.
    pub(crate) async fn of_handle(
        &self,
        handle: &str,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Identity, Lost> {
        let did = self.did_of(handle, deadline).await?;
        let identity = self.of_did(&did, Freshness::InDoubt, now, deadline).await?;
        if identity.handles.iter().any(|claimed| claimed == handle) {
            return Ok(identity);
        }
        Err(Lost::Nobody(format!(
            "{handle} leads to {did}, whose document does not claim this handle"
        )))
    }

    /// What a DID's document says. Errors: there is no such document; nobody could be asked.
    pub(crate) async fn of_did(
        &self,
        did: &str,
        freshness: Freshness,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Result<Identity, Lost> {
        let believed = match freshness {
            Freshness::Routine => BELIEVED,
            Freshness::InDoubt => BELIEVED_IN_DOUBT,
        };
        if let Some((at, identity)) = self.lock().get(did)
            && now - *at < believed
        {
            return Ok(identity.clone());
        }
        let identity = self.ask_for_document(did, deadline).await?;
        let mut known = self.lock();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, (at, _)| now - *at < BELIEVED);
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
        }
        known.insert(did.to_owned(), (now, identity.clone()));
        Ok(identity)
    }

    /// Where an account lives that was last known to live at `home`, if that is elsewhere; none if it is not, or if nobody
    /// can tell now.
    pub(crate) async fn moved_from(
        &self,
        home: &Url,
        did: &str,
        freshness: Freshness,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> Option<Url> {
        match self.of_did(did, freshness, now, deadline).await {
            Ok(identity) => identity.pds.filter(|pds| pds.origin() != home.origin()),
            Err(lost) => {
                tracing::debug!(did, ?lost, "where the account lives could not be looked up");
                None
            }
        }
    }

    /// The DID that a handle leads to.
    async fn did_of(&self, handle: &str, deadline: Deadline) -> Result<String, Lost> {
        let lost = match self.ask_resolver(handle, deadline).await {
            Ok(Some(did)) => return Ok(did),
            Ok(None) => Lost::Nobody(format!("there is no account {handle}")),
            Err(lost) => lost,
        };
        self.ask_handle_host(handle, deadline).await.ok_or(lost)
    }

    /// The DID by `resolveHandle`; none if the server says that there is none.
    async fn ask_resolver(&self, handle: &str, deadline: Deadline) -> Result<Option<String>, Lost> {
        let url = Xrpc::ResolveHandle.at(&self.resolver);
        let call = self.http.get(&url).query(&[("handle", handle)]);
        let answer = call
            .answer_bytes_max(DID_BYTES_MAX)
            .deadline(within(deadline))
            .send()
            .await
            .map_err(|e| Lost::Unasked(format!("the handle cannot be looked up: {e}")))?;
        let nonsense = || {
            let status = answer.status;
            Lost::Unasked(format!("the handle cannot be looked up: status {status}"))
        };
        match answer.status {
            200 => {
                let Resolved { did } = answer.json().map_err(|_| nonsense())?;
                Ok(is_did(&did).then_some(did))
            }
            400 | 404 if XrpcError::read(&answer).is_some() => Ok(None),
            _ => Err(nonsense()),
        }
    }

    /// The DID that the handle's own host names; none if it names none or is not there.
    async fn ask_handle_host(&self, handle: &str, deadline: Deadline) -> Option<String> {
        const PATH: &str = "/.well-known/atproto-did";
        let call = match &self.handle_hosts {
            Some(hosts) => self
                .http
                .get(&hosts.join(PATH).ok()?)
                .header("host", handle),
            None => self
                .http
                .get(&Url::parse(&format!("https://{handle}{PATH}")).ok()?),
        };
        let answer = call
            .answer_bytes_max(DID_BYTES_MAX)
            .deadline(within(deadline))
            .send()
            .await
            .ok()
            .filter(Answer::is_success)?;
        let did = std::str::from_utf8(&answer.body).ok()?.trim();
        is_did(did).then(|| did.to_owned())
    }

    async fn ask_for_document(&self, did: &str, deadline: Deadline) -> Result<Identity, Lost> {
        let url = self.address_of(did)?;
        let answer = self
            .http
            .get(&url)
            .answer_bytes_max(DOCUMENT_BYTES_MAX)
            .deadline(within(deadline))
            .send()
            .await
            .map_err(|e| Lost::Unasked(format!("the document of {did} cannot be read: {e}")))?;
        match answer.status {
            404 | 410 => Err(Lost::Nobody(format!("{did} does not exist (any more)"))),
            200 => answer
                .json::<Value>()
                .ok()
                .and_then(|document| read(did, &document))
                .ok_or_else(|| Lost::Unasked(format!("the document of {did} cannot be read"))),
            status => Err(Lost::Unasked(format!(
                "the document of {did} cannot be read: status {status}"
            ))),
        }
    }

    /// Where the document of a DID lies.
    fn address_of(&self, did: &str) -> Result<Url, Lost> {
        let unknown = || Lost::Nobody(format!("{did} is of no kind that Bluesky knows"));
        let url = if did.starts_with("did:plc:") {
            let mut url = self.plc.clone();
            url.set_path(did);
            Some(url)
        } else {
            let name = did.strip_prefix("did:web:").ok_or_else(unknown)?;
            web_host(name).and_then(|host| host.join("/.well-known/did.json").ok())
        };
        url.ok_or_else(unknown)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (DateTime<Utc>, Identity)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn within(deadline: Deadline) -> Deadline {
    Deadline::after(QUESTION_MAX).earlier(deadline)
}

/// The host in a `did:web`: a name, or localhost with a port.
fn web_host(name: &str) -> Option<Url> {
    if let Some(port) = name.strip_prefix("localhost%3A") {
        let port: u16 = port.parse().ok()?;
        return Url::parse(&format!("http://localhost:{port}")).ok();
    }
    let name = name.to_ascii_lowercase();
    is_handle(&name)
        .then(|| Url::parse(&format!("https://{name}")).ok())
        .flatten()
}

/// Reads a document; none if it is not that of `did`.
fn read(did: &str, document: &Value) -> Option<Identity> {
    if document["id"] != did {
        return None;
    }
    let handles = document["alsoKnownAs"].as_array().into_iter().flatten();
    let handles = handles
        .filter_map(|known| known.as_str()?.strip_prefix("at://"))
        .map(str::to_ascii_lowercase)
        .filter(|handle| is_handle(handle));
    Some(Identity {
        did: did.to_owned(),
        handles: handles.collect(),
        pds: pds_of(Some(document)),
    })
}

/// Whether a failure may mean that the account lives elsewhere by now: its host does not want it, or is not there.
pub(crate) fn casts_doubt(failure: &Failure) -> bool {
    match failure.class {
        Class::AccountBlocked => true,
        Class::Transient => failure.code.ends_with(".no_answer"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_counts_only_for_its_own_did() {
        let document = json!({
            "id": "did:plc:abc",
            "alsoKnownAs": ["at://Alice.test", "https://alice.test", "at://not a handle", 7],
            "service": [{ "id": "did:plc:abc#atproto_pds", "type": "AtprotoPersonalDataServer",
                          "serviceEndpoint": "https://pds.test" }],
        });
        let identity = read("did:plc:abc", &document).unwrap();
        assert_eq!(identity.handles, ["alice.test"]);
        assert_eq!(identity.pds.unwrap().as_str(), "https://pds.test/");
        assert_eq!(read("did:plc:other", &document), None);
        let bare = read("did:plc:abc", &json!({ "id": "did:plc:abc" })).unwrap();
        assert!(bare.handles.is_empty() && bare.pds.is_none());
    }

    #[test]
    fn a_did_web_names_a_host_and_a_port_on_localhost_only() {
        let host = |name: &str| web_host(name).map(|url| url.to_string());
        assert_eq!(host("Alice.Example").unwrap(), "https://alice.example/");
        assert_eq!(host("localhost%3A2583").unwrap(), "http://localhost:2583/");
        for bad in [
            "alice.example%3A8443",
            "alice.example:users:alice",
            "localhost",
            "localhost%3Ax",
            "127.0.0.1",
            "alice.example%2Fx",
            "",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
    }
}
