//! The cipher against the vectors of RFC 8452. The vault's own file is compiled here, so what is tested is what seals.

use crate::{
    cipher,
    fixture::{bytes, lines},
};

struct Vector {
    key: [u8; cipher::KEY_BYTES],
    nonce: [u8; cipher::NONCE_BYTES],
    aad: Vec<u8>,
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: [u8; cipher::TAG_BYTES],
}

fn vectors() -> Vec<Vector> {
    let vectors: Vec<Vector> = lines(include_str!("../vectors/rfc8452.txt"))
        .into_iter()
        .map(|[key, nonce, aad, plaintext, result]| {
            let mut ciphertext = bytes(result);
            let tag = ciphertext.split_off(ciphertext.len() - cipher::TAG_BYTES);
            Vector {
                key: bytes(key).try_into().unwrap(),
                nonce: bytes(nonce).try_into().unwrap(),
                aad: bytes(aad),
                plaintext: bytes(plaintext),
                ciphertext,
                tag: tag.try_into().unwrap(),
            }
        })
        .collect();
    assert_eq!(vectors.len(), 26, "24 of appendix C.2, 2 of C.3");
    vectors
}

#[test]
fn every_vector_encrypts_to_the_published_result() {
    for vector in vectors() {
        let mut text = vector.plaintext.clone();
        let tag = cipher::encrypt(&vector.key, &vector.nonce, &vector.aad, &mut text);
        assert_eq!((text, tag), (vector.ciphertext, vector.tag));
    }
}

#[test]
fn every_vector_decrypts_to_the_published_plaintext() {
    for vector in vectors() {
        let mut text = vector.ciphertext.clone();
        let result = cipher::decrypt(
            &vector.key,
            &vector.nonce,
            &vector.aad,
            &mut text,
            &vector.tag,
        );
        assert_eq!((result, text), (Ok(()), vector.plaintext));
    }
}

#[test]
fn a_rejected_vector_shows_no_plaintext() {
    for vector in vectors() {
        let mut tag = vector.tag;
        tag[0] ^= 1;
        let mut text = vector.ciphertext.clone();
        let result = cipher::decrypt(&vector.key, &vector.nonce, &vector.aad, &mut text, &tag);
        assert_eq!(result, Err(cipher::Rejected));
        assert_eq!(text, vector.ciphertext);
    }
}
