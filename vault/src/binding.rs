//! What a sealed value is bound to: whose it is and what it is for.
//!
//! The one idea: the binding is not stored. Whoever opens says owner and purpose again, and the cipher compares them
//! as associated data, so a ciphertext copied to another row or another use does not open there.
//!
//! The words below are part of wire format v1. To change one is to lose every value sealed with it; golden tests hold
//! them.

use crate::{KeyId, sealed::VERSION};
use uuid::Uuid;

/// Says which of the two ciphertexts of an envelope the associated data belongs to.
const PAYLOAD: u8 = b'p';
const DATA_KEY: u8 = b'k';

/// Whose a sealed value is: the thing, not the row, so that a value which moves between tables still opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    kind: &'static str,
    id: Uuid,
}

impl Owner {
    /// A connected account.
    pub const fn account(id: Uuid) -> Self {
        Self {
            kind: "account",
            id,
        }
    }

    /// A post.
    pub const fn post(id: Uuid) -> Self {
        Self { kind: "post", id }
    }

    /// A job.
    pub const fn job(id: Uuid) -> Self {
        Self { kind: "job", id }
    }

    /// A webhook endpoint.
    pub const fn endpoint(id: Uuid) -> Self {
        Self {
            kind: "endpoint",
            id,
        }
    }

    /// An organisation.
    pub const fn organisation(id: Uuid) -> Self {
        Self {
            kind: "organisation",
            id,
        }
    }

    /// The installation itself; there is one, so it has no id.
    pub const fn installation() -> Self {
        Self {
            kind: "installation",
            id: Uuid::nil(),
        }
    }
}

/// What a sealed value is for.
///
/// A purpose does not tell two values of one owner apart: what belongs together (access and refresh token) is best
/// sealed as one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Access, refresh and session tokens and app passwords of an account.
    AccountToken,
    /// A connector's checkpoint; it may hold upload addresses that are credentials.
    Checkpoint,
    /// The secret that signs webhook deliveries.
    WebhookSecret,
    /// A platform application's client secret, entered at run time.
    ClientSecret,
    /// The PKCE verifier of an authorization in progress.
    PkceVerifier,
    /// An answer kept to be replayed to a repeated request.
    ReplayedAnswer,
    /// The known value that tells whether a master key is the right one.
    Canary,
}

impl Purpose {
    /// Every purpose, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::AccountToken,
        Self::Checkpoint,
        Self::WebhookSecret,
        Self::ClientSecret,
        Self::PkceVerifier,
        Self::ReplayedAnswer,
        Self::Canary,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::AccountToken => "account_token",
            Self::Checkpoint => "checkpoint",
            Self::WebhookSecret => "webhook_secret",
            Self::ClientSecret => "client_secret",
            Self::PkceVerifier => "pkce_verifier",
            Self::ReplayedAnswer => "replayed_answer",
            Self::Canary => "canary",
        }
    }
}

/// Associated data of the payload: version ‖ `p` ‖ binding. Free of the key id, because a rewrap leaves the payload
/// as it is.
pub(crate) fn of_payload(owner: Owner, purpose: Purpose) -> Vec<u8> {
    let mut data = vec![VERSION, PAYLOAD];
    bind(&mut data, owner, purpose);
    data
}

/// Associated data of the wrapped data key: version ‖ `k` ‖ key id, padded ‖ binding.
pub(crate) fn of_data_key(key: KeyId, owner: Owner, purpose: Purpose) -> Vec<u8> {
    let mut data = vec![VERSION, DATA_KEY];
    data.extend_from_slice(key.padded());
    bind(&mut data, owner, purpose);
    data
}

/// The binding: owner's kind ‖ NUL ‖ owner's id, 16 bytes ‖ purpose ‖ NUL. No word has a NUL in it, so no two
/// bindings are spelled alike.
fn bind(data: &mut Vec<u8>, owner: Owner, purpose: Purpose) {
    data.extend_from_slice(owner.kind.as_bytes());
    data.push(0);
    data.extend_from_slice(owner.id.as_bytes());
    data.extend_from_slice(purpose.word().as_bytes());
    data.push(0);
}
