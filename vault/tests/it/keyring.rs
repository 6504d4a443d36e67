//! Lists of master keys as operators write them, and what may be printed of them.

use crate::fixture::{ID, both, id, key};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use vault::{KeyId, Keyring, KeyringError, MasterKey, OpenError, Owner, Purpose, Vault, ZeroKey};

/// Its base64 has characters in which the alphabets differ, and needs padding.
const KEY: [u8; 32] = [0xfb; 32];

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn refused(list: &str) -> KeyringError {
    Keyring::parse(list).unwrap_err()
}

fn ids(ring: &Keyring) -> Vec<String> {
    ring.ids().map(|id| id.to_string()).collect()
}

#[test]
fn one_entry_is_a_ring_of_one_active_key() {
    let ring = Keyring::parse(&format!("k1:{}", base64(&KEY))).unwrap();
    assert_eq!(ring.active_id(), id("k1"));
    assert_eq!(ids(&ring), ["k1"]);
}

#[test]
fn every_spelling_of_base64_means_the_same_key() {
    let by_hand = Vault::new(Keyring::new((id("k1"), MasterKey::new(&KEY).unwrap())));
    let canary = by_hand.seal_canary(id("k1")).unwrap();
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        let ring = Keyring::parse(&format!("k1:{}", engine.encode(KEY))).unwrap();
        assert_eq!(
            Vault::new(ring).open_canary(canary.as_bytes()),
            Ok(id("k1"))
        );
    }
}

#[test]
fn the_first_entry_is_active_and_the_others_are_retired_in_order() {
    let [a, b, c] = [1, 2, 3].map(|byte| base64(&[byte; 32]));
    let lists = [
        format!("new:{a},mid:{b},old:{c}"),
        format!("new:{a}\nmid:{b}\nold:{c}\n"),
        format!("\r\n  new : {a} , mid:{b}\r\n\r\n\told:{c}\r\n"),
    ];
    for list in lists {
        let ring = Keyring::parse(&list).unwrap();
        assert_eq!(ring.active_id(), id("new"));
        assert_eq!(ids(&ring), ["new", "mid", "old"]);
    }
}

#[test]
fn an_empty_list_is_refused_with_the_remedy() {
    for list in ["", "  ", "\n\r\n"] {
        assert_eq!(refused(list), KeyringError::Empty);
    }
    assert!(
        KeyringError::Empty
            .to_string()
            .contains("openssl rand -base64 32")
    );
}

#[test]
fn a_blank_between_commas_does_not_promote_the_retired_key() {
    let list = format!(",old:{}", base64(&KEY));
    assert_eq!(refused(&list), KeyringError::NoColon { position: 1 });
    let list = format!("new:{},", base64(&KEY));
    assert_eq!(refused(&list), KeyringError::NoColon { position: 2 });
}

#[test]
fn a_duplicate_id_is_refused_in_a_list_and_by_hand() {
    let list = format!("k1:{},k1:{}", base64(&KEY), base64(&[1; 32]));
    assert_eq!(refused(&list), KeyringError::DuplicateId { id: id("k1") });

    let ring = Keyring::new((id("k1"), key(0))).with_retired(id("k1"), key(1));
    assert_eq!(
        ring.unwrap_err(),
        KeyringError::DuplicateId { id: id("k1") }
    );
}

#[test]
fn a_bad_id_is_refused_by_its_position() {
    for bad in ["", "ninechars", "k 1", "k.1", "ключ", "k\u{0}"] {
        let list = format!("good:{},{bad}:{}", base64(&[1; 32]), base64(&KEY));
        let KeyringError::BadId { position, .. } = refused(&list) else {
            panic!("{bad:?}")
        };
        assert_eq!(position, 2);
    }
}

#[test]
fn bad_base64_is_refused_by_its_id() {
    let mixed_alphabets = STANDARD.encode(KEY).replacen('+', "-", 1);
    let trailing_bits = format!("{}B=", "A".repeat(42));
    for bad in [
        "!",
        "abc\u{e9}",
        mixed_alphabets.as_str(),
        trailing_bits.as_str(),
    ] {
        assert_eq!(
            refused(&format!("k1:{bad}")),
            KeyringError::BadBase64 { id: id("k1") },
            "{bad}"
        );
    }
}

#[test]
fn a_key_of_any_other_length_is_refused_with_its_length() {
    for bytes in [0, 16, 31, 33, 48, 64] {
        let error = refused(&format!("k1:{}", base64(&vec![9; bytes])));
        assert_eq!(
            error,
            KeyringError::WrongLength {
                id: id("k1"),
                bytes
            }
        );
    }
    assert_eq!(
        refused(&format!("k1:{}", base64(&[9; 31]))).to_string(),
        "master key `k1` has 31 bytes after base64 decoding; it must have exactly 32. \
         Make one with: openssl rand -base64 32"
    );
}

#[test]
fn a_key_of_zeros_is_refused() {
    let error = refused(&format!("k1:{}", base64(&[0; 32])));
    assert_eq!(error, KeyringError::ZeroKey { id: id("k1") });
    assert_eq!(MasterKey::new(&[0; 32]).unwrap_err(), ZeroKey);
}

#[test]
fn no_refusal_repeats_key_material() {
    let secret = base64(&KEY);
    let (long, broken) = (base64(&[0xfb; 33]), secret.replacen('+', "!", 1));
    let lists = [
        secret.clone(),
        format!("{secret}:k1"),
        format!("k1:{secret},{secret}"),
        format!("k1:{secret},k1:{secret}"),
        format!("k1:{long}"),
        format!("k1:{broken}"),
    ];
    for list in lists {
        let error = refused(&list);
        let said = format!("{error} {error:?}");
        assert!(!said.contains("+/v7") && !said.contains("251"), "{said}");
    }
}

#[test]
fn a_key_id_prints_as_it_was_written_and_sorts_by_text() {
    for text in ["a", "k1", "2026-11", "A_b-C_d8"] {
        assert_eq!(id(text).to_string(), text);
        assert_eq!(format!("{:?}", id(text)), text);
    }
    assert!(id("a") < id("aa") && id("aa") < id("b"));
    assert!("ninechars".parse::<KeyId>().is_err());
}

#[test]
fn debug_shows_ids_and_lengths_and_nothing_else() {
    let vault = both();
    let sealed = vault
        .seal(b"secret", Owner::account(ID), Purpose::AccountToken)
        .unwrap();
    assert_eq!(format!("{vault:?}"), "Vault { ring: Keyring[k1, k0] }");
    assert_eq!(format!("{:?}", vault.keyring()), "Keyring[k1, k0]");
    assert_eq!(format!("{sealed:?}"), "Sealed { bytes: 103, key: k1 }");
    assert_eq!(format!("{:?}", key(1)), "MasterKey(…)");
}

#[test]
fn an_unknown_key_is_named_with_the_remedy() {
    let said = OpenError::UnknownKey(id("k7")).to_string();
    assert!(said.contains("`k7`") && said.contains("retired"), "{said}");
}
