//! Refreshing a token: exchange it, and hand the fresh ones to the settlement, which stores them before anything uses them.

use super::Tools;
use crate::attempt::AttemptState;
use crate::decide::Report;
use publisher::{Account, Deadline, Failure, Progress, Receipt, TokenSet};
use store::queue::{Claimed, LoadedAccount};
use vault::{OpenError, Owner, Purpose};

pub(super) async fn run(
    tools: &Tools,
    job: &Claimed,
    loaded: &LoadedAccount,
    state: &AttemptState,
) -> Report {
    if job.give_up_at <= job.claimed_at {
        return Report::Overdue;
    }
    let Some(connector) = tools.registry.get(&loaded.platform) else {
        return Report::Unreadable;
    };
    let Some(sealed) = &loaded.sealed_tokens else {
        return Report::Failed(Failure::account_blocked(
            "account.disconnected",
            "the account is not connected any more",
        ));
    };
    let tokens = match tools.vault.open(
        sealed,
        Owner::account(loaded.id.uuid()),
        Purpose::AccountToken,
    ) {
        Ok(plain) => TokenSet::from_sealable(&plain),
        Err(OpenError::UnknownKey(_)) => return Report::Unreadable,
        Err(OpenError::Malformed | OpenError::Forged) => None,
    };
    let Some(tokens) = tokens else {
        let failure = Failure::account_blocked(
            "account.tokens_unreadable",
            "the account's stored tokens do not open",
        );
        return Report::Failed(failure.remediation("connect the account again"));
    };
    if tokens.refresh.is_none() {
        let failure = Failure::account_blocked(
            "account.token_ended",
            "the platform gave nothing to renew this account's access with, and it has ended",
        );
        return Report::Failed(failure.remediation("connect the account again"));
    }
    let account = Account {
        id: loaded.id,
        platform_account_id: loaded.platform_account_id.clone(),
        handle: loaded.handle.clone(),
        profile: loaded.profile_data.clone(),
    };
    let deadline = Deadline::after(connector.habits.call_deadline);
    match connector
        .authorizer
        .refresh(&account, &tokens, job.claimed_at, deadline)
        .await
    {
        Ok(fresh) => {
            state.keep_refreshed(fresh);
            Report::Did(Progress::Published(Receipt::default()))
        }
        Err(failure) => Report::Failed(failure),
    }
}
