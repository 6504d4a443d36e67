//! Repositories: blobs and records, with the semantics that the connector's safety rests on.

mod batch;
mod blobs;

pub(super) use batch::points;

use self::blobs::sniff;
use super::{cid::Cid, lexicon, xrpc::Refusal};
use chrono::{DateTime, Utc};
use publisher::fake::Entry;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Largest blob: the default of a PDS that people host themselves.
const BLOB_BYTES_MAX: usize = 5 * 1024 * 1024;

/// Every repository, by DID.
#[derive(Debug, Default)]
pub(super) struct Repos(HashMap<String, Repo>);

/// One of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Repo {
    /// By collection and key.
    records: BTreeMap<(String, String), (String, Value)>,
    /// By content id.
    blobs: HashMap<String, Value>,
    revision: u64,
    /// Of a server with older lexicons.
    image_bytes_max: Option<u64>,
}

/// What a write came to.
pub(super) struct Written {
    pub(super) output: Value,
    /// Whether something became visible that was not there.
    pub(super) effective: bool,
    pub(super) note: &'static str,
}

/// The ledger's entry for a write.
pub(super) fn entry(
    nsid: &str,
    input: &Value,
    at: DateTime<Utc>,
    effective: bool,
    note: &str,
) -> Entry {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (record, rkey) = batch::post_of(input).unwrap_or((&input["record"], &input["rkey"]));
    Entry {
        at,
        account: text(&input["repo"]),
        route: nsid.to_owned(),
        text: text(&record["text"]),
        key: rkey.as_str().map(str::to_owned),
        effective,
        note: note.to_owned(),
    }
}

impl Repos {
    /// The records of a collection, by key.
    pub(super) fn collection(&self, did: &str, wanted: &str) -> Vec<(String, Value)> {
        let records = self.0.get(did).map(|repo| &repo.records);
        records
            .into_iter()
            .flatten()
            .filter(|((collection, _), _)| collection == wanted)
            .map(|((_, rkey), (_, record))| (rkey.clone(), record.clone()))
            .collect()
    }

    /// How often a repository changed.
    pub(super) fn commits(&self, did: &str) -> u64 {
        self.0.get(did).map_or(0, |repo| repo.revision)
    }

    /// Sets what an older server takes.
    pub(super) fn set_image_bytes_max(&mut self, did: &str, max: u64) {
        self.0.entry(did.to_owned()).or_default().image_bytes_max = Some(max);
    }

    /// A repository as it is; none if it is empty.
    pub(super) fn copy(&self, did: &str) -> Option<Repo> {
        self.0.get(did).cloned()
    }

    /// Takes over a repository.
    pub(super) fn keep(&mut self, did: &str, repo: Option<Repo>) {
        if let Some(repo) = repo {
            self.0.insert(did.to_owned(), repo);
        }
    }

    /// Throws away the blobs that no record refers to.
    pub(super) fn collect_blobs(&mut self, did: &str) {
        let Some(repo) = self.0.get_mut(did) else {
            return;
        };
        let records: String = repo
            .records
            .values()
            .map(|(_, record)| record.to_string())
            .collect();
        repo.blobs.retain(|cid, _| records.contains(cid.as_str()));
    }

