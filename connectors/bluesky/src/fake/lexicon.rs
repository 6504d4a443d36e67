//! A validator for lexicons, and the lexicons themselves.
//!
//! It knows the schema language and nothing of the calls: every request to the fake, every record in it and every answer
//! of the fake goes through here, so that the connector meets a server that obeys the published schemas to the letter.
//! Unknown fields and unknown members of open unions pass, as the protocol demands; `knownValues` are suggestions.

mod format;

use super::cid::Cid;
use publisher::preflight::graphemes;
use serde_json::{Map, Value};
use std::{collections::HashMap, sync::LazyLock};

macro_rules! files {
    ($($nsid:literal),+ $(,)?) => {
        [$(($nsid, include_str!(concat!("../../lexicons/", $nsid, ".json")))),+]
    };
}

const FILES: [(&str, &str); 32] = files![
    "app.bsky.embed.defs",
    "app.bsky.embed.external",
    "app.bsky.embed.gallery",
    "app.bsky.embed.images",
    "app.bsky.embed.record",
    "app.bsky.embed.recordWithMedia",
    "app.bsky.embed.video",
    "app.bsky.feed.post",
    "app.bsky.feed.postgate",
    "app.bsky.feed.threadgate",
    "app.bsky.richtext.facet",
    "app.bsky.video.defs",
    "app.bsky.video.getJobStatus",
    "app.bsky.video.getUploadLimits",
    "app.bsky.video.uploadVideo",
    "com.atproto.identity.resolveHandle",
    "com.atproto.label.defs",
    "com.atproto.repo.applyWrites",
    "com.atproto.repo.createRecord",
    "com.atproto.repo.defs",
    "com.atproto.repo.deleteRecord",
    "com.atproto.repo.getRecord",
    "com.atproto.repo.listRecords",
    "com.atproto.repo.putRecord",
    "com.atproto.repo.strongRef",
    "com.atproto.repo.uploadBlob",
    "com.atproto.server.createSession",
    "com.atproto.server.deleteSession",
    "com.atproto.server.describeServer",
    "com.atproto.server.getServiceAuth",
    "com.atproto.server.getSession",
    "com.atproto.server.refreshSession",
];

/// Every definition, by `nsid#name`.
static DEFS: LazyLock<HashMap<String, Value>> = LazyLock::new(|| {
    let mut all = HashMap::new();
    for (nsid, text) in FILES {
        let file: Value = serde_json::from_str(text).unwrap_or_default();
        for (name, def) in file["defs"].as_object().into_iter().flatten() {
            all.insert(format!("{nsid}#{name}"), def.clone());
        }
    }
    all
});

/// A value that breaks its schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Where, and what is wrong.
    pub(super) message: String,
}

type Checked = Result<(), Broken>;

fn broken(path: &str, what: impl std::fmt::Display) -> Checked {
    Err(Broken {
        message: format!("{path} {what}"),
    })
}

/// The main definition of a lexicon.
pub(super) fn main_def(nsid: &str) -> Option<&'static Value> {
    DEFS.get(&format!("{nsid}#main"))
}

/// Checks a record against the lexicon of its collection; false if there is none here. Errors: what it breaks.
pub(super) fn record(collection: &str, rkey: &str, record: &Value) -> Result<bool, Broken> {
    let path = "Record";
    if record["$type"] != collection {
        broken(path, format_args!("must have $type {collection}"))?;
    }
    let Some(def) = main_def(collection).filter(|def| def["type"] == "record") else {
        return Ok(false);
    };
    if def["key"] == "tid" && !format::is_tid(rkey) {
        broken("rkey", "must be a TID")?;
    }
    check(&def["record"], collection, record, path)?;
    Ok(true)
}

/// Checks a value against a schema that stands in the lexicon `nsid`. Errors: the first thing that it breaks.
pub(super) fn check(schema: &Value, nsid: &str, value: &Value, path: &str) -> Checked {
    match schema["type"].as_str().unwrap_or_default() {
        "object" | "params" => object(schema, nsid, value, path),
        "array" => array(schema, nsid, value, path),
        "string" => string(schema, value, path),
        "integer" => integer(schema, value, path),
        "boolean" if value.is_boolean() => Ok(()),
        "boolean" => broken(path, "must be a boolean"),
        "ref" => {
            let target = absolute(schema["ref"].as_str().unwrap_or_default(), nsid);
            named(&target, value, path)
        }
        "union" => union(schema, nsid, value, path),
        "blob" => blob(schema, value, path),
        "unknown" if value.is_object() => Ok(()),
        "unknown" => broken(path, "must be an object"),
        other => broken(
            path,
            format_args!("has a schema of type {other:?}, which is not supported"),
        ),
    }
}

/// `#name` and `nsid` written out as `nsid#name`.
fn absolute(reference: &str, nsid: &str) -> String {
    match reference.split_once('#') {
        Some(("", name)) => format!("{nsid}#{name}"),
        Some(_) => reference.to_owned(),
        None => format!("{reference}#main"),
    }
}

fn named(target: &str, value: &Value, path: &str) -> Checked {
    let nsid = target.split('#').next().unwrap_or_default();
    match DEFS.get(target) {
        Some(def) => check(def, nsid, value, path),
        None => broken(
            path,
            format_args!("refers to {target}, which this server does not know"),
        ),
    }
}

