//! Leases: the heartbeat, the reaper, and the zombie that comes back (I3).

use crate::outcomes::{complete, dead_letter, died, died_marked, receipt, release};
use crate::shop::{LEASE, QUEUE, Shop, batch, fences, leases_of};
use publisher::id::{LeaseId, WorkerId};
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{ClaimRequest, Claimed, ExpiredClaim};

async fn shop_with_claim() -> (Shop, Claimed) {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let job = shop.claim_one(shop.at(0)).await;
    (shop, job)
}

async fn expired(shop: &Shop, seconds: i64) -> Vec<ExpiredClaim> {
    shop.store
        .read_expired(
            &[QUEUE.to_owned()],
            100,
            Duration::from_secs(2),
            Some(shop.at(seconds)),
        )
        .await
        .unwrap()
}

#[tokio::test]
async fn a_job_is_expired_when_its_lease_and_the_grace_are_over() {
    let (shop, job) = shop_with_claim().await;

    assert!(expired(&shop, 62).await.is_empty());
    let over = expired(&shop, 63).await;

    assert_eq!(over.len(), 1);
    assert_eq!(over[0].fence(), job.fence());
    assert_eq!((over[0].sent_claim, over[0].stopping), (None, false));
    let elsewhere = shop
        .store
        .read_expired(
            &["other".to_owned()],
            100,
            Duration::ZERO,
            Some(shop.at(99)),
        )
        .await;
    assert!(elsewhere.unwrap().is_empty());
    shop.close().await;
}

#[tokio::test]
async fn a_marked_job_is_expired_only_when_its_request_cannot_be_in_the_air() {
    let (shop, job) = shop_with_claim().await;
    shop.mark(&job, shop.at(5)).await.unwrap();
    // Written by hand: an answer may come ten seconds after the lease is over.
    shop.database
        .execute(&format!("update jobs set answer_by = '{}'", shop.at(70)))
        .await;

    assert!(expired(&shop, 72).await.is_empty());
    let over = expired(&shop, 73).await;

    assert_eq!(over.len(), 1);
    assert_eq!(over[0].sent_claim, Some(1));
    shop.close().await;
}

