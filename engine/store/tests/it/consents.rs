//! Consents under way: one taker, no strangers, no survivors.

use crate::shop::Shop;
use chrono::{DateTime, Utc};
use publisher::id::{ApiKeyId, OrgId};
use std::time::Duration;
use store::{NewPendingConnect, PendingConnectRow};
use uuid::Uuid;

const LIVES: Duration = Duration::from_mins(10);

async fn begin(shop: &Shop, state: u8, key: ApiKeyId, now: DateTime<Utc>) -> bool {
    let new = NewPendingConnect {
        org: shop.org,
        id: Uuid::now_v7(),
        state_hash: &[state; 32],
        profile: shop.profile,
        platform: "toy_oauth",
        begun_by: key,
        redirect_uri: "https://posts.example.com/callback",
        return_to: None,
        sealed_verifier: b"sealed",
        lives: LIVES,
        room: 3,
    };
    let begun = shop.store.insert_pending_connect(new, Some(now)).await;
    begun.unwrap().is_some()
}

async fn take(
    shop: &Shop,
    state: u8,
    by: Option<(OrgId, ApiKeyId)>,
    now: DateTime<Utc>,
) -> Option<PendingConnectRow> {
    let hash = [state; 32];
    let taken = shop.store.take_pending_connect(&hash, by, Some(now));
    taken.await.unwrap()
}

#[tokio::test]
async fn of_many_who_come_with_one_state_one_gets_the_consent() {
    let shop = Shop::open().await;
    let key = ApiKeyId::new();
    assert!(begin(&shop, 1, key, shop.at(0)).await);
    let once = || take(&shop, 1, None, shop.at(1));
    let all = tokio::join!(once(), once(), once(), once());
    let all = [all.0, all.1, all.2, all.3];
    let taken: Vec<_> = all.into_iter().flatten().collect();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].is_valid);
    assert_eq!((taken[0].org, taken[0].begun_by), (shop.org, key));
    assert!(take(&shop, 1, None, shop.at(1)).await.is_none());
    shop.close().await;
}

#[tokio::test]
async fn a_stranger_gets_nothing_and_spoils_nothing() {
    let shop = Shop::open().await;
    let key = ApiKeyId::new();
    assert!(begin(&shop, 1, key, shop.at(0)).await);
    let strangers = [(OrgId::new(), key), (shop.org, ApiKeyId::new())];
    for stranger in strangers {
        assert!(take(&shop, 1, Some(stranger), shop.at(1)).await.is_none());
    }
    assert!(
        take(&shop, 1, Some((shop.org, key)), shop.at(1))
            .await
            .is_some()
    );
    shop.close().await;
}

#[tokio::test]
async fn an_expired_consent_is_known_as_such_for_an_hour_and_then_forgotten() {
    let shop = Shop::open().await;
    let key = ApiKeyId::new();
    for state in [1, 2, 3] {
        assert!(begin(&shop, state, key, shop.at(0)).await);
    }
    assert!(
        !begin(&shop, 4, key, shop.at(0)).await,
        "there is room for three"
    );
    assert!(!take(&shop, 1, None, shop.at(601)).await.unwrap().is_valid);
    assert!(
        begin(&shop, 4, key, shop.at(601)).await,
        "what expired takes no room"
    );
    let prune = async |at| {
        shop.store
            .prune_pending_connects(10, Some(shop.at(at)))
            .await
    };
    assert_eq!(prune(4_199).await.unwrap(), 0);
    assert_eq!(prune(4_201).await.unwrap(), 2);
    assert!(take(&shop, 2, None, shop.at(4_202)).await.is_none());
    shop.close().await;
}
