//! Many claimers at once (I3, I9): every job is claimed exactly once, and nobody is left behind.

use crate::outcomes::{complete, retry};
use crate::shop::{Shop, batch, slots, window};
use publisher::id::{AccountId, JobId, LeaseId};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store::queue::{ClaimRequest, Settlement};
use tokio::task::JoinSet;

/// What enqueuers and claimers share: the work left, and who got what.
struct Race {
    shop: Shop,
    accounts: Vec<AccountId>,
    left: AtomicI64,
}

/// Enqueues `rounds` requests of `posts` posts each, over all accounts in turn.
async fn enqueue(race: Arc<Race>, offset: usize, rounds: usize, posts: i16) {
    for round in 0..rounds {
        let account = race.accounts[(offset + round) % race.accounts.len()];
        let drafts: Vec<_> = (0..posts)
            .map(|position| store::queue::NewPost {
                position,
                ..race.shop.draft(account)
            })
            .collect();
        let batch = batch();
        race.shop
            .store
            .accept(race.shop.org, &batch, &drafts, None, None)
            .await
            .unwrap();
    }
}

/// Claims on the database's clock until nothing is left; every third job of `retried` comes back once.
async fn claim(race: Arc<Race>, retried: bool) -> Vec<(JobId, i32)> {
    let mut got = Vec::new();
    let mut idle = 0;
    while race.left.load(Ordering::SeqCst) > 0 {
        let ask = ClaimRequest {
            lease_id: LeaseId::new(),
            now: None,
            ..race.shop.ask(40, race.shop.at(0))
        };
        let jobs = race.shop.store.claim(ask).await.unwrap().jobs;
        idle = if jobs.is_empty() { idle + 1 } else { 0 };
        assert!(
            idle < 5_000,
            "{} jobs were never claimed",
            race.left.load(Ordering::SeqCst)
        );
        if jobs.is_empty() {
            tokio::task::yield_now().await;
            continue;
        }
        let batch: Vec<Settlement> = jobs
            .iter()
            .map(|job| {
                if retried && job.claim == 1 && job.job.uuid().as_u128() % 3 == 0 {
                    retry(job, 0)
                } else {
                    complete(job)
                }
            })
            .collect();
        let ended = batch.iter().filter(|row| row.kind == "complete").count();
        let settled = race.shop.store.settle(&batch, None).await.unwrap();
        assert!(
            settled.lost.is_empty(),
            "{:?} was claimed twice",
            settled.lost
        );
        got.extend(jobs.iter().map(|job| (job.job, job.claim)));
        race.left
            .fetch_sub(i64::try_from(ended).unwrap(), Ordering::SeqCst);
    }
    got
}

async fn run(claimers: usize, retried: bool, limits: &[store::queue::DeclaredLimit]) {
    const ENQUEUERS: usize = 3;
    const ROUNDS: usize = 25;
    const POSTS: i16 = 20;
    let shop = Shop::open().await;
    shop.declare(crate::shop::QUEUE, limits).await;
    let mut accounts = Vec::new();
    for _ in 0..12 {
        accounts.push(shop.account().await);
    }
    let jobs = i64::try_from(ENQUEUERS * ROUNDS).unwrap() * i64::from(POSTS);
    let race = Arc::new(Race {
        shop,
        accounts,
        left: AtomicI64::new(jobs),
    });
    let mut enqueuers = JoinSet::new();
    for offset in 0..ENQUEUERS {
        enqueuers.spawn(enqueue(Arc::clone(&race), offset, ROUNDS, POSTS));
    }
    let mut workers = JoinSet::new();
    for _ in 0..claimers {
        workers.spawn(claim(Arc::clone(&race), retried));
    }
    enqueuers.join_all().await;
    let got = workers.join_all().await.concat();

    let mut claims: HashMap<JobId, Vec<i32>> = HashMap::new();
    for (job, claim) in got {
        claims.entry(job).or_default().push(claim);
    }
    assert_eq!(claims.len(), usize::try_from(jobs).unwrap());
    for (job, mut numbers) in claims {
        numbers.sort_unstable();
        let again = retried && job.uuid().as_u128() % 3 == 0;
        let expected: &[i32] = if again { &[1, 2] } else { &[1] };
        assert_eq!(numbers, expected, "{job}");
    }
    let shop = Arc::into_inner(race).unwrap().shop;
    assert_eq!(shop.count("jobs", "true").await, 0);
    assert_eq!(shop.count("posts", "status = 'published'").await, jobs);
    shop.close().await;
}

#[tokio::test]
async fn two_claimers_against_three_enqueuers_get_every_job_once() {
    run(2, false, &[]).await;
}

#[tokio::test]
async fn four_claimers_with_retries_get_every_claim_once() {
    run(4, true, &[]).await;
}

#[tokio::test]
async fn four_claimers_behind_slots_and_windows_leave_no_bucket_asleep() {
    let limits = [window("wide", "posts", 1_000_000, 1, 3_600_000), slots(3)];
    run(4, true, &limits).await;
}