    /// Takes a blob. Errors: too large. The server looks at the bytes and believes them, not the header.
    pub(super) fn upload(
        &mut self,
        did: &str,
        content_type: &str,
        bytes: &[u8],
    ) -> Result<Value, Refusal> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(Refusal::new(
                413,
                "PayloadTooLarge",
                "request entity too large",
            ));
        }
        let cid = Cid::of_bytes(bytes).to_string();
        let mime = sniff(bytes).unwrap_or(content_type);
        let blob = json!({ "$type": "blob", "ref": { "$link": cid }, "mimeType": mime, "size": bytes.len() });
        self.0
            .entry(did.to_owned())
            .or_default()
            .blobs
            .insert(cid, blob.clone());
        Ok(json!({ "blob": blob }))
    }

    /// Creates or replaces a record. Errors: the record is invalid, a swap does not fit, a blob is missing.
    pub(super) fn put(&mut self, did: &str, input: &Value) -> Result<Written, Refusal> {
        let (collection, rkey) = (string(&input["collection"]), string(&input["rkey"]));
        let record = typed(&collection, &input["record"]);
        let (cid, status) = judged(&collection, &rkey, &record)?;
        let repo = self.0.entry(did.to_owned()).or_default();
        let key = (collection, rkey);
        let uri = format!("at://{did}/{}/{}", key.0, key.1);
        let current = repo.records.get(&key).map(|(cid, _)| cid.clone());
        // The identical record first: before swaps, before blobs, and without a commit.
        if current.as_ref() == Some(&cid) {
            let output = json!({ "uri": uri, "cid": cid, "validationStatus": status });
            return Ok(Written {
                output,
                effective: false,
                note: "the identical record was there already",
            });
        }
        let swap = input.get("swapRecord");
        if swap.is_some_and(|swap| swap.as_str() != current.as_deref()) {
            let at = current.as_deref().unwrap_or("null");
            return Err(Refusal::new(
                400,
                "InvalidSwap",
                format!("Record was at {at}"),
            ));
        }
        repo.check_commit(input)?;
        repo.check_blobs(&record)?;
        let note = if current.is_some() {
            "replaced another record"
        } else {
            ""
        };
        repo.records.insert(key, (cid.clone(), record));
        let output = json!({ "uri": uri, "cid": cid, "commit": repo.commit(did), "validationStatus": status });
        Ok(Written {
            output,
            effective: true,
            note,
        })
    }

    /// Creates a record. Errors: as [`Repos::put`]; an existing key is an internal error, as it is in reality.
    pub(super) fn create(&mut self, did: &str, input: &Value) -> Result<Written, Refusal> {
        let collection = string(&input["collection"]);
        let repo = self.0.entry(did.to_owned()).or_default();
        let minted = crate::tid::mint(
            i64::try_from(repo.revision).unwrap_or_default() + 1,
            uuid::Uuid::nil(),
        );
        let rkey = input["rkey"].as_str().map_or(minted, str::to_owned);
        let record = typed(&collection, &input["record"]);
        let (cid, status) = judged(&collection, &rkey, &record)?;
        repo.check_commit(input)?;
        repo.check_blobs(&record)?;
        let key = (collection, rkey);
        if repo.records.contains_key(&key) {
            return Err(Refusal::new(
                500,
                "InternalServerError",
                "Internal Server Error",
            ));
        }
        let uri = format!("at://{did}/{}/{}", key.0, key.1);
        repo.records.insert(key, (cid.clone(), record));
        let output = json!({ "uri": uri, "cid": cid, "commit": repo.commit(did), "validationStatus": status });
        Ok(Written {
            output,
            effective: true,
            note: "",
        })
    }

    /// Deletes a record; a missing one is no error.
    pub(super) fn delete(&mut self, did: &str, input: &Value) -> Result<Value, Refusal> {
        let repo = self.0.entry(did.to_owned()).or_default();
        let key = (string(&input["collection"]), string(&input["rkey"]));
        if let Some(swap) = input["swapRecord"].as_str()
            && repo.records.get(&key).is_none_or(|(cid, _)| cid != swap)
        {
            return Err(Refusal::new(
                400,
                "InvalidSwap",
                "Record was at another CID",
            ));
        }
        repo.check_commit(input)?;
        Ok(match repo.records.remove(&key) {
            Some(_) => json!({ "commit": repo.commit(did) }),
            None => json!({}),
        })
    }

    /// Reads one record. Errors: not there.
    pub(super) fn get(&self, did: &str, params: &Value) -> Result<Value, Refusal> {
        let key = (string(&params["collection"]), string(&params["rkey"]));
        let uri = format!("at://{did}/{}/{}", key.0, key.1);
        let found = self.0.get(did).and_then(|repo| repo.records.get(&key));
        match found.filter(|(cid, _)| {
            params
                .get("cid")
                .is_none_or(|wanted| wanted == cid.as_str())
        }) {
            Some((cid, value)) => Ok(json!({ "uri": uri, "cid": cid, "value": decoded(value) })),
            None => Err(Refusal::new(
                400,
                "RecordNotFound",
                format!("Could not locate record: {uri}"),
            )),
        }
    }

    /// Lists a collection, newest key first.
    pub(super) fn list(&self, did: &str, params: &Value) -> Value {
        let collection = string(&params["collection"]);
        let limit = usize::try_from(params["limit"].as_u64().unwrap_or(50)).unwrap_or(50);
        let records = self
            .0
            .get(did)
            .map(|repo| &repo.records)
            .into_iter()
            .flatten();
        let mut all: Vec<_> = records
            .filter(|((found, _), _)| *found == collection)
            .collect();
        let ascending = params["reverse"] == true;
        if !ascending {
            all.reverse();
        }
        if let Some(cursor) = params["cursor"].as_str() {
            all.retain(|((_, rkey), _)| {
                if ascending {
                    rkey.as_str() > cursor
                } else {
                    rkey.as_str() < cursor
                }
            });
        }
        let more = all.len() > limit;
        all.truncate(limit);
        let cursor = all
            .last()
            .map(|((_, rkey), _)| rkey.clone())
            .filter(|_| more);
        let records: Vec<Value> = all
            .into_iter()
            .map(|((_, rkey), (cid, value))| {
                let uri = format!("at://{did}/{collection}/{rkey}");
                json!({ "uri": uri, "cid": cid, "value": decoded(value) })
            })
            .collect();
        let mut page = json!({ "records": records });
        if let Some(cursor) = cursor {
            page["cursor"] = cursor.into();
        }
        page
    }
}

