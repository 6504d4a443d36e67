//! Row layout: claims, renewals and marks stay within their page (HOT), because nothing they write stands in an index.

use crate::outcomes::complete;
use crate::shop::{LEASE, Shop, leases_of};
use publisher::id::LeaseId;
use store::queue::{ClaimRequest, Claimed};
use store::{PoolSizes, Store};

/// Updates of a table so far, and how many of them were HOT.
async fn updates(shop: &Shop, table: &str) -> (i64, i64) {
    let of = |column: &str| {
        format!("select {column} from pg_stat_user_tables where relname = '{table}'")
    };
    (
        shop.database.count(&of("n_tup_upd")).await,
        shop.database.count(&of("n_tup_hot_upd")).await,
    )
}

/// A session reports its counters at its latest when it ends.
fn session(shop: &Shop) -> Store {
    Store::connect_lazily(&shop.database.url, PoolSizes::default()).unwrap()
}

async fn grown(shop: &Shop, table: &str, before: (i64, i64), by: i64) -> (i64, i64) {
    for _ in 0..1000 {
        let now = updates(shop, table).await;
        if now.0 - before.0 >= by {
            return (now.0 - before.0, now.1 - before.1);
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    unreachable!("{table} was never updated {by} times");
}

/// A vacuum passes by a page that somebody looks at just then, so a few may miss their free space.
fn assert_hot(what: &str, (all, hot): (i64, i64)) {
    assert!(hot * 20 >= all * 19, "{what}: {hot} of {all} were HOT");
}

/// Frees what is dead on its pages. In a life of its own the next update does that by itself, but only as soon as no
/// transaction of any database is older; the other tests have some.
async fn tidy(shop: &Shop, table: &str) {
    shop.database.execute(&format!("vacuum {table}")).await;
}

#[tokio::test]
async fn claims_marks_and_renewals_are_hot() {
    let mut shop = Shop::open().await;
    for _ in 0..20 {
        let account = shop.account().await;
        shop.enqueue_many(account, 20, shop.at(0)).await;
    }
    let before = updates(&shop, "jobs").await;

    let claiming = session(&shop);
    let mut jobs: Vec<Claimed> = Vec::new();
    for _ in 0..10 {
        let ask = ClaimRequest {
            lease_id: LeaseId::new(),
            ..shop.ask(40, shop.at(1))
        };
        jobs.extend(claiming.claim(ask).await.unwrap().jobs);
        tidy(&shop, "jobs").await;
    }
    assert_eq!(jobs.len(), 400);
    claiming.close().await;
    assert_hot("claims", grown(&shop, "jobs", before, 400).await);

    let before = updates(&shop, "jobs").await;
    let own = session(&shop);
    let ordinary = std::mem::replace(&mut shop.store, own);
    for some in jobs.chunks(80) {
        for job in some {
            shop.mark(job, shop.at(2)).await.unwrap();
        }
        tidy(&shop, "jobs").await;
    }
    std::mem::replace(&mut shop.store, ordinary).close().await;
    assert_hot("marks", grown(&shop, "jobs", before, 400).await);

    let before = updates(&shop, "leases").await;
    let renewing = session(&shop);
    let leases = leases_of(&jobs);
    for _ in 0..5 {
        let renewed = renewing
            .renew_leases(shop.worker, &leases, &[], LEASE)
            .await;
        assert_eq!(renewed.unwrap().len(), leases.len());
        tidy(&shop, "leases").await;
    }
    renewing.close().await;
    assert_hot("renewals", grown(&shop, "leases", before, 50).await);

    for batch in jobs.chunks(100) {
        let batch: Vec<_> = batch.iter().map(complete).collect();
        shop.settle_all(&batch, shop.at(3)).await;
    }
    shop.close().await;
}

#[tokio::test]
async fn no_column_that_claims_and_marks_write_stands_in_an_index_of_jobs() {
    let shop = Shop::open().await;
    let hot = [
        "state",
        "claim",
        "lease",
        "claimed_at",
        "sent_claim",
        "sent_at",
        "answer_by",
        "checkpoint",
        "stage",
    ];
    let indexes = shop
        .database
        .ask("select string_agg(indexdef, E'\\n') from pg_indexes where tablename = 'jobs'")
        .await
        .unwrap();
    for definition in indexes.lines() {
        let columns = definition.split_once('(').unwrap().1;
        let words: Vec<&str> = columns
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        for column in hot {
            assert!(!words.contains(&column), "{column} stands in {definition}");
        }
    }
    assert!(indexes.contains("jobs_head"));
    shop.close().await;
}
