//! Record keys: timestamps that sort.
//!
//! A TID is 64 bits: a zero, 53 bits of microseconds since 1970, 10 bits that tell clocks apart; written as 13 characters
//! of an alphabet whose order is its value. The microseconds come from the engine's sequence, which rises strictly per
//! account, so two keys of one account can never be equal; this module knows no clock of its own.

use uuid::Uuid;

/// The sortable base32 alphabet of the AT Protocol.
const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// Characters of a TID.
const LENGTH: usize = 13;

/// Largest number of microseconds that fits (in the year 2255).
const MICROS_MAX: u64 = (1 << 53) - 1;

/// Mints the key that belongs to `sequence` (microseconds since 1970, strictly increasing per account).
///
/// A negative or too large sequence is a broken clock and is clamped: such keys are still well formed.
pub(crate) fn mint(sequence: i64, account: Uuid) -> String {
    let micros = u64::try_from(sequence).unwrap_or(0).min(MICROS_MAX);
    encode((micros << 10) | u64::from(clock_id(account)))
}

/// Ten bits of the account's id, so that two accounts on one repository would still not collide.
fn clock_id(account: Uuid) -> u16 {
    let bytes = account.as_bytes();
    u16::from_be_bytes([bytes[14], bytes[15]]) & 0x3ff
}

fn encode(value: u64) -> String {
    (0..LENGTH)
        .rev()
        .map(|place| char::from(ALPHABET[((value >> (5 * place)) & 31) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is_tid(key: &str) -> bool {
        key.len() == LENGTH
            && key.bytes().all(|b| ALPHABET.contains(&b))
            && key.as_bytes()[0] <= b'j'
    }

    #[test]
    fn zero_is_the_lowest_key_and_the_highest_is_still_well_formed() {
        assert_eq!(encode(0), "2222222222222");
        assert_eq!(encode(i64::MAX.unsigned_abs()), "bzzzzzzzzzzzz");
        assert!(is_tid(&mint(i64::MAX, Uuid::max())));
        assert!(is_tid(&mint(-1, Uuid::nil())));
    }

    #[test]
    fn a_key_of_a_known_instant_reads_as_the_specification_says() {
        // 2026-11-20T10:00:00Z in microseconds, clock id 0.
        let key = mint(1_795_168_800_000_000, Uuid::nil());
        let value = key.bytes().fold(0_u64, |sum, b| {
            (sum << 5) | ALPHABET.iter().position(|a| *a == b).unwrap() as u64
        });
        assert_eq!(value >> 10, 1_795_168_800_000_000);
        assert_eq!(value & 0x3ff, 0);
    }

    proptest! {
        #[test]
        fn a_later_sequence_gives_a_greater_key(a in 0_i64..1 << 53, b in 0_i64..1 << 53, id in any::<u128>()) {
            let (a_key, b_key) = (mint(a, Uuid::from_u128(id)), mint(b, Uuid::from_u128(id)));
            prop_assert!(is_tid(&a_key));
            prop_assert_eq!(a.cmp(&b), a_key.cmp(&b_key));
        }
    }
}
