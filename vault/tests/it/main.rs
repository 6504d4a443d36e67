//! The vault from outside: cipher vectors, tampering, stored bytes, key rings, round trips.

/// The vault's own cipher file, for the vector tests: it is private there, and a look-alike would prove nothing.
#[path = "../../src/cipher.rs"]
mod cipher;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod keyring;
#[cfg(test)]
mod rfc8452;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tamper;

#[cfg(test)]
mod fixture {
    //! Fixed master keys and a reader for vector files.

    use uuid::Uuid;
    use vault::{KeyId, Keyring, MasterKey, Vault};

    /// The owner id of every fixture.
    pub(crate) const ID: Uuid = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057);

    pub(crate) fn id(text: &str) -> KeyId {
        text.parse().unwrap()
    }

    /// 32 bytes that count up from `first`.
    pub(crate) fn key(first: u8) -> MasterKey {
        MasterKey::new(&std::array::from_fn(|at| {
            first.wrapping_add(u8::try_from(at).unwrap())
        }))
        .unwrap()
    }

    /// `k1`, the later key, alone.
    pub(crate) fn new_only() -> Vault {
        Vault::new(Keyring::new((id("k1"), key(0x00))))
    }

    /// `k0`, the earlier key, alone.
    pub(crate) fn old_only() -> Vault {
        Vault::new(Keyring::new((id("k0"), key(0xe0))))
    }

    /// `k1` active, `k0` retired.
    pub(crate) fn both() -> Vault {
        let ring = Keyring::new((id("k1"), key(0x00))).with_retired(id("k0"), key(0xe0));
        Vault::new(ring.unwrap())
    }

    /// The lines of a vector file, comments left out, split into `N` words.
    pub(crate) fn lines<const N: usize>(file: &str) -> Vec<[&str; N]> {
        let lines = file.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split(' ').collect::<Vec<_>>().try_into().unwrap())
            .collect()
    }

    /// Bytes from hex; `-` is none.
    pub(crate) fn bytes(hex: &str) -> Vec<u8> {
        let hex = if hex == "-" { "" } else { hex };
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }
}
