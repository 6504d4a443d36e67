//! What a worker or a reaper does, met by what a person or a caller does: {claim, mark, settle, reap} × {cancel, patch,
//! reschedule, redrive, disconnect, reconnect, wake}, in both orders, by force.
//!
//! A gate holds the lock that the first needs; the second stands in line behind it with a snapshot from before; then the gate
//! opens. What comes of it must be what one of the two serial orders gives. A claim waits for no bucket: as the first it is
//! parked between its two locks (I20), as the second it must pass by, and come again.

use crate::disconnect::disconnect;
use crate::outcomes::{dead_letter, died, hold, release, retry};
use crate::shop::{QUEUE, Shop, slots, window};
use publisher::id::{AccountId, DeadLetterId, PostId};
use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};
use std::cell::Cell;
use std::time::Duration;
use store::queue::{Claimed, NewPost, PostChange, Redrive, Settlement};
use uuid::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Claim,
    Mark,
    Settle,
    Reap,
    Cancel,
    Patch,
    Reschedule,
    Redrive,
    Disconnect,
    Reconnect,
    Wake,
}

const PEOPLE: [Verb; 7] = [
    Verb::Cancel,
    Verb::Patch,
    Verb::Reschedule,
    Verb::Redrive,
    Verb::Disconnect,
    Verb::Reconnect,
    Verb::Wake,
];

/// One account with the post that both sides meet at, and an ambiguous letter where one is to be redriven.
struct Scene<'a> {
    shop: &'a Shop,
    account: AccountId,
    post: PostId,
    job: Option<Claimed>,
    letter: Option<Uuid>,
    /// What the settlement reports: a held account if the other side reconnects it; nothing at all if the other side edits,
    /// because what was sent can be edited no more.
    reports: Reports,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reports {
    Failure,
    Trouble,
    Nothing,
}

fn exclusive(shop: &Shop, account: AccountId) -> NewPost {
    NewPost {
        exclusive: true,
        ..shop.draft(account)
    }
}

impl<'a> Scene<'a> {
    async fn set(shop: &'a Shop, worker: Verb, person: Verb) -> Self {
        // What the last scene left is nobody's business here.
        shop.database
            .execute("update buckets set paused = true, paused_by = 'over', ready_at = 'infinity'")
            .await;
        let account = shop.account().await;
        let mut scene = Self {
            shop,
            account,
            post: PostId::new(),
            job: None,
            letter: None,
            reports: match person {
                Verb::Reconnect => Reports::Trouble,
                Verb::Patch | Verb::Reschedule => Reports::Nothing,
                _ => Reports::Failure,
            },
        };
        if person == Verb::Redrive {
            shop.enqueue(exclusive(shop, account), shop.at(0)).await;
            let doubted = shop.claim_one(shop.at(0)).await;
            shop.mark(&doubted, shop.at(0)).await.unwrap();
            let end = dead_letter(&doubted, "ambiguous");
            scene.letter = end.letter.map(DeadLetterId::uuid);
            assert!(shop.settle(end, shop.at(0)).await);
        }
        // Its time is still to come for whoever edits it at the shop's first instant.
        let post = NewPost {
            scheduled_at: Some(shop.at(1)),
            ..exclusive(shop, account)
        };
        scene.post = post.id;
        shop.enqueue(post, shop.at(0)).await;
        if worker != Verb::Claim {
            scene.job = Some(shop.claim_one(shop.at(1)).await);
        }
        if worker == Verb::Settle && scene.reports != Reports::Nothing {
            let job = scene.job.as_ref().unwrap();
            shop.mark(job, shop.at(2)).await.unwrap();
        }
        scene
    }

    fn end(&self, verb: Verb) -> Settlement {
        let job = self.job.as_ref().unwrap();
        match verb {
            Verb::Reap => died(job, 0),
            _ => match self.reports {
                Reports::Trouble => Settlement {
                    token_seen: Some(1),
                    ..hold(job)
                },
                Reports::Nothing => release(job),
                Reports::Failure => retry(job, 0),
            },
        }
    }

