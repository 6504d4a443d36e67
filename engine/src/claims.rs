//! The claim loop of one queue: free slots → claim → handlers.
//!
//! It claims when an eighth of the slots is free, and is woken by a notification, by the instant the next bucket opens, by a
//! settlement that may have freed one, and by a poll with jitter behind it all. It asks for no more than the free slots, so
//! that no lease ages in a buffer.

use crate::attempt::{AttemptState, Body, Work};
use crate::backend::{Claim, Finished, Slot};
use crate::backoff::scramble;
use crate::error::chain;
use crate::leases::Leases;
use crate::telemetry;
use publisher::id::{AccountId, LeaseId, OrgId, PostId, WorkerId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::queue::{ClaimRequest, Claimed};
use store::{Store, StoreError};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// How often jobs past their deadline are looked for that no ordinary claim reaches.
const OVERDUE_EVERY: Duration = Duration::from_secs(2);

/// Shortest wait between two claims, unless the last one was full.
const LOOK_MIN: Duration = Duration::from_millis(10);

/// Longest wait after a database error.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Claims whose COMMIT answer was lost: they may be leased to us without our knowing which jobs they hold.
#[derive(Debug, Default)]
struct Lost(Vec<LeaseId>);

impl Lost {
    fn note(&mut self, lease: LeaseId, error: StoreError) -> StoreError {
        if error.is_passing() {
            self.0.push(lease);
        }
        error
    }

    /// Puts their jobs back before anything new is claimed; nobody began them.
    async fn release(&mut self, store: &Store, worker: WorkerId) -> Result<(), StoreError> {
        if !self.0.is_empty() {
            let released = store.release_leases(worker, &self.0).await?;
            tracing::warn!(released, "claims with an unknown outcome were put back");
            self.0.clear();
        }
        Ok(())
    }
}

/// How long it is tried to put claims back: nobody else knows that they were not begun, until their lease is over.
struct Patience {
    deadline: Instant,
    pause: Duration,
}

impl Patience {
    fn of(lease: Duration) -> Self {
        Self {
            deadline: Instant::now() + lease,
            pause: Duration::from_millis(25),
        }
    }

    /// Waits before the next try, or says that there is none.
    async fn is_over(&mut self, queue: &str, error: &StoreError) -> bool {
        if !error.is_passing() || self.deadline <= Instant::now() {
            let error = chain(error);
            tracing::error!(
                queue,
                error,
                "claims could not be put back; their lease will end by itself"
            );
            return true;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(RETRY_MAX);
        false
    }
}

/// One queue's claimer.
pub(crate) struct Claimer {
    pub(crate) store: Store,
    pub(crate) queue: String,
    pub(crate) worker: WorkerId,
    pub(crate) lease: Duration,
    pub(crate) poll: Duration,
    pub(crate) slots: usize,
    pub(crate) free: Arc<Semaphore>,
    pub(crate) wake: Arc<Notify>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) handlers: mpsc::Sender<Claim>,
    pub(crate) settler: mpsc::Sender<Finished>,
}

impl Claimer {
    /// Claims until told to stop, and leaves no claim behind that it does not know of.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut lost = Lost::default();
        self.claim_until(&stop, &mut lost).await;
        let mut patience = Patience::of(self.lease);
        while let Err(error) = lost.release(&self.store, self.worker).await {
            if patience.is_over(&self.queue, &error).await {
                return;
            }
        }
    }

    async fn claim_until(&self, stop: &CancellationToken, lost: &mut Lost) {
        let mut failures = 0u32;
        let mut turns = 0u64;
        let mut overdue_at = Instant::now();
        loop {
            turns = turns.wrapping_add(1);
            let enough = u32::try_from((self.slots / 8).max(1)).unwrap_or(1);
            let free = tokio::select! {
                () = stop.cancelled() => return,
                permits = self.free.clone().acquire_many_owned(enough) => permits,
            };
            drop(free);
            let turn = async {
                lost.release(&self.store, self.worker).await?;
                let look_in = self.claim_due(lost).await?;
                if overdue_at <= Instant::now() {
                    self.claim_overdue(lost).await?;
                    overdue_at = Instant::now() + OVERDUE_EVERY;
                }
                Ok::<_, StoreError>(look_in)
            };
            let sleep = match turn.await {
                Ok(look_in) => {
                    failures = 0;
                    look_in
                        .unwrap_or(Duration::MAX)
                        .min(self.jittered_poll(turns))
                }
                Err(error) => {
                    failures = (failures + 1).min(8);
                    tracing::warn!(queue = self.queue, error = chain(&error), "cannot claim");
                    (Duration::from_millis(50) * 2u32.pow(failures)).min(RETRY_MAX)
                }
            };
            if !sleep.is_zero() {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(sleep) => {}
                }
            }
        }
    }

    /// Between three quarters of the poll and the whole of it, so that workers do not march in step.
    fn jittered_poll(&self, turn: u64) -> Duration {
        let (_, low) = self.worker.uuid().as_u64_pair();
        let share = u32::try_from(scramble(low ^ turn) % 1000).unwrap_or(0);
        self.poll * 3 / 4 + (self.poll / 4).mul_f64(f64::from(share) / 1000.0)
    }

    /// Claims what is due; returns when to look again.
    async fn claim_due(&self, lost: &mut Lost) -> Result<Option<Duration>, StoreError> {
        let room = self.free.available_permits();
        if room == 0 {
            return Ok(Some(Duration::ZERO));
        }
        let ask = self.ask(room);
        let claims = self
            .store
            .claim(ask)
            .instrument(telemetry::claim(&self.queue, room))
            .await
            .map_err(|error| lost.note(ask.lease_id, error))?;
        let full = claims.jobs.len() >= room;
        self.hand_over(claims.jobs).await?;
        Ok(if full {
            Some(Duration::ZERO)
        } else {
            // A bucket that is ready and locked by somebody else is not asked for in a tight loop.
            claims.look_in.map(|wait| wait.max(LOOK_MIN))
        })
    }

    async fn claim_overdue(&self, lost: &mut Lost) -> Result<(), StoreError> {
        let room = self.free.available_permits().min(64);
        if room > 0 {
            let ask = self.ask(room);
            let jobs = self
                .store
                .claim_overdue(ask)
                .await
                .map_err(|error| lost.note(ask.lease_id, error))?;
            self.hand_over(jobs).await?;
        }
        Ok(())
    }

    fn ask(&self, room: usize) -> ClaimRequest<'_> {
        ClaimRequest {
            queue: &self.queue,
            room: i32::try_from(room).unwrap_or(i32::MAX),
            worker: self.worker,
            lease_id: LeaseId::new(),
            lease: self.lease,
            now: None,
        }
    }

    /// Loads what belongs to the jobs and gives each to a handler with its slot. What cannot be loaded is put back.
    async fn hand_over(&self, jobs: Vec<Claimed>) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let mut bodies = match self.load(&jobs).await {
            Ok(bodies) => bodies,
            Err(error) => {
                self.put_back(&jobs).await;
                return Err(error);
            }
        };
        tracing::debug!(queue = self.queue, jobs = jobs.len(), "claimed");
        telemetry::claimed(&self.queue, &jobs);
        // All at once, before the first can be settled: a lease is finished when its last job is.
        for claimed in &jobs {
            self.leases.open(claimed.lease);
        }
        for claimed in jobs {
            let body = bodies.remove(&claimed.job.uuid()).unwrap_or(Body::Unknown);
            let Ok(permit) = self.free.clone().acquire_owned().await else {
                return Ok(());
            };
            let state = AttemptState::new(claimed.sent_claim.is_some());
            let work = Arc::new(Work { claimed, body });
            let slot = Slot::new(
                Arc::clone(&work),
                Arc::clone(&state),
                permit,
                self.settler.clone(),
            );
            // A closed channel drops the claim, and with it its slot, which settles it.
            self.handlers
                .send(Claim {
                    work,
                    state,
                    slot: Some(slot),
                })
                .await
                .ok();
        }
        Ok(())
    }

    /// Puts claims back that were never begun.
    async fn put_back(&self, jobs: &[Claimed]) {
        let fences: Vec<_> = jobs.iter().map(Claimed::fence).collect();
        let mut patience = Patience::of(self.lease);
        while let Err(error) = self.store.release_unstarted(&fences).await {
            if patience.is_over(&self.queue, &error).await {
                return;
            }
        }
    }

    async fn load(&self, jobs: &[Claimed]) -> Result<HashMap<uuid::Uuid, Body>, StoreError> {
        let of_kind = |kind: &str| {
            jobs.iter()
                .filter(|job| job.kind == kind)
                .collect::<Vec<_>>()
        };
        let (publishes, refreshes) = (of_kind("publish"), of_kind("refresh"));
        let mut by_subject: HashMap<(OrgId, uuid::Uuid), Body> = HashMap::new();
        if !publishes.is_empty() {
            let ids: Vec<_> = publishes
                .iter()
                .map(|job| (job.org, PostId(job.subject)))
                .collect();
            for post in self.store.load_posts(&ids).await? {
                by_subject.insert((post.org, post.id.uuid()), Body::Publish(Box::new(post)));
            }
        }
        if !refreshes.is_empty() {
            let ids: Vec<_> = refreshes
                .iter()
                .map(|job| (job.org, AccountId(job.subject)))
                .collect();
            for account in self.store.load_accounts(&ids).await? {
                by_subject.insert(
                    (account.org, account.id.uuid()),
                    Body::Refresh(Box::new(account)),
                );
            }
        }
        Ok(jobs
            .iter()
            .filter_map(|job| {
                by_subject
                    .remove(&(job.org, job.subject))
                    .map(|body| (job.job.uuid(), body))
            })
            .collect())
    }
}
