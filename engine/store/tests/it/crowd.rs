//! Everybody at once on the same buckets (I20): no deadlock, no broken invariant, and every post ends once (I1).

use crate::outcomes::{
    complete, dead_letter, hold, proceed, receipt, refreshed, refused, release, retry, snooze,
    verify,
};
use crate::shop::{QUEUE, Shop, batch, fences, slots, window};
use publisher::id::{AccountId, DeadLetterId, LeaseId, PostId};
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;
use store::queue::{ClaimRequest, Claimed, NewPost, Redrive, SetMark, Settlement};
use tokio::task::JoinSet;

struct Crowd {
    shop: Shop,
    accounts: Vec<AccountId>,
}

/// A number that looks random and is the same in every run.
fn pick(seed: usize, bound: usize) -> usize {
    (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % bound
}

async fn accept(crowd: Arc<Crowd>, offset: usize) -> Result<(), StoreError> {
    let shop = &crowd.shop;
    for round in 0..40 {
        let seed = offset * 1000 + round;
        // Accounts in an order of their own: the statement must sort them.
        let posts: Vec<NewPost> = (0..4)
            .map(|n| NewPost {
                position: i16::try_from(n).unwrap(),
                priority: i16::try_from(n % 3).unwrap(),
                exclusive: n % 2 == 0,
                ..shop.draft(crowd.accounts[pick(seed * 7 + n, crowd.accounts.len())])
            })
            .collect();
        shop.store
            .accept(shop.org, &batch(), &posts, None, None)
            .await?;
    }
    Ok(())
}

async fn claim_now(shop: &Shop, room: i32) -> Result<Vec<Claimed>, StoreError> {
    let ask = ClaimRequest {
        lease_id: LeaseId::new(),
        now: None,
        ..shop.ask(room, shop.at(0))
    };
    Ok(shop.store.claim(ask).await?.jobs)
}

async fn mark(shop: &Shop, job: &Claimed) -> Result<bool, StoreError> {
    let ask = SetMark {
        fence: job.fence(),
        checkpoint: b"c",
        stage: "sending",
        margin: Duration::from_secs(11),
        call: Duration::from_secs(10),
        begin: Duration::from_mins(10),
        now: None,
    };
    Ok(shop.store.set_mark(ask).await?.is_ok())
}

fn end(job: &Claimed, marked: bool, seed: usize) -> Settlement {
    if job.kind == "refresh" {
        return refreshed(job, i32::try_from(1 + pick(seed, 3)).unwrap());
    }
    if job.claim > 6 {
        return complete(job);
    }
    match pick(seed, 12) {
        0 => retry(job, 0),
        1 => snooze(job, 5),
        2 if marked => verify(job, 0),
        3 => Settlement {
            account_status: None,
            ..hold(job)
        },
        4 => hold(job),
        5 => release(job),
        6 => refused(job, i32::try_from(1 + pick(seed, 3)).unwrap()),
        7 => dead_letter(job, "rejected"),
        8 => dead_letter(job, if marked { "ambiguous" } else { "exhausted" }),
        9 => proceed(job, 0),
        _ => complete(job),
    }
}

async fn work(crowd: Arc<Crowd>, worker: usize) -> Result<(), StoreError> {
    let shop = &crowd.shop;
    for round in 0..70 {
        let jobs = claim_now(shop, 12).await?;
        let mut batch = Vec::new();
        for (n, job) in jobs.iter().enumerate() {
            let seed = worker * 10_000 + round * 100 + n;
            let marked = job.kind == "publish" && pick(seed, 3) > 0 && mark(shop, job).await?;
            if pick(seed + 1, 10) == 0 {
                shop.store.release_unstarted(&fences(&jobs[n..=n])).await?;
                continue;
            }
            batch.push(end(job, marked || job.sent_claim.is_some(), seed));
        }
        shop.store.settle(&batch, None).await?;
    }
    Ok(())
}

async fn operate(crowd: Arc<Crowd>, seed: usize) -> Result<(), StoreError> {
    let shop = &crowd.shop;
    for round in 0..60 {
        let account = crowd.accounts[pick(seed + round * 3, crowd.accounts.len())];
        let waiting = shop
            .database
            .ask("select subject from jobs where kind = 'publish' order by random() limit 1")
            .await;
        if let Some(post) = waiting.map(|id| id.parse::<PostId>().unwrap()) {
            shop.store.cancel_post(shop.org, post).await?;
        }
        let open = shop.database.ask("select id from dead_letters where resolved_at is null and kind = 'publish' order by random() limit 1").await;
        if let Some(letter) = open.map(|id| id.parse::<DeadLetterId>().unwrap()) {
            let ask = Redrive {
                org: shop.org,
                letter,
                by: "bob".to_owned(),
                blind: round % 2 == 0,
                give_up_after: Duration::from_hours(1),
                scheduled_at: None,
            };
            shop.store.redrive(&ask).await?;
        }
        assert_eq!(shop.connect(account, QUEUE).await, Some(false));
        shop.store
            .close_host(
                QUEUE,
                "toys.example",
                Duration::from_millis(3),
                "rate_limited",
            )
            .await?;
    }
    Ok(())
}

async fn rescue(crowd: Arc<Crowd>) -> Result<(), StoreError> {
    let shop = &crowd.shop;
    for round in 0..40 {
        let horizon = Duration::from_hours(1);
        shop.store
            .plan_refreshes(QUEUE, horizon, horizon, 5, None)
            .await?;
        let fence = shop
            .row(
                "attempts",
                "kind = 'publish' and outcome = 'failed' order by random()",
            )
            .await;
        if round % 4 == 0 && !fence.is_null() {
            let fence_of = |name: &str| fence[name].as_str().unwrap().to_owned();
            let lost = store::queue::Fence {
                org: shop.org,
                job: fence_of("job").parse().unwrap(),
                claim: 1,
            };
            let post = fence_of("subject").parse().unwrap();
            shop.store.keep_receipt(lost, post, &receipt()).await?;
        }
    }
    Ok(())
}

/// Ends whatever is left, so that every accepted post has its one end.
async fn finish(shop: &Shop, accounts: &[AccountId]) {
    for _ in 0..200 {
        for account in accounts {
            shop.connect(*account, QUEUE).await;
        }
        let mut batch = Vec::new();
        for job in claim_now(shop, 100).await.unwrap() {
            batch.push(complete(&job));
        }
        shop.store.settle(&batch, None).await.unwrap();
        let resumed =
            "update jobs set state = 'queued', hold_reason = null, run_at = clock_timestamp()
                        where state = 'held'";
        shop.database.execute(resumed).await;
        if shop.count("jobs", "true").await == 0 {
            return;
        }
    }
    unreachable!("{} jobs never ended", shop.count("jobs", "true").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_at_once_on_the_same_buckets_ends_without_a_deadlock() {
    let shop = Shop::open().await;
    let limits = [window("w", "posts", 100_000, 1, 60_000), slots(6)];
    shop.declare(QUEUE, &limits).await;
    let mut accounts = Vec::new();
    for _ in 0..5 {
        accounts.push(shop.account().await);
    }
    let crowd = Arc::new(Crowd { shop, accounts });
    let mut all = JoinSet::new();
    for n in 0..3 {
        all.spawn(accept(Arc::clone(&crowd), n));
        all.spawn(work(Arc::clone(&crowd), n));
    }
    all.spawn(operate(Arc::clone(&crowd), 1));
    all.spawn(operate(Arc::clone(&crowd), 2));
    all.spawn(rescue(Arc::clone(&crowd)));
    while let Some(ended) = all.join_next().await {
        ended.unwrap().expect("no statement is refused");
    }
    let Crowd { shop, accounts } = Arc::into_inner(crowd).unwrap();
    assert_eq!(shop.stranded().await, 0);

    finish(&shop, &accounts).await;

    assert_eq!(shop.count("posts", "true").await, 3 * 40 * 4);
    assert_eq!(shop.count("posts", "status = 'queued'").await, 0);
    shop.close().await;
}
