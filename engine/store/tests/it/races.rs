//! Lost wake-ups (I9): an enqueue that meets the claim which empties its bucket.

use crate::outcomes::{complete, release};
use crate::shop::{QUEUE, Shop, batch, slots};
use publisher::id::{AccountId, LeaseId};
use std::sync::Arc;
use store::queue::{ClaimRequest, Claimed, NewPost, Settlement};
use tokio::sync::Barrier;

async fn claim_now(shop: &Shop, room: i32) -> Vec<Claimed> {
    let ask = ClaimRequest {
        lease_id: LeaseId::new(),
        now: None,
        ..shop.ask(room, shop.at(0))
    };
    shop.store.claim(ask).await.unwrap().jobs
}

async fn accept_now(shop: &Shop, account: AccountId) {
    let batch = batch();
    let posts = [shop.draft(account)];
    let accepted = shop
        .store
        .accept(shop.org, &batch, &posts, None, None)
        .await;
    accepted.unwrap();
}

/// Nobody polls: after each round one claim must find what the round left.
async fn run(rounds: usize, limited: bool, end: fn(&Claimed) -> Settlement) {
    let shop = Arc::new(Shop::open().await);
    if limited {
        shop.declare(QUEUE, &[slots(1)]).await;
    }
    let account = shop.account().await;
    accept_now(&shop, account).await;
    let barrier = Arc::new(Barrier::new(2));
    let enqueuer = {
        let (shop, barrier) = (Arc::clone(&shop), Arc::clone(&barrier));
        async move {
            for _ in 0..rounds {
                barrier.wait().await;
                accept_now(&shop, account).await;
                barrier.wait().await;
            }
        }
    };
    let claimer = async {
        for round in 0..rounds {
            barrier.wait().await;
            let emptied = claim_now(&shop, 10).await;
            let batch: Vec<Settlement> = emptied.iter().map(end).collect();
            if !batch.is_empty() {
                shop.store.settle(&batch, None).await.unwrap();
            }
            barrier.wait().await;
            assert_eq!(shop.stranded().await, 0, "round {round}");
            // The other's work is there, whoever was first; what is left is the start of the next round.
            let mut waiting = shop.count("jobs", "state = 'queued'").await;
            while waiting > 1 {
                let jobs = claim_now(&shop, 1).await;
                assert_eq!(jobs.len(), 1, "a due job is not claimable in round {round}");
                shop.store
                    .settle(&[complete(&jobs[0])], None)
                    .await
                    .unwrap();
                waiting -= 1;
            }
            if waiting == 0 {
                accept_now(&shop, account).await;
            }
        }
    };
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(enqueuer);
    claimer.await;
    tasks.join_all().await;
    Arc::into_inner(shop).unwrap().close().await;
}

#[tokio::test]
async fn an_enqueue_that_meets_the_claim_of_the_last_job_is_not_slept_through() {
    run(500, false, complete).await;
}

#[tokio::test]
async fn an_enqueue_that_meets_the_end_of_the_only_slot_is_not_slept_through() {
    run(250, true, complete).await;
}

#[tokio::test]
async fn an_enqueue_that_meets_a_release_is_not_slept_through() {
    run(250, true, release).await;
}

/// The same by force: the enqueue stands behind the very lock of the claim that empties the bucket.
#[tokio::test]
async fn an_enqueue_behind_the_lock_of_the_emptying_claim_wakes_the_bucket_after_it() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let bucket_sleeps = "update buckets set ready_at = 'infinity'";
    for _ in 0..20 {
        let gate = shop.hold_bucket(account).await;
        let (job, ()) = tokio::join!(shop.enqueue(shop.draft(account), shop.at(0)), async {
            shop.wait_blocked(1).await;
            // What a claim that saw no job would write, under its lock.
            shop.run_in(gate, bucket_sleeps).await;
        });
        let claimed = shop.claim_one(shop.at(1)).await;
        assert_eq!(claimed.job, job);
        assert!(shop.settle(complete(&claimed), shop.at(1)).await);
    }
    shop.close().await;
}

#[tokio::test]
async fn a_bulk_enqueue_over_many_buckets_wakes_each_of_them() {
    let shop = Shop::open().await;
    let mut posts = Vec::new();
    for position in 0..50 {
        let account = shop.account().await;
        posts.push(NewPost {
            position,
            ..shop.draft(account)
        });
    }
    shop.accept(&posts, None, shop.at(0)).await;

    assert_eq!(shop.count("buckets", "ready_at < 'infinity'").await, 50);
    assert_eq!(shop.claim(100, shop.at(1)).await.jobs.len(), 50);
    shop.close().await;
}
