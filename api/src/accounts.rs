//! Connected accounts: what their owner may see of them. Tokens never leave the vault through here.

pub(crate) mod connect;
pub(crate) mod consent;
pub(crate) mod disconnect;

use crate::{
    State,
    auth::Reader,
    path::PathId,
    problem::Problem,
    query::Params,
    wire::{as_instant, as_optional_instant},
};
use axum::{Json, extract::State as Shared};
use chrono::{DateTime, Utc};
use publisher::{
    Warning,
    id::{AccountId, ProfileId},
};
use serde::Serialize;
use store::AccountRow;

/// An account as its owner sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountView {
    id: AccountId,
    profile_id: ProfileId,
    platform: String,
    platform_account_id: String,
    display_name: Option<String>,
    handle: Option<String>,
    profile_url: Option<String>,
    status: String,
    status_reason: Option<String>,
    #[serde(serialize_with = "as_optional_instant")]
    token_expires_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "as_instant")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "as_instant")]
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// All accounts that match.
#[derive(Debug, Serialize)]
pub(crate) struct Accounts {
    data: Vec<AccountView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// `GET /v1/accounts`: oldest first, all at once; a profile that nobody has, has none.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    mut params: Params,
) -> Result<Json<Accounts>, Problem> {
    let asked = params
        .one("profileId")?
        .map(|text| text.parse::<ProfileId>());
    let is_nobodys = matches!(asked, Some(Err(_)));
    if is_nobodys && caller.pin.is_some() {
        return Err(caller.not_found("profile"));
    }
    let profile = caller.narrow(asked.and_then(Result::ok))?;
    let rows = if is_nobodys {
        Vec::new()
    } else {
        state
            .client()
            .store()
            .list_accounts(caller.org, profile, None)
            .await?
    };
    let data = rows.into_iter().map(|row| view(row, Vec::new())).collect();
    Ok(Json(Accounts {
        data,
        warnings: params.rest(),
    }))
}

/// `GET /v1/accounts/:id`.
pub(crate) async fn get(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    PathId(id): PathId<AccountId>,
) -> Result<Json<AccountView>, Problem> {
    let missing = || caller.not_found("account");
    let found = state
        .client()
        .store()
        .get_account(caller.org, id.ok_or_else(missing)?, caller.pin)
        .await?;
    found
        .map(|row| Json(view(row, Vec::new())))
        .ok_or_else(missing)
}

fn view(row: AccountRow, warnings: Vec<Warning>) -> AccountView {
    // A connector that knows where people see the account says so in what it keeps.
    let profile_url = row
        .profile_data
        .get("profileUrl")
        .and_then(|url| url.as_str())
        .map(str::to_owned);
    AccountView {
        id: row.id,
        profile_id: row.profile,
        platform: row.platform,
        platform_account_id: row.platform_account_id,
        display_name: row.display_name,
        handle: row.handle,
        profile_url,
        status: row.status,
        status_reason: row.status_reason,
        token_expires_at: row.token_expires_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
        warnings,
    }
}
