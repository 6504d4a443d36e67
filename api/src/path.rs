//! Ids in paths: what is no id is answered like an id that nobody has.

use crate::{State, problem::Problem};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use std::str::FromStr;

/// The first parameter of the path as an id; none if it cannot be one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathId<T>(pub(crate) Option<T>);

impl<T: FromStr> FromRequestParts<State> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        Ok(Self(
            first(parts, state).await.and_then(|text| text.parse().ok()),
        ))
    }
}

/// The first parameter of the path as text; empty if it is not UTF-8.
#[derive(Clone, Debug)]
pub(crate) struct PathWord(pub(crate) String);

impl FromRequestParts<State> for PathWord {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        Ok(Self(first(parts, state).await.unwrap_or_default()))
    }
}

async fn first(parts: &mut Parts, state: &State) -> Option<String> {
    let parameters = RawPathParams::from_request_parts(parts, state).await.ok()?;
    parameters.iter().next().map(|(_, value)| value.to_owned())
}
