//! Windows are exact (I5): a second bookkeeper, who knows nothing of SQL, counts what a platform would count.
//!
//! It keeps a plain list of sends. However claims, settlements and time are interleaved, no window of the platform's own
//! ledger holds more than its bound, and a job whose turn it is goes as soon as it fits: nothing of the budget is wasted.

use crate::outcomes::{complete, dead_letter, retry, verify};
use crate::shop::{LEASE, Shop, window};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use publisher::id::{AccountId, JobId, LeaseId};
use std::collections::BTreeMap;
use std::time::Duration;
use store::queue::{ClaimRequest, Claimed, NewPost};

/// The bounds under test: at most `max` units in any `span_ms`.
const WINDOWS: [(u32, i64); 2] = [(7, 10_000), (16, 60_000)];

/// What happens next; positions are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enqueue { parts: u32, priority: i16 },
    Claim { room: i32 },
    Publish { which: usize, sent_after: u8 },
    Refuse { which: usize },
    Doubt { which: usize },
    GiveUp { which: usize },
    Pass { millis: i64 },
}

fn steps() -> impl Strategy<Value = (u32, Vec<Step>)> {
    let step = prop_oneof![
        4 => (1..=2u32, 0..=2i16).prop_map(|(parts, priority)| Step::Enqueue { parts, priority }),
        4 => (1..=5i32).prop_map(|room| Step::Claim { room }),
        4 => (any::<usize>(), 0..=100u8).prop_map(|(which, sent_after)| Step::Publish { which, sent_after }),
        1 => any::<usize>().prop_map(|which| Step::Refuse { which }),
        1 => any::<usize>().prop_map(|which| Step::Doubt { which }),
        1 => any::<usize>().prop_map(|which| Step::GiveUp { which }),
        4 => (1..=6_000i64).prop_map(|millis| Step::Pass { millis }),
    ];
    (1..=3u32, prop::collection::vec(step, 20..45))
}

/// One case in a queue of its own, and the bookkeeper's view of it.
struct Books<'a> {
    shop: &'a Shop,
    queue: &'static str,
    account: AccountId,
    units: u32,
    now: i64,
    /// Waiting jobs by the order in which they may go: priority, then age.
    line: BTreeMap<(i16, i64, JobId), u32>,
    /// Claimed jobs with their units and the instant of their claim.
    open: Vec<(Claimed, u32, i64)>,
    /// Marked jobs whose outcome nobody knows yet: reserved, and ridden by a look.
    doubted: BTreeMap<JobId, u32>,
    /// What the store may count: when it was settled, how much.
    settled: Vec<(i64, u32)>,
    /// What the platform saw: when it was sent, how much.
    sends: Vec<(i64, u32)>,
}