fn object(schema: &Value, nsid: &str, value: &Value, path: &str) -> Checked {
    let Some(fields) = value.as_object() else {
        return broken(path, "must be an object");
    };
    for name in strings(&schema["required"]) {
        if !fields.contains_key(name) {
            broken(path, format_args!("must have the property \"{name}\""))?;
        }
    }
    let none = Map::new();
    let nullable: Vec<&str> = strings(&schema["nullable"]).collect();
    for (name, schema) in schema["properties"].as_object().unwrap_or(&none) {
        match fields.get(name) {
            None => {}
            Some(Value::Null) if nullable.contains(&name.as_str()) => {}
            Some(value) => check(schema, nsid, value, &format!("{path}/{name}"))?,
        }
    }
    Ok(())
}

fn array(schema: &Value, nsid: &str, value: &Value, path: &str) -> Checked {
    let Some(items) = value.as_array() else {
        return broken(path, "must be an array");
    };
    length(schema, "Length", items.len(), path, "elements")?;
    items.iter().enumerate().try_for_each(|(index, item)| {
        check(&schema["items"], nsid, item, &format!("{path}/{index}"))
    })
}

fn string(schema: &Value, value: &Value, path: &str) -> Checked {
    let Some(text) = value.as_str() else {
        return broken(path, "must be a string");
    };
    length(schema, "Length", text.len(), path, "bytes")?;
    if schema.get("maxGraphemes").is_some() || schema.get("minGraphemes").is_some() {
        length(schema, "Graphemes", graphemes(text), path, "graphemes")?;
    }
    one_of(schema, value, path)?;
    match schema["format"].as_str() {
        Some(name) if !format::fits(name, text) => {
            broken(path, format_args!("must be a valid {name}"))
        }
        _ => Ok(()),
    }
}

fn integer(schema: &Value, value: &Value, path: &str) -> Checked {
    let Some(number) = value.as_i64() else {
        return broken(path, "must be an integer");
    };
    if schema["minimum"]
        .as_i64()
        .is_some_and(|minimum| number < minimum)
    {
        broken(
            path,
            format_args!("can not be less than {}", schema["minimum"]),
        )?;
    }
    if schema["maximum"]
        .as_i64()
        .is_some_and(|maximum| number > maximum)
    {
        broken(
            path,
            format_args!("can not be greater than {}", schema["maximum"]),
        )?;
    }
    one_of(schema, value, path)
}

/// `enum` and `const`.
fn one_of(schema: &Value, value: &Value, path: &str) -> Checked {
    if schema["enum"]
        .as_array()
        .is_some_and(|allowed| !allowed.contains(value))
    {
        broken(path, format_args!("must be one of {}", schema["enum"]))?;
    }
    if schema.get("const").is_some_and(|only| only != value) {
        broken(path, format_args!("must be {}", schema["const"]))?;
    }
    Ok(())
}

/// `min…` and `max…` of a unit.
fn length(schema: &Value, unit: &str, found: usize, path: &str, word: &str) -> Checked {
    let bound = |side: &str| schema[format!("{side}{unit}")].as_u64();
    if bound("max").is_some_and(|max| found as u64 > max) {
        broken(
            path,
            format_args!(
                "must not be longer than {} {word}",
                schema[format!("max{unit}")]
            ),
        )?;
    }
    if bound("min").is_some_and(|min| (found as u64) < min) {
        broken(
            path,
            format_args!(
                "must not be shorter than {} {word}",
                schema[format!("min{unit}")]
            ),
        )?;
    }
    Ok(())
}

fn union(schema: &Value, nsid: &str, value: &Value, path: &str) -> Checked {
    let Some(found) = value["$type"].as_str() else {
        return broken(
            path,
            "must be an object which includes the \"$type\" property",
        );
    };
    let found = absolute(found, "");
    let members = strings(&schema["refs"]).map(|reference| absolute(reference, nsid));
    for member in members {
        if member == found {
            return named(&member, value, path);
        }
    }
    if schema["closed"] == true {
        return broken(
            path,
            format_args!("$type must be one of {}", schema["refs"]),
        );
    }
    Ok(())
}

fn blob(schema: &Value, value: &Value, path: &str) -> Checked {
    let link = value["ref"]["$link"].as_str().and_then(Cid::parse);
    let (Some(mime), Some(size)) = (value["mimeType"].as_str(), value["size"].as_u64()) else {
        return broken(path, "should be a blob ref");
    };
    if value["$type"] != "blob" || !link.is_some_and(|cid| cid.is_raw()) {
        return broken(path, "should be a blob ref");
    }
    let mut accepted = strings(&schema["accept"]).peekable();
    if accepted.peek().is_some() && !accepted.any(|pattern| matches_mime(pattern, mime)) {
        broken(
            path,
            format_args!("is {mime} but must match {}", schema["accept"]),
        )?;
    }
    if schema["maxSize"].as_u64().is_some_and(|max| size > max) {
        broken(
            path,
            format_args!(
                "has {size} bytes but at most {} are allowed",
                schema["maxSize"]
            ),
        )?;
    }
    Ok(())
}

fn matches_mime(pattern: &str, mime: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("*/") => true,
        Some(prefix) => mime.starts_with(prefix),
        None => pattern == mime,
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

#[cfg(test)]
mod tests;
