//! What a writer in the database can do to a sealed value: nothing that opens.

use crate::fixture::{ID, both, id, key, new_only};
use uuid::Uuid;
use vault::{
    Keyring, OVERHEAD_BYTES, OpenError, Owner, PLAINTEXT_BYTES_MAX, Purpose, RewrapError, Vault,
};

const PLAINTEXT: &[u8] = b"a refresh token";
const OWNER: Owner = Owner::account(ID);
const PURPOSE: Purpose = Purpose::AccountToken;

/// Where the parts of an envelope lie.
const KEY_ID: std::ops::Range<usize> = 1..9;
const WRAP_END: usize = 69;
const BODY_NONCE_END: usize = 81;

fn sealed(vault: &Vault) -> Vec<u8> {
    vault.seal(PLAINTEXT, OWNER, PURPOSE).unwrap().into_bytes()
}

fn open(bytes: &[u8]) -> Result<Vec<u8>, OpenError> {
    both()
        .open(bytes, OWNER, PURPOSE)
        .map(|opened| opened.to_vec())
}

#[test]
fn every_flipped_bit_fails() {
    let good = sealed(&both());
    assert_eq!(open(&good), Ok(PLAINTEXT.to_vec()));
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert_refused(&bad, at);
        }
    }
}

#[test]
fn every_replaced_byte_fails() {
    let vault = both();
    let good = sealed(&vault);
    let mut bad = good.clone();
    for at in 0..good.len() {
        for value in (0..=u8::MAX).filter(|&value| value != good[at]) {
            bad[at] = value;
            assert_refused(&bad, at);
        }
        bad[at] = good[at];
    }
}

/// The place that was changed decides the error; past the key id there is one error for everything.
fn assert_refused(bad: &[u8], at: usize) {
    let result = open(bad);
    if at == 0 {
        assert_eq!(result, Err(OpenError::Malformed));
    } else if KEY_ID.contains(&at) {
        // Another id: misspelled, unknown, or the other key of the ring.
        assert!(result.is_err(), "byte {at}");
    } else {
        assert_eq!(result, Err(OpenError::Forged), "byte {at}");
    }
}

#[test]
fn every_truncation_fails_at_either_end() {
    let good = sealed(&both());
    for length in 0..good.len() {
        assert!(open(&good[..length]).is_err(), "first {length} bytes");
        assert!(
            open(&good[good.len() - length..]).is_err(),
            "last {length} bytes"
        );
    }
    assert_eq!(open(&good[..OVERHEAD_BYTES - 1]), Err(OpenError::Malformed));
}

#[test]
fn every_appended_byte_fails() {
    let good = sealed(&both());
    for value in 0..=u8::MAX {
        let mut bad = good.clone();
        bad.push(value);
        assert_eq!(open(&bad), Err(OpenError::Forged));
    }
}

#[test]
fn bytes_longer_than_anything_sealed_are_not_even_decrypted() {
    let mut bad = sealed(&both());
    bad.resize(OVERHEAD_BYTES + PLAINTEXT_BYTES_MAX + 1, 0);
    assert_eq!(open(&bad), Err(OpenError::Malformed));
}

#[test]
fn another_owner_does_not_open_it() {
    let good = sealed(&both());
    let others = [
        Owner::account(Uuid::from_u128(ID.as_u128() ^ 1)),
        Owner::post(ID),
        Owner::job(ID),
        Owner::endpoint(ID),
        Owner::organisation(ID),
        Owner::installation(),
    ];
    for other in others {
        assert_eq!(
            both().open(&good, other, PURPOSE),
            Err(OpenError::Forged),
            "{other:?}"
        );
    }
}

#[test]
fn another_purpose_does_not_open_it() {
    let good = sealed(&both());
    for other in Purpose::ALL.into_iter().filter(|&other| other != PURPOSE) {
        assert_eq!(
            both().open(&good, OWNER, other),
            Err(OpenError::Forged),
            "{other:?}"
        );
    }
}

#[test]
fn parts_of_two_genuine_values_do_not_make_a_third() {
    let (one, two) = (sealed(&both()), sealed(&both()));
    for cut in [WRAP_END, BODY_NONCE_END, one.len() - 16] {
        let glued = [&one[..cut], &two[cut..]].concat();
        assert_eq!(open(&glued), Err(OpenError::Forged), "glued at {cut}");
    }
}

#[test]
fn a_renamed_key_id_does_not_open_even_where_both_names_mean_the_same_key() {
    let ring = Keyring::new((id("k1"), key(0)))
        .with_retired(id("k2"), key(0))
        .unwrap();
    let vault = Vault::new(ring);
    let mut bad = sealed(&vault);
    bad[KEY_ID].copy_from_slice(b"k2\0\0\0\0\0\0");
    assert_eq!(vault.open(&bad, OWNER, PURPOSE), Err(OpenError::Forged));
}

#[test]
fn a_misspelled_key_id_is_malformed() {
    let mut bad = sealed(&both());
    let spellings = [
        b"\0\0\0\0\0\0\0\0",
        b"k1\0x\0\0\0\0",
        b"k 1\0\0\0\0\0",
        b"\0k1\0\0\0\0\0",
        b"k1\xff\0\0\0\0\0",
    ];
    for spelling in spellings {
        bad[KEY_ID].copy_from_slice(spelling);
        assert_eq!(open(&bad), Err(OpenError::Malformed));
        assert_eq!(Vault::key_id_of(&bad), Err(OpenError::Malformed));
    }
}

#[test]
fn another_key_under_the_same_id_does_not_open_it() {
    let impostor = Vault::new(Keyring::new((id("k1"), key(0x55))));
    assert_eq!(
        impostor.open(&sealed(&new_only()), OWNER, PURPOSE),
        Err(OpenError::Forged)
    );
}

#[test]
fn a_forged_wrap_is_not_rewrapped() {
    let old = sealed(&crate::fixture::old_only());
    for at in KEY_ID.end..WRAP_END {
        let mut bad = old.clone();
        bad[at] ^= 1;
        let rewrapped = both().rewrap(&bad, OWNER, PURPOSE);
        assert_eq!(
            rewrapped,
            Err(RewrapError::Open(OpenError::Forged)),
            "byte {at}"
        );
    }
    let stranger = both().rewrap(&old, Owner::post(ID), PURPOSE);
    assert_eq!(stranger, Err(RewrapError::Open(OpenError::Forged)));
}
