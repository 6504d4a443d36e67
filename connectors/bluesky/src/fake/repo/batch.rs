//! `applyWrites`: several writes in one commit, all or none.

use super::{Repos, Written, judged, string, typed};
use crate::fake::xrpc::Refusal;
use serde_json::{Value, json};

const WRITES_MAX: usize = 200;

const NSID: &str = "com.atproto.repo.applyWrites";

/// The first post of a batch, with its key; none if there is none, or if it is no batch.
pub(super) fn post_of(input: &Value) -> Option<(&Value, &Value)> {
    let mut writes = input["writes"].as_array()?.iter();
    let post = writes.find(|write| write["collection"] == "app.bsky.feed.post")?;
    Some((&post["value"], &post["rkey"]))
}

/// What a batch costs: 3 a creation, 2 an update, 1 a deletion.
pub(in crate::fake) fn points(input: &Value) -> u32 {
    let writes = input["writes"].as_array().into_iter().flatten();
    let cost = |write: &Value| match action(write) {
        "create" => 3,
        "update" => 2,
        _ => 1,
    };
    writes.map(cost).sum()
}

fn action(write: &Value) -> &str {
    let kind = write["$type"].as_str().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default()
}

impl Repos {
    /// Applies a batch. Errors: as of a single write; nothing has changed then.
    pub(in crate::fake) fn apply(&mut self, did: &str, input: &Value) -> Result<Written, Refusal> {
        let repo = self.0.entry(did.to_owned()).or_default();
        let writes = input["writes"].as_array().map_or(&[][..], Vec::as_slice);
        if writes.len() > WRITES_MAX {
            return Err(Refusal::invalid("Too many writes. Max: 200"));
        }
        repo.check_commit(input)?;
        let mut records = repo.records.clone();
        let mut results = Vec::with_capacity(writes.len());
        for (n, write) in writes.iter().enumerate() {
            let collection = string(&write["collection"]);
            let minted = i64::try_from(repo.revision).unwrap_or_default() * 200
                + i64::try_from(n).unwrap_or_default();
            let rkey = write["rkey"].as_str().map_or_else(
                || crate::tid::mint(minted, uuid::Uuid::nil()),
                str::to_owned,
            );
            let key = (collection, rkey);
            let exists = records.contains_key(&key);
            let action = action(write);
            // Today's servers answer both like this, as they do for a single creation.
            if exists == (action == "create") {
                let message = "Internal Server Error";
                return Err(Refusal::new(500, "InternalServerError", message));
            }
            let kind = format!("{NSID}#{action}Result");
            if action == "delete" {
                records.remove(&key);
                results.push(json!({ "$type": kind }));
                continue;
            }
            let record = typed(&key.0, &write["value"]);
            let (cid, status) = judged(&key.0, &key.1, &record)?;
            repo.check_blobs(&record)?;
            let uri = format!("at://{did}/{}/{}", key.0, key.1);
            results
                .push(json!({ "$type": kind, "uri": uri, "cid": cid, "validationStatus": status }));
            records.insert(key, (cid, record));
        }
        repo.records = records;
        let output = json!({ "commit": repo.commit(did), "results": results });
        Ok(Written {
            output,
            effective: true,
            note: "",
        })
    }
}
