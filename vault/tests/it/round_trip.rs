//! What is sealed opens again, before and after a rotation of the master key.

use crate::fixture::{ID, both, id, new_only, old_only};
use proptest::{arbitrary::any, collection::vec, prelude::Strategy, proptest, sample::select};
use uuid::Uuid;
use vault::{OVERHEAD_BYTES, OpenError, Owner, PLAINTEXT_BYTES_MAX, Purpose, SealError, Vault};

const OWNER: Owner = Owner::job(ID);
const PURPOSE: Purpose = Purpose::Checkpoint;

/// Where the body begins: what a rewrap must leave alone.
const BODY: usize = 69;

fn owners() -> impl Strategy<Value = Owner> {
    let kinds: [fn(Uuid) -> Owner; 6] = [
        Owner::account,
        Owner::post,
        Owner::job,
        Owner::endpoint,
        Owner::organisation,
        |_| Owner::installation(),
    ];
    (select(kinds.to_vec()), any::<u128>()).prop_map(|(kind, id)| kind(Uuid::from_u128(id)))
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        plaintext in vec(any::<u8>(), 0..2048),
        owner in owners(),
        purpose in select(Purpose::ALL.to_vec()),
    ) {
        let sealed = both().seal(&plaintext, owner, purpose).unwrap();
        assert_eq!(sealed.as_bytes().len(), plaintext.len() + 97);
        assert_eq!(*both().open(sealed.as_bytes(), owner, purpose).unwrap(), plaintext);
    }

    #[test]
    fn a_rewrapped_value_needs_the_new_key_only_and_keeps_its_body(
        plaintext in vec(any::<u8>(), 0..2048),
        owner in owners(),
        purpose in select(Purpose::ALL.to_vec()),
    ) {
        let old = old_only().seal(&plaintext, owner, purpose).unwrap();
        let new = both().rewrap(old.as_bytes(), owner, purpose).unwrap().unwrap();

        assert_eq!(new.as_bytes()[BODY..], old.as_bytes()[BODY..]);
        assert_eq!(Vault::key_id_of(new.as_bytes()), Ok(id("k1")));
        assert_eq!(*new_only().open(new.as_bytes(), owner, purpose).unwrap(), plaintext);
        let by_old = old_only().open(new.as_bytes(), owner, purpose);
        assert_eq!(by_old, Err(OpenError::UnknownKey(id("k1"))));
        assert_eq!(both().rewrap(new.as_bytes(), owner, purpose), Ok(None));
    }

    #[test]
    fn arbitrary_bytes_never_open(mut bytes in vec(any::<u8>(), 0..256), framed in any::<bool>()) {
        if framed && bytes.len() > 9 {
            bytes[..9].copy_from_slice(b"\x01k1\0\0\0\0\0\0");
        }
        assert!(both().open(&bytes, OWNER, PURPOSE).is_err());
    }
}

#[test]
fn a_sealed_value_is_97_bytes_longer_than_its_plaintext() {
    assert_eq!(OVERHEAD_BYTES, 1 + 8 + 12 + 48 + 12 + 16);
    assert_eq!(OVERHEAD_BYTES, 97);
    assert_eq!(
        both().seal(b"", OWNER, PURPOSE).unwrap().into_bytes().len(),
        97
    );
}

#[test]
fn the_longest_plaintext_seals_and_one_byte_more_does_not() {
    let mut plaintext = vec![7; PLAINTEXT_BYTES_MAX];
    let sealed = both().seal(&plaintext, OWNER, PURPOSE).unwrap();
    assert_eq!(
        *both().open(sealed.as_bytes(), OWNER, PURPOSE).unwrap(),
        plaintext
    );

    plaintext.push(7);
    let refused = both().seal(&plaintext, OWNER, PURPOSE);
    assert_eq!(
        refused,
        Err(SealError::TooLong {
            bytes: PLAINTEXT_BYTES_MAX + 1
        })
    );
}

#[test]
fn sealing_twice_shares_nothing_but_version_and_key_id() {
    let one = both().seal(&[0; 64], OWNER, PURPOSE).unwrap().into_bytes();
    let two = both().seal(&[0; 64], OWNER, PURPOSE).unwrap().into_bytes();
    assert_eq!(one[..9], two[..9]);
    for part in [9..21, 21..53, 53..69, 69..81, 81..145, 145..161] {
        assert_ne!(one[part.clone()], two[part]);
    }
}

#[test]
fn a_rewrap_makes_a_fresh_wrap_every_time() {
    let old = old_only().seal(b"secret", OWNER, PURPOSE).unwrap();
    let rewrap = || {
        both()
            .rewrap(old.as_bytes(), OWNER, PURPOSE)
            .unwrap()
            .unwrap()
            .into_bytes()
    };
    let (one, two) = (rewrap(), rewrap());
    for part in [9..21, 21..53, 53..69] {
        assert_ne!(one[part.clone()], two[part]);
    }
}

#[test]
fn clones_of_a_vault_open_each_others_values_on_other_threads() {
    let vault = both();
    let twin = vault.clone();
    let sealed = std::thread::spawn(move || twin.seal(b"secret", OWNER, PURPOSE))
        .join()
        .unwrap();
    let opened = vault
        .open(sealed.unwrap().as_bytes(), OWNER, PURPOSE)
        .unwrap();
    assert_eq!(*opened, b"secret");
}
