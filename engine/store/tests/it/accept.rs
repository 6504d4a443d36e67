//! Accepting: everything of a request or nothing of it, and once per idempotency key.

use crate::shop::{QUEUE, Shop, batch};
use publisher::id::{AccountId, ApiKeyId};
use serde_json::json;
use std::time::Duration;
use store::queue::{Accepted, NewBatch, NewPost, NewPostMedia, Remembered};
use store::{NewKey, Woken};
use tokio::task::JoinSet;

const TABLES: [&str; 5] = ["batches", "posts", "post_media", "jobs", "events"];

async fn assert_nothing_stored(shop: &Shop) {
    for table in TABLES {
        assert_eq!(shop.count(table, "true").await, 0, "{table}");
    }
}

fn remembered(key: &str, seed: u8) -> Remembered {
    Remembered {
        key: key.to_owned(),
        fingerprint: [seed; 32],
    }
}

#[tokio::test]
async fn a_request_is_stored_with_its_posts_jobs_and_the_wake_of_their_buckets() {
    let shop = Shop::open().await;
    let (ada, bob) = (shop.account().await, shop.account().await);
    let later = shop.at(600);
    let posts = [
        NewPost {
            media: vec![NewPostMedia {
                id: "med_0123456789abcdefghijkl".to_owned(),
                kind: "image".to_owned(),
                alt_text: Some("a kite".to_owned()),
                captions: vec![],
            }],
            awaited_for: Some(Duration::from_secs(25)),
            priority: 0,
            ..shop.draft(ada)
        },
        NewPost {
            position: 1,
            scheduled_at: Some(later),
            ..shop.draft(bob)
        },
    ];

    let accepted = shop.accept(&posts, None, shop.at(0)).await;

    assert_eq!(accepted, Accepted::New { at: shop.at(0) });
    for (table, rows) in [("batches", 1), ("posts", 2), ("post_media", 1), ("jobs", 2)] {
        assert_eq!(shop.count(table, "true").await, rows, "{table}");
    }
    // Only what is scheduled is announced as queued; what goes at once is announced by its end.
    assert_eq!(shop.count("events", "type = 'post.queued'").await, 1);
    let job = shop.job(posts[0].job).await;
    assert_eq!(job["queue"], QUEUE);
    assert_eq!(job["state"], "queued");
    assert_eq!(job["claim"], 0);
    assert_eq!(job["priority"], 0);
    assert_eq!(
        shop.count("jobs", "awaited_until = created_at + interval '25 seconds'")
            .await,
        1
    );
    assert_eq!(
        shop.count("jobs", "give_up_at = run_at + interval '24 hours'")
            .await,
        2
    );
    assert_eq!(shop.ready_ms(ada).await, Some(0));
    assert_eq!(shop.ready_ms(bob).await, Some(600_000));
    shop.close().await;
}

#[tokio::test]
async fn a_request_with_an_unknown_account_stores_nothing() {
    let shop = Shop::open().await;
    let known = shop.account().await;
    let posts = [
        shop.draft(known),
        NewPost {
            position: 1,
            ..shop.draft(AccountId::new())
        },
    ];

    let key = remembered("k", 1);
    let accepted = shop.accept(&posts, Some(&key), shop.at(0)).await;

    assert_eq!(accepted, Accepted::AccountGone);
    assert_nothing_stored(&shop).await;
    // The key was given back with the rest: the corrected request may use it.
    let corrected = shop.accept(&posts[..1], Some(&key), shop.at(0)).await;
    assert!(matches!(corrected, Accepted::New { .. }), "{corrected:?}");
    shop.close().await;
}

#[tokio::test]
async fn an_account_of_another_organisation_is_unknown() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let stranger = publisher::id::OrgId::new();

    let batch = batch();
    let accepted = shop
        .store
        .accept(stranger, &batch, &[shop.draft(account)], None, None)
        .await
        .unwrap();

    assert_eq!(accepted, Accepted::AccountGone);
    assert_nothing_stored(&shop).await;
    shop.close().await;
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_ones_batch() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let key = remembered("again", 7);
    let first = batch();
    let posts = [shop.draft(account)];
    let accept = async |batch: &NewBatch, posts: &[NewPost], key: &Remembered| {
        shop.store
            .accept(shop.org, batch, posts, Some(key), Some(shop.at(0)))
            .await
            .unwrap()
    };
    let new = accept(&first, &posts, &key).await;
    assert!(matches!(new, Accepted::New { .. }), "{new:?}");

    let again = accept(&batch(), &[shop.draft(account)], &key).await;
    let other = remembered("again", 8);
    let reused = accept(&batch(), &[shop.draft(account)], &other).await;

    assert_eq!(again, Accepted::Known(first.id));
    assert_eq!(reused, Accepted::KeyReused);
    assert_eq!(shop.count("posts", "true").await, 1);
    assert_eq!(shop.count("jobs", "true").await, 1);
    let known = shop.store.read_key(shop.org, "again").await.unwrap();
    assert_eq!(known, Some(([7; 32], first.id)));
    shop.close().await;
}