    /// Does it, and says what its caller was told.
    async fn act(&self, verb: Verb) -> Value {
        let shop = self.shop;
        match verb {
            Verb::Claim => json!(shop.claim(10, shop.at(3)).await.jobs.len()),
            Verb::Mark => {
                let told = shop.mark(self.job.as_ref().unwrap(), shop.at(3)).await;
                json!(format!("{:?}", told.map(|_| ())))
            }
            Verb::Settle => json!(shop.settle(self.end(verb), shop.at(3)).await),
            Verb::Reap => json!(shop.settle(self.end(verb), shop.at(100)).await),
            Verb::Cancel => json!(shop.store.cancel_post(shop.org, self.post).await.unwrap()),
            Verb::Patch => {
                let text = Some("better".to_owned());
                let changed = vec!["text"];
                self.edit(PostChange {
                    text,
                    changed,
                    ..PostChange::default()
                })
                .await
            }
            Verb::Reschedule => {
                let scheduled_at = Some(shop.at(150));
                self.edit(PostChange {
                    scheduled_at,
                    ..PostChange::default()
                })
                .await
            }
            Verb::Disconnect => json!(format!("{:?}", disconnect(shop, self.account, 3).await)),
            Verb::Redrive => {
                let ask = Redrive {
                    org: shop.org,
                    letter: self.letter.unwrap().into(),
                    by: "bob".to_owned(),
                    blind: false,
                    give_up_after: Duration::from_hours(24),
                    scheduled_at: None,
                };
                json!(shop.store.redrive(&ask).await.unwrap().is_some())
            }
            Verb::Reconnect => json!(shop.connect(self.account, QUEUE).await),
            Verb::Wake => {
                shop.enqueue(exclusive(shop, self.account), shop.at(3))
                    .await;
                Value::Null
            }
        }
    }

    /// Edits the post as it was judged a moment ago; tells whether it was still that one, and not begun.
    async fn edit(&self, change: PostChange) -> Value {
        let shop = self.shop;
        let judged = shop.store.get_post(shop.org, self.post, None).await;
        let judged = judged.unwrap().unwrap().updated_at;
        let now = Some(shop.at(0));
        let edited = shop
            .store
            .edit_post(shop.org, self.post, judged, &change, now);
        json!(edited.await.unwrap())
    }

