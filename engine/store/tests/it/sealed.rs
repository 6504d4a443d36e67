//! Sealed values under rotation: found by their key id, replaced by compare-and-set, keys forgotten when unused.

use crate::shop::Shop;
use publisher::id::{AccountId, OrgId};
use std::collections::BTreeSet;
use store::{KeyUseRow, SealedIn, StaleRow};
use uuid::Uuid;

/// An envelope of version 1 under a key, told apart by its last byte.
fn bytes(key: &str, last: u8) -> Vec<u8> {
    let mut bytes = vec![1_u8];
    bytes.extend(key.bytes());
    bytes.resize(9, 0);
    bytes.resize(97, 7);
    bytes.push(last);
    bytes
}

/// The same in hexadecimal digits.
fn envelope(key: &str, last: u8) -> String {
    bytes(key, last)
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

async fn seal_account(shop: &Shop, account: AccountId, key: &str) {
    let hex = envelope(key, 1);
    shop.database
        .execute(&format!(
            "update accounts set sealed_tokens = '\\x{hex}' where id = '{account}'"
        ))
        .await;
}

/// An account, a job and a letter with one value each under `key`.
async fn sealed(key: &str) -> (Shop, AccountId) {
    let shop = Shop::open().await;
    let account = shop.account().await;
    seal_account(&shop, account, key).await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let hex = envelope(key, 1);
    shop.database
        .execute(&format!("update jobs set checkpoint = '\\x{hex}'"))
        .await;
    shop.database
        .execute(&format!(
            "insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures,
                                       looks, claim, checkpoint, exclusive, parts, generation, payload, resolved_at,
                                       resolved_how)
             values ('{}', gen_random_uuid(), gen_random_uuid(), 'publish', gen_random_uuid(), 'toys', '{account}',
                     'exhausted', 'f', '{{}}', 1, 0, 1, '\\x{hex}', false, 1, 0, '{{}}', now(), 'discarded')",
            shop.org
        ))
        .await;
    (shop, account)
}

async fn stale(shop: &Shop, place: SealedIn, active: &str) -> Vec<StaleRow> {
    shop.store
        .list_stale(place, active, None, 10)
        .await
        .unwrap()
}

fn used(key: Option<&str>, each: i64) -> KeyUseRow {
    KeyUseRow {
        key_id: key.map(str::to_owned),
        tokens: each,
        checkpoints: each,
        letters: each,
    }
}

#[tokio::test]
async fn every_sealed_value_is_found_by_its_key_and_replaced_while_it_is_what_was_read() {
    let (shop, _) = sealed("k1").await;
    assert_eq!(
        shop.store.count_key_uses().await.unwrap(),
        [used(Some("k1"), 1)]
    );
    for place in SealedIn::ALL {
        assert!(stale(&shop, place, "k1").await.is_empty());
        let rows = stale(&shop, place, "k2").await;
        assert_eq!(rows.len(), 1, "{place:?}");
        assert_eq!(rows[0].sealed, bytes("k1", 1));
        let change = [(rows[0].clone(), bytes("k2", 1))];
        assert_eq!(shop.store.rewrap(place, &change).await.unwrap(), 1);
        // A second time it is no longer what was read.
        let again = [(rows[0].clone(), bytes("k3", 1))];
        assert_eq!(shop.store.rewrap(place, &again).await.unwrap(), 0);
    }
    assert_eq!(
        shop.store.count_key_uses().await.unwrap(),
        [used(Some("k2"), 1)]
    );
    shop.close().await;
}

#[tokio::test]
async fn a_rewrap_changes_no_generation_and_wakes_nobody() {
    let (shop, account) = sealed("k1").await;
    let before = (
        shop.bucket(account).await,
        shop.row("accounts", "true").await["updated_at"].clone(),
    );
    let rows = stale(&shop, SealedIn::Tokens, "k2").await;
    let change = [(rows[0].clone(), bytes("k2", 1))];
    shop.store.rewrap(SealedIn::Tokens, &change).await.unwrap();
    let row = shop.row("accounts", "true").await;
    assert_eq!(row["token_generation"], 1);
    assert_eq!(
        (shop.bucket(account).await, row["updated_at"].clone()),
        before
    );
    shop.close().await;
}

/// The tokens are replaced while the rewrap stands in line behind the bucket.
#[tokio::test]
async fn a_rewrap_that_stood_in_line_behind_a_refresh_leaves_the_fresh_tokens() {
    let (shop, account) = sealed("k1").await;
    let rows = stale(&shop, SealedIn::Tokens, "k2").await;
    let change = [(rows[0].clone(), bytes("k2", 1))];
    let gate = shop.hold_bucket(account).await;
    tokio::join!(
        async {
            let rewrapped = shop.store.rewrap(SealedIn::Tokens, &change).await.unwrap();
            assert_eq!(rewrapped, 0);
        },
        async {
            shop.wait_blocked(1).await;
            shop.run_in(gate, "update accounts set sealed_tokens = '\\x010203'")
                .await;
        }
    );
    let row = shop.row("accounts", "true").await;
    assert_eq!(row["sealed_tokens"], "\\x010203");
    shop.close().await;
}

#[tokio::test]
async fn pages_go_on_behind_the_last_id_and_visit_each_value_once() {
    let shop = Shop::open().await;
    for _ in 0..5 {
        let account = shop.account().await;
        seal_account(&shop, account, "k1").await;
    }
    let mut after: Option<(OrgId, Uuid)> = None;
    let mut seen = Vec::new();
    loop {
        let page = shop
            .store
            .list_stale(SealedIn::Tokens, "k2", after, 2)
            .await
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.org, last.id));
        seen.extend(page.into_iter().map(|row| row.id));
    }
    let distinct: BTreeSet<Uuid> = seen.iter().copied().collect();
    assert_eq!((seen.len(), distinct.len()), (5, 5));
    shop.close().await;
}

#[tokio::test]
async fn values_that_are_no_envelope_are_counted_under_no_key() {
    let shop = Shop::open().await;
    shop.account().await;
    let uses = shop.store.count_key_uses().await.unwrap();
    assert_eq!(uses.len(), 1);
    assert_eq!((uses[0].key_id.as_deref(), uses[0].total()), (None, 1));
    shop.close().await;
}

#[tokio::test]
async fn a_key_is_forgotten_only_when_nothing_names_it() {
    let (shop, _) = sealed("k1").await;
    for key in ["k1", "k2"] {
        shop.store.put_canary(key, b"canary").await.unwrap();
    }
    assert!(!shop.store.drop_canary("k1").await.unwrap());
    for place in [SealedIn::Tokens, SealedIn::Checkpoints, SealedIn::Letters] {
        assert!(!shop.store.drop_canary("k1").await.unwrap(), "{place:?}");
        let rows = stale(&shop, place, "k2").await;
        let change = [(rows[0].clone(), bytes("k2", 1))];
        shop.store.rewrap(place, &change).await.unwrap();
    }
    assert!(shop.store.drop_canary("k1").await.unwrap());
    assert!(!shop.store.drop_canary("k1").await.unwrap());
    assert!(!shop.store.drop_canary("k2").await.unwrap());
    let left = shop.store.list_canaries().await.unwrap();
    assert_eq!(left.len(), 1);
    shop.close().await;
}
