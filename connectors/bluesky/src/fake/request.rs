//! A request, read and checked against the lexicon of its call.

use super::{
    lexicon::{check, main_def},
    xrpc::{CALLS, Refusal},
};
use axum::http::{HeaderMap, HeaderName, Method, header};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// A request that has the form which its lexicon demands.
pub(super) struct Request<'a> {
    pub(super) nsid: &'static str,
    pub(super) params: Value,
    pub(super) input: Value,
    pub(super) bytes: &'a [u8],
    pub(super) content_type: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) host: Option<&'a str>,
    pub(super) now: DateTime<Utc>,
}

/// Reads a request and checks it against the lexicon of its call. Errors: what a real server refuses.
pub(super) fn read<'a>(
    asked: &str,
    method: &Method,
    query: &str,
    headers: &'a HeaderMap,
    body: &'a [u8],
    now: DateTime<Utc>,
) -> Result<Request<'a>, Refusal> {
    let nsid = CALLS.into_iter().find(|known| *known == asked);
    let nsid =
        nsid.ok_or_else(|| Refusal::invalid(format!("No service configured for {asked}")))?;
    let def = main_def(nsid).ok_or_else(|| Refusal::new(500, "FakeIsBroken", "no lexicon"))?;
    let wanted = if def["type"] == "query" {
        Method::GET
    } else {
        Method::POST
    };
    if *method != wanted {
        return Err(Refusal::invalid(format!(
            "Incorrect HTTP method ({method}) expected {wanted}"
        )));
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE);
    let params = read_params(&def["parameters"], nsid, query)?;
    let input = read_input(&def["input"], nsid, content_type, body)?;
    let token = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let (content_type, host) = (content_type.unwrap_or_default(), text(header::HOST));
    Ok(Request {
        nsid,
        params,
        input,
        bytes: body,
        content_type,
        token,
        host,
        now,
    })
}

/// Query parameters, in the types that the lexicon gives them.
fn read_params(schema: &Value, nsid: &str, query: &str) -> Result<Value, Refusal> {
    let mut params = Map::new();
    for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
        let value = match schema["properties"][name.as_ref()]["type"].as_str() {
            Some("integer") => text.parse::<i64>().map_or(Value::Null, Value::from),
            Some("boolean") => text.parse::<bool>().map_or(Value::Null, Value::from),
            Some(_) => Value::from(text.into_owned()),
            None => continue,
        };
        params.insert(name.into_owned(), value);
    }
    let params = Value::Object(params);
    if schema.is_object() {
        check(schema, nsid, &params, "Params")
            .map_err(|broken| Refusal::invalid(broken.message))?;
    }
    Ok(params)
}

/// The body: absent where the lexicon has none, else of its encoding and schema.
fn read_input(
    input: &Value,
    nsid: &str,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Value, Refusal> {
    if !input.is_object() {
        if !body.is_empty() || content_type.is_some() {
            return Err(Refusal::invalid(
                "A request body was provided when none was expected",
            ));
        }
        return Ok(Value::Null);
    }
    let found = content_type
        .and_then(|value| value.split(';').next())
        .map(str::trim)
        .filter(|mime| mime.contains('/'))
        .ok_or_else(|| {
            Refusal::invalid("Request encoding (Content-Type) required but not provided")
        })?;
    if input["encoding"] == "*/*" {
        return Ok(Value::Null);
    }
    if input["encoding"] != found {
        return Err(Refusal::invalid(format!(
            "Wrong request encoding (Content-Type): {found}"
        )));
    }
    if !input["schema"].is_object() {
        return Ok(Value::Null);
    }
    let value: Value = serde_json::from_slice(body)
        .map_err(|e| Refusal::new(400, "SyntaxError", e.to_string()))?;
    check(&input["schema"], nsid, &value, "Input")
        .map_err(|broken| Refusal::invalid(broken.message))?;
    Ok(value)
}
