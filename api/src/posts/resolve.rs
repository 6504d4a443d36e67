//! Which accounts a request means, as far as its caller may see them.

use super::shape::{Choice, Request};
use crate::{
    State,
    auth::Caller,
    problem::{Code, Violation},
};
use publisher::id::AccountId;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use store::{AccountRow, StoreError};

/// More candidates than this help nobody to choose.
const CANDIDATES_MAX: usize = 100;

/// The account of each target; none where there is a violation, now or before.
pub(super) async fn accounts(
    state: &State,
    caller: &Caller,
    request: &Request,
    found: &mut Vec<Violation>,
) -> Result<Vec<Option<AccountRow>>, StoreError> {
    let store = state.client().store();
    let mut by_id: HashMap<AccountId, Option<AccountRow>> = HashMap::new();
    let mut by_platform: BTreeMap<&str, Vec<AccountRow>> = BTreeMap::new();
    let mut resolved = Vec::with_capacity(request.targets.len());
    for (at, target) in request.targets.iter().enumerate() {
        let account = match &target.choice {
            None => Ok(None),
            Some(Choice::Account(id, platform)) => {
                if !by_id.contains_key(id) {
                    by_id.insert(*id, store.get_account(caller.org, *id, caller.pin).await?);
                }
                by_id[id]
                    .clone()
                    .ok_or_else(|| unknown(at, caller))
                    .and_then(|row| of_platform(at, row, *platform))
                    .map(Some)
            }
            Some(Choice::Platform(platform)) => {
                if !by_platform.contains_key(platform) {
                    let profile = caller.pin.or(request.profile);
                    by_platform.insert(
                        platform,
                        store
                            .list_accounts(caller.org, profile, Some(platform))
                            .await?,
                    );
                }
                the_only_one(at, platform, &by_platform[platform]).map(Some)
            }
        };
        let account = account.unwrap_or_else(|violation| {
            found.push(violation);
            None
        });
        if let (Some(account), Some(named)) = (&account, &target.options_for)
            && account.platform != *named
        {
            let message = format!(
                "The options are for {named}, the account is of {}.",
                account.platform
            );
            let path = format!("targets.{at}.options.platform");
            let violation =
                Violation::new("targets.options.platform_mismatch", path, message).target(at);
            found.push(
                violation
                    .platform(&account.platform)
                    .remedy("Send the options of the account's platform."),
            );
        }
        resolved.push(account);
    }
    Ok(resolved)
}

/// One answer for what does not exist and for what the caller may not see.
fn unknown(at: usize, caller: &Caller) -> Violation {
    let rule = if caller.pin.is_some() {
        "api_key.profile_scope"
    } else {
        "target.account.unknown"
    };
    Violation::new(
        rule,
        format!("targets.{at}.accountId"),
        "There is no such account.",
    )
    .target(at)
    .code(Code::NotFound)
    .remedy("GET /v1/accounts lists the accounts that this key may use.")
}

fn of_platform(
    at: usize,
    account: AccountRow,
    platform: Option<&str>,
) -> Result<AccountRow, Violation> {
    match platform {
        Some(named) if named != account.platform => {
            let message = format!(
                "The target says {named}, the account is of {}.",
                account.platform
            );
            let path = format!("targets.{at}.platform");
            let violation =
                Violation::new("targets.account.platform_mismatch", path, message).target(at);
            Err(violation
                .platform(&account.platform)
                .remedy("Leave `platform` out, or name another account."))
        }
        _ => Ok(account),
    }
}

fn the_only_one(
    at: usize,
    platform: &str,
    accounts: &[AccountRow],
) -> Result<AccountRow, Violation> {
    let violation = |rule: &str, message: String| {
        Violation::new(rule, format!("targets.{at}.platform"), message)
            .target(at)
            .platform(platform)
    };
    match accounts {
        [account] => Ok(account.clone()),
        [] => {
            let message = format!("No account of {platform} is connected.");
            Err(
                violation("target.account.not_connected", message).remedy(format!(
                    "Connect one with POST /v1/accounts/connect/{platform}."
                )),
            )
        }
        several => {
            let candidates: Vec<_> = several
                .iter()
                .take(CANDIDATES_MAX)
                .map(|account| account.id.to_string())
                .collect();
            let message = format!("{} accounts of {platform} are connected.", several.len());
            Err(violation("target.account.ambiguous", message)
                .details(json!({ "candidates": candidates }))
                .remedy("Name one of them by accountId."))
        }
    }
}