impl Books<'_> {
    fn used(&self, span: i64) -> u32 {
        let reserved: u32 = self.open.iter().map(|(_, units, _)| units).sum();
        let doubted: u32 = self.doubted.values().sum();
        let dated = self.settled.iter();
        let dated: u32 = dated
            .filter(|(at, _)| *at > self.now - span)
            .map(|(_, units)| units)
            .sum();
        reserved + doubted + dated
    }

    fn fits(&self, units: u32) -> bool {
        WINDOWS
            .iter()
            .all(|(max, span)| self.used(*span) + units <= *max)
    }

    async fn enqueue(&mut self, parts: u32, priority: i16) {
        let post = NewPost {
            parts,
            priority,
            platform: self.queue.to_owned(),
            ..self.shop.draft(self.account)
        };
        let job = self.shop.enqueue(post, self.shop.at_ms(self.now)).await;
        self.line
            .insert((priority, self.now, job), parts * self.units);
    }

    async fn claim(&mut self, room: i32) -> Option<Duration> {
        let ask = ClaimRequest {
            queue: self.queue,
            room,
            worker: self.shop.worker,
            lease_id: LeaseId::new(),
            lease: LEASE,
            now: Some(self.shop.at_ms(self.now)),
        };
        let claims = self.shop.store.claim(ask).await.unwrap();
        let given = claims.jobs.len();
        for job in claims.jobs {
            // A look rides on what it has; anything else must have been the head of the line, and must have fitted.
            if let Some(units) = self.doubted.remove(&job.job) {
                self.open.push((job, units, self.now));
                continue;
            }
            let (head, units) = self.line.pop_first().expect("somebody was waiting");
            assert_eq!(head.2, job.job, "the oldest of the most urgent goes first");
            assert!(self.fits(units), "a job was let go that did not fit");
            self.open.push((job, units, self.now));
        }
        if given < usize::try_from(room).unwrap()
            && let Some((_, units)) = self.line.first_key_value()
        {
            assert!(!self.fits(*units), "a job was kept that would have fitted");
        }
        claims.look_in
    }

    fn take(&mut self, which: usize) -> Option<(Claimed, u32, i64)> {
        (!self.open.is_empty()).then(|| self.open.remove(which % self.open.len()))
    }

    async fn mark(&self, job: &Claimed, claimed: i64) {
        if job.sent_claim.is_none() {
            let marked = self.shop.mark(job, self.shop.at_ms(claimed)).await;
            marked.unwrap();
        }
    }

    async fn end(&mut self, step: Step) {
        let (Step::Publish { which, .. }
        | Step::Refuse { which }
        | Step::Doubt { which }
        | Step::GiveUp { which }) = step
        else {
            return;
        };
        let Some((job, units, claimed)) = self.take(which) else {
            return;
        };
        self.mark(&job, claimed).await;
        let row = match step {
            Step::Publish { sent_after, .. } => {
                let sent = claimed + (self.now - claimed) * i64::from(sent_after) / 100;
                self.sends.push((sent, units));
                self.settled.push((self.now, units));
                complete(&job)
            }
            // The platform said no: it counted nothing, and the job goes to the end of its class.
            Step::Refuse { .. } => {
                self.line.insert((job.priority, self.now, job.job), units);
                retry(&job, 0)
            }
            Step::Doubt { .. } => {
                self.doubted.insert(job.job, units);
                verify(&job, 0)
            }
            _ => {
                self.sends.push((claimed, units));
                self.settled.push((self.now, units));
                dead_letter(&job, "ambiguous")
            }
        };
        assert!(self.shop.settle(row, self.shop.at_ms(self.now)).await);
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Enqueue { parts, priority } => self.enqueue(parts, priority).await,
            Step::Claim { room } => {
                self.claim(room).await;
            }
            Step::Pass { millis } => self.now += millis,
            other => self.end(other).await,
        }
        self.now += 1;
    }

    /// Lets everything that waits go, each at the first instant at which the store says that it may.
    async fn drain(&mut self) {
        for _ in 0..400 {
            while !self.open.is_empty() {
                let publish = Step::Publish {
                    which: 0,
                    sent_after: 50,
                };
                self.end(publish).await;
            }
            let look_in = self.claim(50).await;
            if !self.open.is_empty() {
                continue;
            }
            let Some((_, units)) = self.line.first_key_value() else {
                return;
            };
            let units = *units;
            let wait = look_in.expect("work waits, so there is a next look");
            let wait = i64::try_from(wait.as_millis()).unwrap();
            assert!(wait > 0, "the store would look again and again");
            self.now += wait - 1;
            assert!(!self.fits(units), "the bucket slept longer than needed");
            self.now += 1;
            assert!(self.fits(units), "the bucket woke too early");
        }
        unreachable!("the line never became empty");
    }

    /// No interval of a window's length, wherever it begins, holds more than its bound.
    fn audit(&self) {
        for (max, span) in WINDOWS {
            for (begin, _) in &self.sends {
                let inside = self.sends.iter();
                let inside: u32 = inside
                    .filter(|(at, _)| (*begin..begin + span).contains(at))
                    .map(|(_, units)| units)
                    .sum();
                assert!(inside <= max, "{inside} units in {span} ms, {max} allowed");
            }
        }
    }
}

async fn run_case(shop: &Shop, case: usize, units: u32, steps: Vec<Step>) {
    let queue: &'static str = Box::leak(format!("toys{case}").into_boxed_str());
    let limits = [
        window("short", "posts", WINDOWS[0].0, units, WINDOWS[0].1),
        window("long", "posts", WINDOWS[1].0, units, WINDOWS[1].1),
    ];
    shop.declare(queue, &limits).await;
    let mut books = Books {
        shop,
        queue,
        account: shop.account_on(queue).await,
        units,
        now: 0,
        line: BTreeMap::new(),
        open: Vec::new(),
        doubted: BTreeMap::new(),
        settled: Vec::new(),
        sends: Vec::new(),
    };
    for step in steps {
        books.step(step).await;
        books.audit();
    }
    books.drain().await;
    books.audit();
}

#[test]
fn no_window_is_ever_overfull_and_nothing_of_it_is_wasted() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let shop = runtime.block_on(Shop::open());
    let case = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases: 24,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&steps(), |(units, steps)| {
        case.set(case.get() + 1);
        runtime.block_on(run_case(&shop, case.get(), units, steps));
        Ok(())
    });
    if let Err(error) = outcome {
        unreachable!("{error}");
    }
    runtime.block_on(shop.close());
}
