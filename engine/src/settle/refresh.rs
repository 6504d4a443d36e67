//! What a decision means for a token refresh: fresh tokens, or an account that needs its owner.

use super::announce::announce;
use super::host_of_profile;
use crate::decide::Settlement as Decision;
use crate::events;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use publisher::{Class, Refreshed};
use secrecy::ExposeSecret as _;
use store::queue::Settlement;
use vault::{Owner, Purpose, Vault};

pub(super) fn write_refresh(
    row: &mut Settlement,
    account: &store::queue::LoadedAccount,
    decision: &Decision,
    refreshed: Option<Refreshed>,
    vault: &Vault,
) {
    row.refreshes_token = false;
    let refused = match decision {
        Decision::Complete { .. } => {
            row.outcome = None;
            if let Some(Refreshed { tokens, profile }) = refreshed {
                let sealable = tokens.to_sealable();
                let owner = Owner::account(account.id.uuid());
                match vault.seal(
                    sealable.expose_secret().as_bytes(),
                    owner,
                    Purpose::AccountToken,
                ) {
                    Ok(sealed) => {
                        row.sealed_tokens = Some(BASE64.encode(sealed.as_bytes()));
                        row.token_generation = Some(account.token_generation);
                        row.token_expires_at = tokens.expires_at;
                        row.host = profile.as_ref().and_then(host_of_profile);
                        row.profile = profile;
                    }
                    Err(error) => {
                        tracing::error!(account = %account.id, error = %error, "fresh tokens could not be sealed");
                    }
                }
            }
            None
        }
        Decision::Hold { failure, .. } => Some(failure),
        Decision::DeadLetter { failure, .. } if failure.class == Class::AccountBlocked => {
            Some(failure)
        }
        _ => None,
    };
    if let Some(failure) = refused {
        // Nothing to send again: the account's owner must reconnect, and its posts wait for that.
        row.kind = "dead_letter";
        row.hold_reason = None;
        row.account_status = Some("needs_reauth");
        row.account_reason = Some(failure.message.clone());
        let id = Some(account.platform_account_id.as_str());
        let data =
            events::token_revoked(&account.platform, account.id.uuid(), id, &failure.message);
        announce(row, "token.revoked", data);
    }
}
