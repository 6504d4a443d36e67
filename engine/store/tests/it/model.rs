//! The queue beside its model: whatever happens to a few accounts in whatever order, database and maps agree after each step.
//!
//! The one idea: every step is done twice, by the store and by [`memory::Memory`], which knows nothing of SQL; then the
//! answers and the whole state are compared. A failure shrinks to the few steps that matter, and its seed is kept in
//! `proptest-regressions/model.txt`, which later runs try first.

mod memory;
mod owners;
mod people;
mod settling;
mod steps;

use self::memory::{Account, Memory, SLOTS, WINDOWS};
use self::settling::stored;
use self::steps::Step;
use crate::outcomes::receipt;
use crate::shop::{LEASE, QUEUE, Shop, slots, window};
use proptest::test_runner::{Config, FileFailurePersistence, TestRunner};
use publisher::id::{AccountId, BatchId, WorkerId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::queue::{ClaimRequest, Claimed, Settlement};
use uuid::Uuid;

/// How many histories are tried, unless `POSTRIDER_MODEL_CASES` says otherwise; each has 30 to 50 steps.
const CASES: u32 = 48;

/// A claim as its worker remembers it, also after it was lost.
struct Held {
    job: Claimed,
    /// Whether a send was unresolved, as far as this worker knows.
    marked: bool,
    /// The tokens that it works with.
    generation: i32,
}

struct Twins {
    shop: Shop,
    memory: Memory,
    accounts: Vec<AccountId>,
    /// What the platform calls each of them, also when it is connected again after its end.
    names: Vec<String>,
    workers: Vec<WorkerId>,
    held: Vec<Held>,
    noticed: Vec<Settlement>,
    posts: Vec<Uuid>,
    keys: BTreeMap<u8, (u8, BatchId)>,
}

/// One of the newest few.
fn newest<T>(of: &[T], which: usize) -> Option<usize> {
    let few = of.len().min(6);
    (few > 0).then(|| of.len() - 1 - which % few)
}

fn lease_ms() -> i64 {
    i64::try_from(LEASE.as_millis()).unwrap()
}

impl Twins {
    async fn open() -> Self {
        let shop = Shop::open().await;
        let [(posts, most_posts, posts_ms), (calls, most_calls, calls_ms)] = WINDOWS;
        let bound = |most: usize| u32::try_from(most).unwrap();
        let limits = [
            window(posts, posts, bound(most_posts), 1, posts_ms),
            window(calls, calls, bound(most_calls), 1, calls_ms),
            slots(bound(SLOTS)),
        ];
        shop.declare(QUEUE, &limits).await;
        let mut twins = Self {
            memory: Memory::default(),
            accounts: Vec::new(),
            names: Vec::new(),
            workers: vec![shop.worker, WorkerId::new(), WorkerId::new()],
            held: Vec::new(),
            noticed: Vec::new(),
            posts: Vec::new(),
            keys: BTreeMap::new(),
            shop,
        };
        for exclusive in [false, true, false] {
            let id = twins.shop.account().await;
            let account = Account {
                exclusive,
                generation: 1,
                ..Account::default()
            };
            twins.memory.accounts.insert(id.uuid(), account);
            twins.accounts.push(id);
            twins.names.push(id.to_string());
        }
        for worker in &twins.workers[1..] {
            twins.shop.introduce(*worker).await;
        }
        twins
    }

    fn ask(&self, worker: usize, room: i32) -> ClaimRequest<'static> {
        ClaimRequest {
            worker: self.workers[worker],
            ..self.shop.ask(room, self.shop.at_ms(self.memory.now))
        }
    }

    fn take(&mut self, job: Claimed, charged: bool) {
        let before = self.held.iter().filter(|held| held.job.job == job.job);
        assert!(
            before
                .max_by_key(|held| held.job.claim)
                .is_none_or(|last| last.job.claim < job.claim)
        );
        self.memory.claim(job.job.uuid(), lease_ms(), charged);
        let held = Held {
            marked: job.sent_claim.is_some(),
            generation: self.memory.accounts[&job.bucket.uuid()].generation,
            job,
        };
        self.held.push(held);
    }

    async fn claim(&mut self, worker: usize, room: i32) {
        let claims = self.shop.store.claim(self.ask(worker, room)).await.unwrap();
        let given = claims.jobs.len();
        assert!(given <= usize::try_from(room).unwrap());
        for account in &self.accounts {
            let expected = self.memory.claimable(account.uuid());
            let jobs = claims
                .jobs
                .iter()
                .filter(|job| job.bucket.uuid() == account.uuid());
            let taken: Vec<Uuid> = jobs.map(|job| job.job.uuid()).collect();
            // With little room others may come first; without, everything that may go goes: nobody sleeps in front of work.
            let expected = if room < 100 {
                &expected[..taken.len().min(expected.len())]
            } else {
                &expected[..]
            };
            assert_eq!(taken, expected, "jobs given of account {account}");
        }
        for job in claims.jobs {
            self.take(job, true);
        }
    }

    async fn claim_overdue(&mut self, worker: usize) {
        let jobs = self
            .shop
            .store
            .claim_overdue(self.ask(worker, 100))
            .await
            .unwrap();
        let taken: BTreeSet<Uuid> = jobs.iter().map(|job| job.job.uuid()).collect();
        assert_eq!(taken, self.memory.overdue());
        for job in jobs {
            self.take(job, false);
        }
    }

    async fn mark(&mut self, which: usize) {
        let Some(n) = newest(&self.held, which) else {
            return;
        };
        let held = &mut self.held[n];
        let told = self
            .shop
            .mark(&held.job, self.shop.at_ms(self.memory.now))
            .await;
        let expected = self.memory.mark(held.job.job.uuid(), held.job.claim);
        assert_eq!(told.map(|_| ()), expected);
        held.marked |= expected.is_ok();
    }

    async fn write(&mut self, settlement: Settlement) {
        let now = self.shop.at_ms(self.memory.now);
        let expected = self.memory.settle(&settlement);
        assert_eq!(
            self.shop.settle(settlement, now).await,
            expected,
            "whether the fence held"
        );
    }

    /// A reaper looks, and must see every claim whose lease is over, but for those whose request may be in the air.
    async fn notice(&mut self) {
        let now = Some(self.shop.at_ms(self.memory.now));
        let queues = [QUEUE.to_owned()];
        let seen = self
            .shop
            .store
            .read_expired(&queues, 100, Duration::ZERO, now)
            .await
            .unwrap();
        let jobs: BTreeSet<Uuid> = seen.iter().map(|claim| claim.job.uuid()).collect();
        assert_eq!(jobs, self.memory.expired());
        for claim in seen {
            let held = self
                .held
                .iter()
                .find(|held| held.job.fence() == claim.fence());
            self.noticed
                .push(steps::reaped(&held.unwrap().job, &self.memory));
        }
        self.shop
            .store
            .drop_spent_leases(&queues, now)
            .await
            .unwrap();
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Accept(request) => self.accept(request).await,
            Step::Claim { worker, room } => self.claim(worker, room).await,
            Step::ClaimOverdue { worker } => self.claim_overdue(worker).await,
            Step::Mark { which } => self.mark(which).await,
            Step::Settle { which, how } => {
                if let Some(n) = newest(&self.held, which) {
                    let held = &self.held[n];
                    self.write(steps::written(how, &held.job, held.marked, held.generation))
                        .await;
                }
            }
            Step::Unstart { which } => self.unstart(which).await,
            Step::LateReceipt { which } => self.late_receipt(which).await,
            Step::Notice => self.notice().await,
            Step::Bury { which } => {
                if let Some(n) = newest(&self.noticed, which) {
                    let settlement = self.noticed.remove(n);
                    self.write(settlement).await;
                }
            }
            Step::Cancel { which } => {
                if let Some(n) = newest(&self.posts, which) {
                    let post = self.posts[n];
                    let told = self
                        .shop
                        .store
                        .cancel_post(self.shop.org, post.into())
                        .await
                        .unwrap();
                    assert_eq!(
                        told,
                        self.memory.cancel(post),
                        "whether the post was canceled"
                    );
                }
            }
            Step::Redrive { which, blind } => self.redrive(which, blind).await,
            Step::Pause { account } => self.pause(account, true).await,
            Step::Resume { account } => self.pause(account, false).await,
            Step::Reconnect { account } => self.reconnect(account).await,
            Step::Disconnect { account } => self.disconnect(account).await,
            Step::Edit { which, change } => self.edit(which, change).await,
            Step::Pass { millis } => self.memory.now += millis,
        }
        self.memory.now += 1;
    }

    /// Puts a claim back that sent nothing.
    async fn unstart(&mut self, which: usize) {
        if let Some(n) = newest(&self.held, which) {
            let job = &self.held[n].job;
            let (id, claim) = (job.job.uuid(), job.claim);
            if self
                .memory
                .jobs
                .get(&id)
                .is_some_and(|job| job.sent == Some(claim))
            {
                return;
            }
            let back = self
                .shop
                .store
                .release_unstarted(&[job.fence()])
                .await
                .unwrap();
            assert_eq!(
                back == 1,
                self.memory.unstart(id, claim),
                "whether the claim was put back"
            );
        }
    }

    /// A worker that lost its claim learns that its send took effect.
    async fn late_receipt(&mut self, which: usize) {
        if let Some(n) = newest(&self.held, which) {
            let job = &self.held[n].job;
            let (id, claim) = (job.job.uuid(), job.claim);
            if !self.held[n].marked || self.memory.is_current(id, claim) {
                return;
            }
            let kept = self
                .shop
                .store
                .keep_receipt(job.fence(), job.subject.into(), &receipt())
                .await;
            assert_eq!(
                kept.unwrap(),
                self.memory.keep_receipt(id, claim, job.subject),
                "whether a letter was adopted"
            );
        }
    }
}

async fn run_case(steps: Vec<Step>) {
    let mut twins = Twins::open().await;
    for step in steps {
        twins.step(step).await;
        let (found, expected) = (stored(&twins.shop).await, twins.memory.view());
        for (part, rows) in expected.as_object().unwrap() {
            assert_eq!(
                &found[part], rows,
                "{part} (stored, expected) after {step:?}"
            );
        }
    }
    // Whatever was left is claimable in the end, or somebody closed it.
    twins.memory.now += 3_600_000;
    for _ in 0..3 {
        twins.claim(0, 100).await;
    }
    twins.shop.close().await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test learns from the environment how long it is to run"
)]
fn cases() -> u32 {
    let wanted = std::env::var("POSTRIDER_MODEL_CASES");
    wanted.map_or(CASES, |cases| cases.parse().expect("a number of cases"))
}

#[test]
fn the_queue_agrees_with_its_model_after_every_step() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        max_shrink_iters: 250,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "proptest-regressions/model.txt",
        ))),
        source_file: Some(file!()),
        ..Config::default()
    });
    let outcome = runner.run(&steps::steps(), |steps| {
        runtime.block_on(run_case(steps));
        Ok(())
    });
    if let Err(error) = outcome {
        unreachable!("{error}");
    }
}
