//! Rotating master keys while posts are published and tokens refreshed.

use crate::shop::{Shop, quick};
use crate::state::until;
use engine::{Console, RotateError, check_canaries};
use std::time::Duration;
use store::SealedIn;
use vault::{Keyring, Vault};

const OLD: &str = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const NEW: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn vault(list: &str) -> Vault {
    Vault::new(Keyring::parse(list).unwrap())
}

fn both() -> Vault {
    vault(&format!("{NEW},{OLD}"))
}

/// Key ids that sealed values name, with how many.
async fn uses(shop: &Shop) -> Vec<(Option<String>, i64)> {
    let uses = shop.store.count_key_uses().await.unwrap();
    uses.into_iter()
        .map(|used| (used.key_id.clone(), used.total()))
        .collect()
}

/// Has every account's tokens refreshed now.
async fn refresh_all(shop: &Shop) {
    shop.database
        .execute("update accounts set token_expires_at = now(), token_refreshed_at = null")
        .await;
    for platform in ["toy_list", "toy_blind", "toy_steps"] {
        let (horizon, give_up) = (Duration::from_mins(1), Duration::from_hours(1));
        shop.store
            .plan_refreshes(platform, horizon, give_up, 10, None)
            .await
            .unwrap();
    }
}

async fn all_under_the_new_key(shop: &Shop) {
    let named = uses(shop).await;
    assert!(
        named.iter().all(|(key, _)| key.as_deref() == Some("k2")),
        "{named:?}"
    );
    // Nothing opens under the retired key alone, everything under the new one alone.
    for place in SealedIn::ALL {
        let rows = shop.store.list_stale(place, "none", None, 100).await;
        for row in rows.unwrap() {
            let (owner, purpose) = match place {
                SealedIn::Tokens => (
                    vault::Owner::account(row.subject),
                    vault::Purpose::AccountToken,
                ),
                _ => (vault::Owner::post(row.subject), vault::Purpose::Checkpoint),
            };
            assert!(vault(OLD).open(&row.sealed, owner, purpose).is_err());
            assert!(vault(NEW).open(&row.sealed, owner, purpose).is_ok());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_loses_no_secret_and_leaves_none_under_the_old_key() {
    let shop = Shop::open().await;
    check_canaries(&shop.store, &vault(OLD)).await.unwrap();
    let mut accounts = vec![];
    for (platform, name) in [
        ("toy_list", "ada"),
        ("toy_blind", "bob"),
        ("toy_steps", "cyd"),
        ("toy_steps", "dot"),
    ] {
        accounts.push(shop.account(platform, name).await);
    }
    // A restart under way: one worker still seals under the old key.
    let fresh = shop.worker_with(both(), quick());
    let mut other = shop.worker_with(vault(&format!("{OLD},{NEW}")), quick());
    let console = Console::new(shop.store.clone());
    let mut batches = vec![];
    let mut rewrapped = 0;
    for turn in 0..4 {
        if turn == 2 {
            other.drain().await;
            other = shop.worker_with(both(), quick());
        }
        for account in &accounts {
            let text = format!("{turn} of {}", account.platform_account_id);
            batches.push(shop.accept(account, &text).await);
        }
        refresh_all(&shop).await;
        let mut last = 0;
        let rotated = console
            .rotate(&both(), 2, |progress| {
                assert!(progress.rewrapped >= last);
                last = progress.rewrapped;
            })
            .await
            .unwrap();
        assert_eq!(rotated.unopened, 0);
        assert!(rotated.left == 0 || turn < 2, "{rotated:?}");
        rewrapped += rotated.rewrapped;
    }
    let workers = [fresh, other];
    assert!(rewrapped > 0, "the accounts were sealed under the old key");
    for batch in batches {
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published", "{post:?}");
    }
    for account in &accounts {
        let holder = shop.holder(&account.platform_account_id).await;
        assert!(holder["refreshes"].as_u64() > Some(0), "{holder}");
    }
    until("all jobs to be settled", async || {
        let jobs = shop.database.count("select count(*) from jobs").await;
        (jobs == 0).then_some(())
    })
    .await;
    for worker in workers {
        worker.drain().await;
    }
    let settled = console.rotate(&both(), 2, |_| ()).await.unwrap();
    assert_eq!(settled.retired, ["k1"]);

    all_under_the_new_key(&shop).await;
    // A process without the old key starts and publishes.
    check_canaries(&shop.store, &vault(NEW)).await.unwrap();
    let worker = shop.worker_with(vault(NEW), quick());
    for account in &accounts {
        let text = format!("after, of {}", account.platform_account_id);
        let post = shop.result(shop.accept(account, &text).await).await;
        assert_eq!(post.shown, "published", "{post:?}");
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_without_the_new_key_or_without_the_old_one_touches_nothing() {
    let shop = Shop::open().await;
    check_canaries(&shop.store, &vault(OLD)).await.unwrap();
    shop.account("toy_blind", "ada").await;
    let console = Console::new(shop.store.clone());
    let before = (
        uses(&shop).await,
        shop.store.list_canaries().await.unwrap().len(),
    );

    let alone = console.rotate(&vault(OLD), 10, |_| ()).await;
    assert!(
        matches!(alone, Err(RotateError::NoNewKey { .. })),
        "{alone:?}"
    );
    let missing = console.rotate(&vault(NEW), 10, |_| ()).await;
    assert!(
        matches!(&missing, Err(RotateError::MissingKey { key_id, values: 1 }) if key_id == "k1"),
        "{missing:?}"
    );
    let other = NEW.replace("k2:", "k1:");
    let wrong = console.rotate(&vault(&other), 10, |_| ()).await;
    assert!(matches!(wrong, Err(RotateError::Canary(_))), "{wrong:?}");

    let after = (
        uses(&shop).await,
        shop.store.list_canaries().await.unwrap().len(),
    );
    assert_eq!(before, after);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_that_was_cut_goes_on_and_a_finished_one_finds_nothing() {
    let shop = Shop::open().await;
    check_canaries(&shop.store, &vault(OLD)).await.unwrap();
    for name in ["ada", "bob", "cyd"] {
        shop.account("toy_blind", name).await;
    }
    let console = Console::new(shop.store.clone());
    // Cut after its first batch of one.
    let rows = shop.store.list_stale(SealedIn::Tokens, "k2", None, 1).await;
    let row = rows.unwrap().remove(0);
    let owner = vault::Owner::account(row.subject);
    let sealed = both()
        .rewrap(&row.sealed, owner, vault::Purpose::AccountToken)
        .unwrap()
        .unwrap();
    let change = [(row, sealed.into_bytes())];
    assert_eq!(
        shop.store.rewrap(SealedIn::Tokens, &change).await.unwrap(),
        1
    );

    let rotated = console.rotate(&both(), 1, |_| ()).await.unwrap();
    assert_eq!((rotated.rewrapped, rotated.left), (2, 0));
    assert_eq!(rotated.retired, ["k1"]);
    let again = console.rotate(&both(), 1, |_| ()).await.unwrap();
    assert_eq!((again.rewrapped, again.left), (0, 0));
    assert_eq!(again.retired, ["k1"]);
    // A process that still lists the old key does not bring its canary back.
    check_canaries(&shop.store, &both()).await.unwrap();
    check_canaries(&shop.store, &vault(NEW)).await.unwrap();
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_value_is_reported_left_as_it_is_and_keeps_its_key() {
    let shop = Shop::open().await;
    check_canaries(&shop.store, &vault(OLD)).await.unwrap();
    for name in ["ada", "bob"] {
        shop.account("toy_blind", name).await;
    }
    shop.database
        .execute(
            "update accounts set sealed_tokens = set_byte(sealed_tokens, 30, get_byte(sealed_tokens, 30) # 1)
              where platform_account_id = (select min(platform_account_id) from accounts)",
        )
        .await;
    let console = Console::new(shop.store.clone());
    let rotated = console.rotate(&both(), 10, |_| ()).await.unwrap();
    assert_eq!(
        (rotated.rewrapped, rotated.unopened, rotated.left),
        (1, 1, 0)
    );
    assert!(rotated.retired.is_empty());
    let canaries = shop.store.list_canaries().await.unwrap();
    assert_eq!(canaries.len(), 2);
    shop.close().await;
}
