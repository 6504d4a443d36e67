//! apalis over our own claims: it runs, we store.
//!
//! A [`Claim`] carries its [`Slot`]; whoever drops a slot without reporting settles the claim as cut. The settle layer is the
//! outermost one, so that a timeout or a panic inside it is just an outcome. Nothing here can fail ([`Infallible`]): what can
//! fail is retried inside the claim loop.

use crate::attempt::{AttemptState, Work};
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::error::BoxDynError;
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::context::WorkerContext;
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tower::{Layer, Service};

/// How a run ended, as far as the runtime can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The handler returned; its report is in the state.
    Done,
    /// It timed out or panicked.
    Failed,
    /// Its lease was dropped; nobody reported.
    Cut,
    /// Claimed, never begun.
    Unstarted,
}

/// A run that is over, on its way to the settler.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) work: Arc<Work>,
    pub(crate) state: Arc<AttemptState>,
    pub(crate) outcome: Outcome,
    /// Held until the settlement is committed, so that a slow commit slows claiming.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The right and the duty to settle one claim, exactly once.
#[derive(Debug)]
pub(crate) struct Slot {
    work: Arc<Work>,
    state: Arc<AttemptState>,
    permit: Option<OwnedSemaphorePermit>,
    settler: mpsc::Sender<Finished>,
}

impl Slot {
    pub(crate) fn new(
        work: Arc<Work>,
        state: Arc<AttemptState>,
        permit: OwnedSemaphorePermit,
        settler: mpsc::Sender<Finished>,
    ) -> Self {
        Self {
            work,
            state,
            permit: Some(permit),
            settler,
        }
    }

    pub(crate) fn finish(mut self, outcome: Outcome) {
        self.send(outcome);
    }

    fn send(&mut self, outcome: Outcome) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let finished = Finished {
            work: Arc::clone(&self.work),
            state: Arc::clone(&self.state),
            outcome,
            permit,
        };
        // The channel has room for every permit there is; it is closed only after all of them came back.
        if self.settler.try_send(finished).is_err() {
            tracing::error!(job = %self.work.claimed.job, "a settlement found no settler; its lease will end by itself");
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.send(Outcome::Cut);
    }
}

/// A claimed job on its way to a handler.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) work: Arc<Work>,
    pub(crate) state: Arc<AttemptState>,
    pub(crate) slot: Option<Slot>,
}

/// The claims of one queue, as apalis polls them. Shared by the restarts of its worker.
#[derive(Clone, Debug)]
pub(crate) struct Claims(Arc<Mutex<mpsc::Receiver<Claim>>>);

impl Claims {
    pub(crate) fn new(receiver: mpsc::Receiver<Claim>) -> Self {
        Self(Arc::new(Mutex::new(receiver)))
    }
}

impl Backend for Claims {
    type Task = Task<Claim>;
    type Error = Infallible;

    fn poll_ready(
        &mut self,
        _: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        let mut receiver = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        receiver
            .poll_recv(cx)
            .map(|claim| claim.map(|claim| Ok(TaskBuilder::new(claim).build())))
    }

    /// Hands back what was claimed and never begun.
    fn poll_close(
        &mut self,
        cx: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Result<(), Infallible>> {
        let mut receiver = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.close();
        while let Some(mut claim) = ready!(receiver.poll_recv(cx)) {
            if let Some(slot) = claim.slot.take() {
                slot.finish(Outcome::Unstarted);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Claims {
    type Args = Claim;
    type Id = ();
    type Kind = Ephemeral;
    type Config = ();
    type Layer = SettleLayer;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> SettleLayer {
        SettleLayer
    }
}

/// Takes the slot off a claim, runs what is inside, and settles by what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettleLayer;

/// The service of [`SettleLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Settling<S>(S);

impl<S> Layer<S> for SettleLayer {
    type Service = Settling<S>;

    fn layer(&self, inner: S) -> Settling<S> {
        Settling(inner)
    }
}

impl<S> Service<Task<Claim>> for Settling<S>
where
    S: Service<Task<Claim>, Response = ()>,
    S::Future: Send + 'static,
    S::Error: Into<BoxDynError>,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut task: Task<Claim>) -> Self::Future {
        let slot = task.args.slot.take();
        let run = self.0.call(task);
        Box::pin(async move {
            let result = run.await.map_err(Into::into);
            if let Some(slot) = slot {
                slot.finish(if result.is_ok() {
                    Outcome::Done
                } else {
                    Outcome::Failed
                });
            }
            result
        })
    }
}