#[tokio::test]
async fn a_reaper_writes_nothing_while_the_lease_lives() {
    let (shop, job) = shop_with_claim().await;

    assert!(!shop.settle(died(&job, 0), shop.at(60)).await);
    assert_eq!(shop.job(job.job).await["state"], "running");
    assert!(shop.settle(died(&job, 0), shop.at(61)).await);

    let row = shop.job(job.job).await;
    assert_eq!(
        (&row["state"], &row["deaths"]),
        (&json!("queued"), &json!(1))
    );
    assert_eq!(shop.count("attempts", "outcome = 'died'").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_reaper_that_does_not_know_of_the_mark_writes_nothing() {
    let (shop, job) = shop_with_claim().await;
    shop.mark(&job, shop.at(5)).await.unwrap();

    assert!(!shop.settle(died(&job, 0), shop.at(100)).await);
    assert_eq!(shop.job(job.job).await["state"], "running");
    assert!(shop.settle(died_marked(&job, 0), shop.at(100)).await);

    assert_eq!(shop.job(job.job).await["sent_claim"], 1);
    shop.close().await;
}

/// The reaper saw a lease that was over; by the time it has its locks, or a moment later, the lease is renewed.
#[tokio::test]
async fn a_lease_that_is_being_renewed_is_not_reaped() {
    for renewed_before_the_lock in [true, false] {
        let (shop, job) = shop_with_claim().await;
        let gate = shop.hold_bucket(job.bucket.uuid().into()).await;
        let renewal = shop.database.pool.begin().await.unwrap();
        let renew = "update leases set until = until + interval '1 hour'";
        let reap = shop.settle(died(&job, 0), shop.at(61));
        let (reaped, ()) = tokio::join!(reap, async {
            shop.wait_blocked(1).await;
            if renewed_before_the_lock {
                shop.run_in(renewal, renew).await;
                gate.rollback().await.unwrap();
            } else {
                let open = shop.begin_in(renewal, renew).await;
                gate.rollback().await.unwrap();
                shop.wait_blocked(0).await;
                open.commit().await.unwrap();
            }
        });

        assert!(!reaped, "reaped, although its lease was renewed");
        assert_eq!(shop.job(job.job).await["state"], "running");
        shop.close().await;
    }
}

#[tokio::test]
async fn a_lease_that_is_over_lives_on_when_it_is_renewed_before_a_reaper_came() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let posts = [shop.draft(account)];
    let batch = batch();
    shop.store
        .accept(shop.org, &batch, &posts, None, None)
        .await
        .unwrap();
    // On the database's own clock: a lease of no length is over at once.
    let ask = ClaimRequest {
        lease: Duration::ZERO,
        now: None,
        ..shop.ask(10, shop.at(0))
    };
    let job = shop.store.claim(ask).await.unwrap().jobs.remove(0);

    let renewed = shop
        .store
        .renew_leases(shop.worker, &[job.lease], &[], LEASE)
        .await;

    assert_eq!(renewed.unwrap(), [job.lease]);
    let reaped = shop.store.settle(&[died(&job, 0)], None).await.unwrap();
    assert_eq!(reaped.lost, [job.fence()]);
    assert_eq!(shop.job(job.job).await["state"], "running");
    shop.close().await;
}

#[tokio::test]
async fn a_worker_that_was_told_to_stop_leaves_no_death_behind() {
    let (shop, _) = shop_with_claim().await;
    shop.store.stop_worker(shop.worker).await.unwrap();

    let over = expired(&shop, 63).await;

    assert!(over[0].stopping);
    shop.close().await;
}

#[tokio::test]
async fn a_heartbeat_extends_what_runs_drops_what_ended_and_tells_what_was_lost() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let mut jobs = shop.claim(1, shop.at(0)).await.jobs;
    jobs.extend(shop.claim(1, shop.at(0)).await.jobs);
    let leases = leases_of(&jobs);
    assert!(shop.settle(complete(&jobs[1]), shop.at(1)).await);
    let lost = LeaseId::new();

    let day = Duration::from_hours(24);
    let extended = shop
        .store
        .renew_leases(shop.worker, &[leases[0], lost], &[leases[1]], day)
        .await;

    assert_eq!(extended.unwrap(), [leases[0]]);
    assert_eq!(shop.count("leases", "true").await, 1);
    assert!(expired(&shop, 63).await.is_empty());
    let stranger = shop
        .store
        .renew_leases(WorkerId::new(), &[leases[0]], &[leases[0]], day)
        .await;
    assert!(
        stranger.unwrap().is_empty(),
        "another worker's lease is not ours"
    );
    assert_eq!(shop.count("leases", "true").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn spent_leases_go_and_those_with_work_stay() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let ended = shop.claim(1, shop.at(0)).await.jobs.remove(0);
    let runs = shop.claim(1, shop.at(0)).await.jobs.remove(0);
    assert!(shop.settle(complete(&ended), shop.at(1)).await);

    let queues = [QUEUE.to_owned()];
    shop.store
        .drop_spent_leases(&queues, Some(shop.at(100)))
        .await
        .unwrap();

    let left = shop.database.ask("select id from leases").await;
    assert_eq!(left, Some(runs.lease.to_string()));
    shop.close().await;
}

#[tokio::test]
async fn a_zombie_worker_cannot_settle_a_reclaimed_job() {
    let (shop, zombie) = shop_with_claim().await;
    assert!(shop.settle(died(&zombie, 0), shop.at(61)).await);
    let heir = shop.claim_one(shop.at(62)).await;
    let before = shop.job(heir.job).await;

    let late = shop.settle_all(&[complete(&zombie)], shop.at(63)).await;

    assert_eq!((late.written, late.lost), (vec![], vec![zombie.fence()]));
    assert_eq!(shop.job(heir.job).await, before);
    assert_eq!(shop.post_of(&heir).await["status"], "queued");
    assert_eq!(shop.count("events", "type = 'post.published'").await, 0);
    assert!(shop.settle(complete(&heir), shop.at(64)).await);
    shop.close().await;
}

#[tokio::test]
async fn a_late_receipt_is_read_by_the_next_claim() {
    let (shop, zombie) = shop_with_claim().await;
    assert!(shop.settle(died(&zombie, 0), shop.at(61)).await);
    let post = zombie.subject.into();
    for _ in 0..2 {
        let content = receipt();
        let adopted = shop.store.keep_receipt(zombie.fence(), post, &content);
        assert!(!adopted.await.unwrap());
    }
    assert_eq!(shop.count("receipts", "true").await, 1);

    let heir = shop.claim_one(shop.at(62)).await;
    let loaded = shop.store.load_posts(&[(shop.org, post)]).await.unwrap();

    assert_eq!(loaded[0].late_receipt, Some(receipt()));
    assert!(shop.settle(complete(&heir), shop.at(63)).await);
    shop.close().await;
}

async fn assert_published_after_all(shop: &Shop, job: &Claimed) {
    let post = shop.post_of(job).await;
    assert_eq!(post["status"], "published");
    assert_eq!(post["receipt"], receipt());
    assert_eq!(post["error"], Value::Null);
    let letter = shop.row("dead_letters", "true").await;
    assert_eq!(letter["resolved_how"], "confirmed_published");
    assert_eq!(letter["resolved_by"], "engine");
    assert_eq!(shop.count("events", "type = 'post.published'").await, 1);
}

#[tokio::test]
async fn an_open_dead_letter_is_resolved_by_a_late_receipt() {
    let (shop, zombie) = shop_with_claim().await;
    assert!(shop.settle(died(&zombie, 0), shop.at(61)).await);
    let heir = shop.claim_one(shop.at(62)).await;
    assert!(
        shop.settle(dead_letter(&heir, "exhausted"), shop.at(63))
            .await
    );

    let adopted = shop
        .store
        .keep_receipt(zombie.fence(), zombie.subject.into(), &receipt())
        .await;

    assert!(adopted.unwrap());
    assert_published_after_all(&shop, &heir).await;
    shop.close().await;
}

/// I19, the other way round: the receipt is there first, and the heir, who does not know it, gives up.
#[tokio::test]
async fn a_dead_letter_of_a_post_whose_late_receipt_is_known_is_resolved_at_once() {
    let (shop, zombie) = shop_with_claim().await;
    assert!(shop.settle(died(&zombie, 0), shop.at(61)).await);
    let heir = shop.claim_one(shop.at(62)).await;
    let adopted = shop
        .store
        .keep_receipt(zombie.fence(), zombie.subject.into(), &receipt())
        .await;
    assert!(!adopted.unwrap());

    assert!(
        shop.settle(dead_letter(&heir, "exhausted"), shop.at(63))
            .await
    );

    assert_published_after_all(&shop, &heir).await;
    shop.close().await;
}

/// Neither sees the other's row in its snapshot; whoever comes second must.
#[tokio::test]
async fn a_receipt_and_a_dead_letter_that_arrive_together_find_each_other() {
    for receipt_first in [true, false] {
        let (shop, zombie) = shop_with_claim().await;
        assert!(shop.settle(died(&zombie, 0), shop.at(61)).await);
        let heir = shop.claim_one(shop.at(62)).await;
        let account = heir.bucket.uuid().into();
        let gate = shop.hold_bucket(account).await;
        let content = receipt();
        let keep = async {
            shop.wait_blocked(i64::from(!receipt_first)).await;
            let post = zombie.subject.into();
            shop.store
                .keep_receipt(zombie.fence(), post, &content)
                .await
                .unwrap();
        };
        let settle = async {
            shop.wait_blocked(i64::from(receipt_first)).await;
            assert!(
                shop.settle(dead_letter(&heir, "exhausted"), shop.at(63))
                    .await
            );
        };
        tokio::join!(keep, settle, async {
            shop.wait_blocked(2).await;
            gate.rollback().await.unwrap();
        });

        assert_published_after_all(&shop, &heir).await;
        shop.close().await;
    }
}

#[tokio::test]
async fn claims_whose_commit_answer_was_lost_are_put_back_by_their_lease() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 3, shop.at(0)).await;
    let jobs = shop.claim(3, shop.at(1)).await.jobs;
    let leases = leases_of(&jobs);

    let foreign = shop.store.release_leases(WorkerId::new(), &leases).await;
    assert_eq!(foreign.unwrap(), 0);
    let ours = shop.store.release_leases(shop.worker, &leases).await;

    assert_eq!(ours.unwrap(), 3);
    assert_eq!(shop.count("jobs", "state = 'queued'").await, 3);
    assert_eq!(shop.claim(3, shop.at(2)).await.jobs.len(), 3);
    shop.close().await;
}

#[tokio::test]
async fn releasing_what_somebody_else_has_by_now_changes_nothing() {
    let (shop, old) = shop_with_claim().await;
    assert!(shop.settle(release(&old), shop.at(1)).await);
    let heir = shop.claim_one(shop.at(2)).await;

    let released = shop.store.release_unstarted(&fences(&[old])).await;

    assert_eq!(released.unwrap(), 0);
    assert_eq!(shop.job(heir.job).await["state"], "running");
    assert_eq!(shop.bucket(heir.bucket.uuid().into()).await["running"], 1);
    shop.close().await;
}