#[tokio::test]
async fn of_eight_concurrent_twins_one_is_accepted_and_the_others_get_its_batch() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    for round in 0..10 {
        let mut twins = JoinSet::new();
        for _ in 0..8 {
            let (store, org, batch) = (shop.store.clone(), shop.org, batch());
            let (post, key) = (shop.draft(account), remembered(&format!("twin{round}"), 3));
            twins.spawn(async move {
                let accepted = store.accept(org, &batch, &[post], Some(&key), None).await;
                (batch.id, accepted.unwrap())
            });
        }
        let all = tokio::time::timeout(Duration::from_secs(20), twins.join_all())
            .await
            .expect("no twin waits for ever");
        let (firsts, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(_, accepted)| matches!(accepted, Accepted::New { .. }));
        assert_eq!(firsts.len(), 1, "one is accepted");
        assert_eq!(others.len(), 7);
        for (_, accepted) in others {
            assert_eq!(accepted, Accepted::Known(firsts[0].0));
        }
    }
    assert_eq!(shop.count("posts", "true").await, 10);
    shop.close().await;
}

#[tokio::test]
async fn a_revoked_key_stores_nothing_and_frees_its_idempotency_key() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let key = NewKey {
        org: shop.org,
        id: ApiKeyId::new(),
        name: "ci",
        prefix: "lmp_live_",
        last4: "abcd",
        hash: &[9; 32],
        scopes: &[],
        profile: None,
    };
    let id = key.id;
    shop.store.insert_key(key).await.unwrap();
    let keyed = NewBatch {
        api_key: Some(id),
        ..batch()
    };
    let memory = remembered("one", 1);
    shop.store.revoke_key(id, Some(shop.org)).await.unwrap();

    let accepted = shop
        .store
        .accept(
            shop.org,
            &keyed,
            &[shop.draft(account)],
            Some(&memory),
            None,
        )
        .await
        .unwrap();

    assert_eq!(accepted, Accepted::KeyRevoked);
    assert_nothing_stored(&shop).await;
    assert_eq!(shop.store.read_key(shop.org, "one").await.unwrap(), None);
    shop.close().await;
}

#[tokio::test]
async fn a_post_that_is_due_tells_the_listeners_of_its_queue_and_a_later_one_does_not() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let mut listener = shop.store.listener();
    assert_eq!(listener.next().await, Woken::Unsure);
    let later = NewPost {
        scheduled_at: Some(shop.at(60)),
        ..shop.draft(account)
    };
    shop.enqueue(later, shop.at(0)).await;
    shop.enqueue_many(account, 3, shop.at(0)).await;
    shop.database.execute("notify due, 'end'").await;

    let mut heard = Vec::new();
    while heard.last() != Some(&Woken::Due("end".to_owned())) {
        let next = tokio::time::timeout(Duration::from_secs(20), listener.next());
        heard.push(next.await.expect("the end was announced"));
    }
    // One for the three that are due; how often is coalesced, never one per row.
    assert_eq!(
        heard,
        [Woken::Due(QUEUE.to_owned()), Woken::Due("end".to_owned())]
    );
    shop.close().await;
}

#[tokio::test]
async fn an_awaited_post_of_an_account_that_needs_its_owner_is_overdue_at_once() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.database
        .execute("update accounts set status = 'needs_reauth'")
        .await;
    let awaited = NewPost {
        may_wait: false,
        ..shop.draft(account)
    };
    let scheduled = NewPost {
        position: 1,
        ..shop.draft(account)
    };
    let (at_once, waits) = (awaited.job, scheduled.job);
    shop.accept(&[awaited, scheduled], None, shop.at(0)).await;

    let overdue = shop.store.claim_overdue(shop.ask(10, shop.at(0))).await;

    let overdue: Vec<_> = overdue.unwrap().iter().map(|job| job.job).collect();
    assert_eq!(overdue, [at_once]);
    assert_eq!(shop.job(waits).await["state"], "queued");
    shop.close().await;
}

#[tokio::test]
async fn what_the_caller_said_is_stored_as_it_was() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let text = "Grüße, \"Ada\" \\ 🎈\n\ttab";
    let post = NewPost {
        text: text.to_owned(),
        options: json!({"tags": ["a", 1, null]}),
        first_comment: Some(json!({"text": "first"})),
        metadata: json!({"campaign": "spring"}),
        warnings: json!([{"code": "text.long", "message": "long"}]),
        sandbox: true,
        parts: 3,
        exclusive: true,
        ..shop.draft(account)
    };
    let id = post.id;
    let job = shop.enqueue(post, shop.at(0)).await;

    let stored = shop.store.get_post(shop.org, id, None).await.unwrap();

    let stored = stored.expect("it is there");
    assert_eq!(stored.text, text);
    assert_eq!(stored.options, json!({"tags": ["a", 1, null]}));
    assert_eq!(stored.first_comment, Some(json!({"text": "first"})));
    assert_eq!(stored.metadata, json!({"campaign": "spring"}));
    assert_eq!(
        stored.warnings,
        json!([{"code": "text.long", "message": "long"}])
    );
    assert!(stored.sandbox);
    let job = shop.job(job).await;
    assert_eq!(
        (&job["parts"], &job["exclusive"]),
        (&json!(3), &json!(true))
    );
    shop.close().await;
}