    /// What an observer can tell of the account afterwards; its own ids and instants aside.
    async fn outcome(&self) -> Value {
        let id = self.account;
        let question = format!(
            "select jsonb_build_object(
               'posts', (select jsonb_agg(jsonb_build_array(status, text, scheduled_at) order by id)
                           from posts where account = '{id}'),
               'events', (select jsonb_agg(type order by type) from events e join posts p on p.id = e.subject
                           where p.account = '{id}'),
               'attempts', (select jsonb_agg(jsonb_build_array(outcome, settlement) order by p.id, claim) from attempts a
                              join posts p on p.id = a.subject where p.account = '{id}'),
               'jobs', (select jsonb_agg(jsonb_build_array(state, hold_reason, claim, failures, deaths, sent_claim,
                                                           checkpoint is not null) order by id)
                          from jobs where bucket = '{id}'),
               'bucket', (select jsonb_build_array(running, paused_by, marked_job is not null, blocked_by)
                            from buckets where id = '{id}'),
               'charges', (select jsonb_agg(jsonb_build_array(counts, at is not null) order by counts, at)
                             from charges where owner = '{id}'),
               'letters', (select jsonb_agg(jsonb_build_array(class, resolved_how)) from dead_letters where bucket = '{id}'),
               'account', (select jsonb_build_array(status, token_generation) from accounts where id = '{id}'))"
        );
        serde_json::from_str(&self.shop.database.ask(&question).await.unwrap()).unwrap()
    }

    async fn serial(&self, first: Verb, second: Verb) -> (Value, Value) {
        self.act(first).await;
        self.act(second).await;
        (self.outcome().await, self.next().await)
    }

    /// What the next claims get, when all who wait for their turn may go: nobody was forgotten.
    async fn next(&self) -> Value {
        let jobs = self.shop.claim(10, self.shop.at(200)).await.jobs;
        json!(jobs.len())
    }

    /// The lock in front of which `first` stops: a claim holds its buckets by then.
    async fn gate(&self, first: Verb) -> Transaction<'static, Postgres> {
        if first == Verb::Claim {
            let open = self.shop.database.pool.begin().await.unwrap();
            return self
                .shop
                .begin_in(open, "select from queues for no key update")
                .await;
        }
        self.shop.hold_bucket(self.account).await
    }

    /// Waits until an act stands behind a lock or is over; returns how many sessions stand there.
    async fn stands(&self, done: &Cell<bool>, sessions: i64) -> i64 {
        let question = "select count(*) from pg_stat_activity
                         where datname = current_database() and wait_event_type = 'Lock'";
        for _ in 0..2000 {
            if done.get() {
                return sessions - 1;
            }
            if self.shop.database.count(question).await == sessions {
                return sessions;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        unreachable!("the act neither ended nor stood behind a lock");
    }

    async fn raced(&self, first: Verb, second: Verb) -> (Value, Value) {
        let gate = self.gate(first).await;
        let (first_done, second_done) = (Cell::new(false), Cell::new(false));
        let act = async |verb, done: &Cell<bool>| {
            let told = self.act(verb).await;
            done.set(true);
            told
        };
        let ((), passed_by) = tokio::join!(
            async {
                act(first, &first_done).await;
            },
            async {
                let waiting = self.stands(&first_done, 1).await;
                let (told, ()) = tokio::join!(act(second, &second_done), async {
                    self.stands(&second_done, waiting + 1).await;
                    gate.rollback().await.unwrap();
                });
                told
            }
        );
        if second == Verb::Claim {
            assert_eq!(passed_by, json!(0), "a claim waits for no bucket");
            self.act(second).await;
        }
        (self.outcome().await, self.next().await)
    }
}

async fn run_row(worker: Verb) {
    let shop = Shop::open().await;
    let limits = [
        window("posts", "posts", 9, 1, 60_000),
        window("calls", "calls", 9, 1, 60_000),
        slots(9),
    ];
    shop.declare(QUEUE, &limits).await;
    for person in PEOPLE {
        let worker_first = Scene::set(&shop, worker, person)
            .await
            .serial(worker, person)
            .await;
        let person_first = Scene::set(&shop, worker, person)
            .await
            .serial(person, worker)
            .await;
        for (first, second) in [(worker, person), (person, worker)] {
            let scene = Scene::set(&shop, worker, person).await;
            let raced = Box::pin(scene.raced(first, second)).await;
            assert!(
                raced == worker_first || raced == person_first,
                "{first:?} before {second:?} came to {raced:#?}\n{worker:?} first: {worker_first:#?}\n\
                 {person:?} first: {person_first:#?}"
            );
            let broken = shop.store.check_invariants().await.unwrap();
            assert!(broken.is_empty(), "{first:?} before {second:?}: {broken:?}");
        }
    }
    shop.close().await;
}

#[tokio::test]
async fn a_claim_that_meets_a_person_is_as_if_one_had_come_first() {
    run_row(Verb::Claim).await;
}

#[tokio::test]
async fn a_mark_that_meets_a_person_is_as_if_one_had_come_first() {
    run_row(Verb::Mark).await;
}

#[tokio::test]
async fn a_settlement_that_meets_a_person_is_as_if_one_had_come_first() {
    run_row(Verb::Settle).await;
}

#[tokio::test]
async fn a_reaper_that_meets_a_person_is_as_if_one_had_come_first() {
    run_row(Verb::Reap).await;
}
