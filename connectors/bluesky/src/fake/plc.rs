//! Where accounts are found: a directory of `did:plc`, documents of `did:web`, and the hosts of handles.
//!
//! All of it answers on the fake's one address; a `did:web` and a handle are told apart by the `Host` header, as real ones
//! are. A document is made from the account, and says that it lives here, until a test writes another.
//!
//! Sources: atproto.com/specs/{did,handle}; web.plc.directory/spec (read 2026-11-20).

use super::{FakeAccount, FakePds, State};
use axum::{
    Json, Router,
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, put},
};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Arc};
use url::Url;

/// Documents that a test wrote; null stands for a DID that was given up.
pub(super) type Documents = HashMap<String, Value>;

impl FakePds {
    /// Lets the document of a DID be this one; null: it was given up.
    pub fn set_document(&self, did: &str, document: Value) {
        self.lock().documents.insert(did.to_owned(), document);
    }

    /// Moves an account to another PDS, at `url`: its records and blobs go along, its sessions do not. It stays here,
    /// deactivated, and its document says where it lives now.
    pub fn move_account(&self, did: &str, to: &Self, url: &Url) {
        let (account, repo) = {
            let mut here = self.lock();
            here.sessions.set_status(did, Some("deactivated"));
            let account = here.sessions.accounts().find(|one| one.did == did).cloned();
            (account, here.repos.copy(did))
        };
        let Some(account) = account else {
            return;
        };
        let document = document(&account, url.as_str().trim_end_matches('/'));
        {
            let mut there = to.lock();
            there.sessions.add(account);
            there.repos.keep(did, repo);
            there.documents.insert(did.to_owned(), document.clone());
        }
        self.set_document(did, document);
    }
}

/// The document of an account that lives at `home`.
fn document(account: &FakeAccount, home: &str) -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": account.did,
        "alsoKnownAs": [format!("at://{}", account.handle)],
        "verificationMethod": [],
        "service": [{
            "id": "#atproto_pds",
            "type": "AtprotoPersonalDataServer",
            "serviceEndpoint": home,
        }],
    })
}

impl State {
    /// The document of a DID that lives here, or that a test wrote; `host` is where the fake was asked.
    pub(super) fn document(&self, did: &str, host: &str) -> Option<Value> {
        self.documents.get(did).cloned().or_else(|| {
            let account = self.sessions.accounts().find(|one| one.did == did)?;
            Some(document(account, &format!("http://{host}")))
        })
    }
}

pub(super) fn routes(pds: Arc<FakePds>) -> Router {
    let (directory, web, handles, writing) =
        (Arc::clone(&pds), Arc::clone(&pds), Arc::clone(&pds), pds);
    let of_plc = move |Path(did): Path<String>, headers: HeaderMap| async move {
        let found = directory.lock().document(&did, host(&headers));
        match found.filter(|_| did.starts_with("did:plc:")) {
            Some(Value::Null) => missing(StatusCode::GONE, &format!("DID not available: {did}")),
            Some(document) => answered(&document),
            None => missing(StatusCode::NOT_FOUND, &format!("DID not registered: {did}")),
        }
    };
    let of_web = move |headers: HeaderMap| async move {
        let host = host(&headers);
        let did = format!("did:web:{}", host.replace(':', "%3A"));
        let found = web.lock().document(&did, host);
        match found.filter(Value::is_object) {
            Some(document) => answered(&document),
            None => missing(StatusCode::NOT_FOUND, "Not Found"),
        }
    };
    let of_handle = move |headers: HeaderMap| async move {
        let state = handles.lock();
        let account = state
            .sessions
            .accounts()
            .find(|one| one.handle == host(&headers));
        match account {
            Some(account) => account.did.clone().into_response(),
            None => missing(StatusCode::NOT_FOUND, "User not found"),
        }
    };
    let write = move |Path(did): Path<String>, Json(document): Json<Value>| async move {
        writing.set_document(&did, document);
        StatusCode::NO_CONTENT
    };
    Router::new()
        .route("/{did}", get(of_plc))
        .route("/.well-known/did.json", get(of_web))
        .route("/.well-known/atproto-did", get(of_handle))
        .route("/_fake/accounts/{did}/document", put(write))
}

fn host(headers: &HeaderMap) -> &str {
    let host = headers.get(header::HOST);
    host.and_then(|host| host.to_str().ok()).unwrap_or_default()
}

fn answered(document: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/did+ld+json")];
    (kind, document.to_string()).into_response()
}

fn missing(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "message": message }))).into_response()
}