impl Repo {
    /// The repository's head.
    fn head(&self) -> String {
        Cid::of_bytes(&self.revision.to_be_bytes()).to_string()
    }

    fn commit(&mut self, did: &str) -> Value {
        self.revision += 1;
        let micros = i64::try_from(self.revision).unwrap_or_default();
        let cid =
            Cid::of_record(&json!({ "did": did, "rev": self.revision })).map(|cid| cid.to_string());
        json!({ "cid": cid, "rev": crate::tid::mint(micros, uuid::Uuid::nil()) })
    }

    fn check_commit(&self, input: &Value) -> Result<(), Refusal> {
        match input["swapCommit"].as_str() {
            Some(swap) if swap != self.head() => Err(Refusal::new(
                400,
                "InvalidSwap",
                format!("Commit was at {}", self.head()),
            )),
            _ => Ok(()),
        }
    }
}

/// The record with the collection's `$type`, if it names none.
fn typed(collection: &str, record: &Value) -> Value {
    let mut record = record.clone();
    if let Some(fields) = record.as_object_mut() {
        fields
            .entry("$type")
            .or_insert_with(|| Value::from(collection));
    }
    record
}

/// A record as it is read: the server's decoder drops a byte order mark at the start of each string.
fn decoded(value: &Value) -> Value {
    match value {
        Value::String(text) => text.strip_prefix('\u{feff}').unwrap_or(text).into(),
        Value::Array(items) => items.iter().map(decoded).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| (name.clone(), decoded(field)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

/// Checks a record against its lexicon and computes its id.
fn judged(collection: &str, rkey: &str, record: &Value) -> Result<(String, &'static str), Refusal> {
    let known = lexicon::record(collection, rkey, record).map_err(|broken| {
        Refusal::invalid(format!("Invalid {collection} record: {}", broken.message))
    })?;
    let cid = Cid::of_record(record).ok_or_else(|| {
        Refusal::new(
            400,
            "InvalidRequest",
            format!("Invalid {collection} record: not in the data model"),
        )
    })?;
    Ok((cid.to_string(), if known { "valid" } else { "unknown" }))
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
