//! Values sealed in the past still open, and canaries tell master keys apart.

use crate::fixture::{ID, both, bytes, id, key, lines, new_only, old_only};
use vault::{Keyring, OpenError, Owner, Purpose, SealError, Vault};

struct Stored {
    owner: Owner,
    purpose: Purpose,
    key: &'static str,
    plaintext: Vec<u8>,
    sealed: Vec<u8>,
}

fn owner(word: &str) -> Owner {
    match word {
        "account" => Owner::account(ID),
        "post" => Owner::post(ID),
        "job" => Owner::job(ID),
        "endpoint" => Owner::endpoint(ID),
        "organisation" => Owner::organisation(ID),
        "installation" => Owner::installation(),
        word => panic!("no owner is called {word}"),
    }
}

fn purpose(word: &str) -> Purpose {
    match word {
        "account_token" => Purpose::AccountToken,
        "checkpoint" => Purpose::Checkpoint,
        "webhook_secret" => Purpose::WebhookSecret,
        "client_secret" => Purpose::ClientSecret,
        "pkce_verifier" => Purpose::PkceVerifier,
        "replayed_answer" => Purpose::ReplayedAnswer,
        "canary" => Purpose::Canary,
        word => panic!("no purpose is called {word}"),
    }
}

fn stored() -> Vec<Stored> {
    let stored: Vec<Stored> = lines(include_str!("../vectors/sealed-v1.txt"))
        .into_iter()
        .map(|[owned_by, made_for, key, plaintext, sealed]| Stored {
            owner: owner(owned_by),
            purpose: purpose(made_for),
            key,
            plaintext: bytes(plaintext),
            sealed: bytes(sealed),
        })
        .collect();
    assert_eq!(
        stored.len(),
        6 * Purpose::ALL.len(),
        "every owner kind with every purpose"
    );
    stored
}

#[test]
fn every_stored_v1_value_still_opens() {
    for value in stored() {
        let opened = both()
            .open(&value.sealed, value.owner, value.purpose)
            .unwrap();
        assert_eq!(
            *opened, value.plaintext,
            "{:?} {:?}",
            value.owner, value.purpose
        );
        assert_eq!(Vault::key_id_of(&value.sealed), Ok(id(value.key)));
    }
}

#[test]
fn a_stored_value_opens_for_no_other_owner_or_purpose() {
    let stored = stored();
    for value in &stored {
        for other in &stored {
            if (value.owner, value.purpose) != (other.owner, other.purpose) {
                let opened = both().open(&value.sealed, other.owner, other.purpose);
                assert_eq!(opened, Err(OpenError::Forged));
            }
        }
    }
}

#[test]
fn a_value_under_a_key_that_is_not_on_the_ring_says_which() {
    for value in stored() {
        let (without, missing) = if value.key == "k1" {
            (old_only(), "k1")
        } else {
            (new_only(), "k0")
        };
        let opened = without.open(&value.sealed, value.owner, value.purpose);
        assert_eq!(opened, Err(OpenError::UnknownKey(id(missing))));
    }
}

#[test]
fn a_stored_canary_opens_under_its_own_master_key_only() {
    let canary = stored().pop().unwrap();
    assert_eq!(
        (canary.owner, canary.purpose),
        (Owner::installation(), Purpose::Canary)
    );
    assert_eq!(both().open_canary(&canary.sealed), Ok(id("k0")));

    let impostor = Vault::new(Keyring::new((id("k0"), key(0x77))));
    assert_eq!(impostor.open_canary(&canary.sealed), Err(OpenError::Forged));
    assert_eq!(
        new_only().open_canary(&canary.sealed),
        Err(OpenError::UnknownKey(id("k0")))
    );
    assert_eq!(
        both().open_canary(b"nothing of ours"),
        Err(OpenError::Malformed)
    );
}

#[test]
fn a_canary_is_sealed_under_the_key_it_is_asked_for() {
    for name in ["k1", "k0"] {
        let canary = both().seal_canary(id(name)).unwrap();
        assert_eq!(Vault::key_id_of(canary.as_bytes()), Ok(id(name)));
        assert_eq!(both().open_canary(canary.as_bytes()), Ok(id(name)));
    }
    assert_eq!(
        both().seal_canary(id("k2")),
        Err(SealError::UnknownKey(id("k2")))
    );
}

#[test]
fn a_value_that_opens_but_says_something_else_is_no_canary() {
    let other = both()
        .seal(b"something else", Owner::installation(), Purpose::Canary)
        .unwrap();
    assert_eq!(both().open_canary(other.as_bytes()), Err(OpenError::Forged));
}
