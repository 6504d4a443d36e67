//! `GET /v1/posts`: a page of posts, newest first.

use super::view::{PostView, post_view};
use crate::{
    State,
    auth::Reader,
    problem::Problem,
    query::{self, Params},
    wire::Page,
};
use axum::{Json, extract::State as Shared};
use publisher::Registry;
use serde_json::{Map, Value};
use store::PostFilter;
use uuid::Uuid;

const LIMIT_DEFAULT: i64 = 50;

const LIMIT_MAX: i64 = 200;

const WORDS_CHARS_MAX: usize = 200;

/// `validated` is a word of the contract that no post of ours ever has.
const STATUSES: [&str; 7] = [
    "queued",
    "publishing",
    "published",
    "rejected",
    "failed",
    "canceled",
    "validated",
];

/// Posts that match all filters, and where the next page begins.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    mut params: Params,
) -> Result<Json<Page<PostView>>, Problem> {
    let mut warnings = Vec::new();
    let profile = caller.narrow(params.profile()?)?;
    let limit = params.limit()?.unwrap_or(LIMIT_DEFAULT);
    if limit > LIMIT_MAX {
        return Err(query::invalid(
            "limit",
            "Number must be less than or equal to 200",
        ));
    }
    let filter = PostFilter {
        profile,
        ..filter(&mut params, state.client().registry())?
    };
    let cursor = params.cursor::<Uuid>(&mut warnings)?;
    warnings.extend(params.rest());
    let wanted = i32::try_from(limit).unwrap_or(i32::MAX - 1);
    let mut rows = state
        .client()
        .store()
        .list_posts(caller.org, &filter, cursor.as_ref(), wanted + 1)
        .await?;
    let has_more = rows.len() > usize::try_from(wanted).unwrap_or(usize::MAX);
    if has_more {
        rows.pop();
    }
    let last = rows.last().filter(|_| has_more);
    let next_cursor = last.map(|row| query::write_cursor(row.created_at, row.id));
    Ok(Json(Page {
        data: rows.into_iter().map(post_view).collect(),
        next_cursor,
        warnings,
    }))
}

fn filter(params: &mut Params, registry: &Registry) -> Result<PostFilter, Problem> {
    let statuses = params.list("status");
    if let Some(unknown) = statuses
        .iter()
        .flatten()
        .find(|status| !STATUSES.contains(&status.as_str()))
    {
        let message = format!(
            "There is no status `{}`; there are {}.",
            crate::json::segment(unknown),
            STATUSES[..6].join(", ")
        );
        return Err(query::invalid("status", &message));
    }
    let platforms = params.list("platform").map(|names| {
        let wire_id = |name: String| {
            registry
                .get(&name)
                .map_or(name, |connector| connector.platform.to_owned())
        };
        names.into_iter().map(wire_id).collect()
    });
    let words = params
        .one("q")?
        .map(|words| words.trim().to_owned())
        .filter(|words| !words.is_empty());
    if words
        .as_ref()
        .is_some_and(|words| words.chars().count() > WORDS_CHARS_MAX)
    {
        return Err(query::invalid(
            "q",
            "String must contain at most 200 character(s)",
        ));
    }
    let metadata: Map<String, Value> = params
        .prefixed("metadata.")
        .into_iter()
        .map(|(key, value)| (key, Value::String(value)))
        .collect();
    Ok(PostFilter {
        profile: None,
        platforms,
        statuses,
        error_codes: params.list("errorCode"),
        after: params.instant("after")?,
        before: params.instant("before")?,
        words,
        metadata: (!metadata.is_empty()).then_some(Value::Object(metadata)),
    })
}
