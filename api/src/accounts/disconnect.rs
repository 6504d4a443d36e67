//! Disconnecting an account: it is gone at once, with everything that its platform gave.

use crate::{
    State,
    auth::{Caller, Writer, revoked},
    path::PathId,
    problem::Problem,
};
use axum::{Json, extract::State as Shared};
use engine::{DisconnectError, DisconnectRequest, Ended};
use publisher::{Warning, id::AccountId};
use serde::Serialize;

/// An account that is gone, and what became of its posts that waited or were under way.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Gone {
    id: AccountId,
    deleted: bool,
    canceled_posts: i64,
    unresolved_posts: i64,
    published_posts: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// `DELETE /v1/accounts/:id`.
pub(crate) async fn disconnect(
    Shared(state): Shared<State>,
    Writer(caller): Writer,
    PathId(id): PathId<AccountId>,
) -> Result<Json<Gone>, Problem> {
    let missing = || caller.not_found("account");
    let client = state.client();
    let account = client
        .store()
        .get_account(caller.org, id.ok_or_else(missing)?, caller.pin)
        .await?
        .ok_or_else(missing)?;
    // Behind the look-up: what a pinned key may not see is answered like what does not exist.
    caller.require_org_wide("disconnect")?;
    let ask = DisconnectRequest {
        org: caller.org,
        account: account.id,
        api_key: Some(caller.key),
        by: &format!("API key {}", caller.key),
    };
    let done = client
        .disconnect_account(ask)
        .await
        .map_err(|error| refused(error, &caller))?;
    let Ended {
        canceled,
        unresolved,
        published,
    } = done.ended;
    Ok(Json(Gone {
        id: account.id,
        deleted: true,
        canceled_posts: canceled,
        unresolved_posts: unresolved,
        published_posts: published,
        warnings: done.warning.into_iter().collect(),
    }))
}

fn refused(error: DisconnectError, caller: &Caller) -> Problem {
    match error {
        DisconnectError::NotFound => caller.not_found("account"),
        DisconnectError::KeyRevoked => revoked("The account stays connected."),
        DisconnectError::Store(error) => error.into(),
    }
}
