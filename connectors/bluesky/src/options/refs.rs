//! References to records of others: an address with the content id that was seen there.

use super::read::{Fields, wrong};
use crate::publish::is_did;
use publisher::Report;
use serde::{Deserialize, Serialize};

/// Characters of a content id of a record: version 1, DAG-CBOR, SHA-256, in base32.
const CID_CHARS: usize = 59;

/// A record as it was at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StrongRef {
    pub(crate) uri: String,
    pub(crate) cid: String,
}

impl StrongRef {
    /// Repository, collection and key.
    pub(crate) fn place(&self) -> Option<(&str, &str, &str)> {
        let mut parts = self.uri.strip_prefix("at://")?.splitn(3, '/');
        Some((parts.next()?, parts.next()?, parts.next()?))
    }
}

/// Reads `<name>Uri` and `<name>Cid`: both or neither.
pub(super) fn pair(
    fields: &Fields<'_>,
    name: &str,
    collection: Option<&str>,
    report: &mut Report,
) -> Option<StrongRef> {
    let (uri_name, cid_name) = (format!("{name}Uri"), format!("{name}Cid"));
    let (uri_path, cid_path) = (format!("options.{uri_name}"), format!("options.{cid_name}"));
    for (given, missing, path) in [
        (&uri_name, &cid_name, &cid_path),
        (&cid_name, &uri_name, &uri_path),
    ] {
        if fields.get(given).is_some() && fields.get(missing).is_none() {
            report.violate(
                "bluesky.options.pair",
                path,
                format!("{given} is given without {missing}"),
                "Give both, as the platform shows them, or neither.",
            );
        }
    }
    let uri = fields.text(&uri_name, &uri_path, report);
    let cid = fields.text(&cid_name, &cid_path, report);
    if uri.as_deref().is_some_and(|uri| !at_uri(uri, collection)) {
        let what = format!(
            "{uri_name} must look like at://did:plc:…/{}/…, with a DID and no handle",
            collection.unwrap_or("app.bsky.feed.post")
        );
        wrong("bluesky.options.at_uri", uri_path, &what, report);
        return None;
    }
    if cid.as_deref().is_some_and(|cid| !is_cid(cid)) {
        let what = format!("{cid_name} must be the record's content id, bafyrei…");
        wrong("bluesky.options.cid", cid_path, &what, report);
        return None;
    }
    Some(StrongRef {
        uri: uri?,
        cid: cid?,
    })
}

/// Whether `uri` is the address of a record in a repository that is named by its DID.
pub(super) fn at_uri(uri: &str, collection: Option<&str>) -> bool {
    let Some(parts) = uri.strip_prefix("at://") else {
        return false;
    };
    let parts: Vec<&str> = parts.split('/').collect();
    let [did, found, rkey] = parts[..] else {
        return false;
    };
    let label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    is_did(did)
        && collection.is_none_or(|wanted| wanted == found)
        && found.split('.').count() >= 3
        && found.bytes().all(label)
        && found.split('.').all(|part| !part.is_empty())
        && is_record_key(rkey)
}

fn is_record_key(key: &str) -> bool {
    (1..=512).contains(&key.len())
        && !matches!(key, "." | "..")
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_~.:-".contains(&b))
}

fn is_cid(cid: &str) -> bool {
    cid.len() == CID_CHARS
        && cid.starts_with("bafyrei")
        && cid.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
}
