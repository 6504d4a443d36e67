//! The spans of the engine and what is measured of a claim.
//!
//! `accept` stands in the request's own span; an attempt runs later and elsewhere, so it is not its child but carries the
//! request's id, which travelled in the job's payload. What is measured is declared in [`publisher::measure`].

use crate::attempt::{Body, Work};
use publisher::id::BatchId;
use publisher::measure;
use store::queue::Claimed;
use tracing::Span;
use tracing::field::Empty;

/// Around the storing of a request.
pub(crate) fn accept(batch: BatchId, posts: usize) -> Span {
    tracing::info_span!("accept", batch.id = %batch, posts)
}

/// Around one look for due jobs.
pub(crate) fn claim(queue: &str, room: usize) -> Span {
    tracing::debug_span!("claim", queue, room)
}

/// Around one attempt, its calls to the platform included.
pub(crate) fn attempt(work: &Work) -> Span {
    let job = &work.claimed;
    let span = tracing::info_span!(
        "attempt",
        job.id = %job.job,
        post.id = Empty,
        account.id = Empty,
        platform = job.queue,
        claim = job.claim,
        failures = job.failures,
        request.id = request_of(work),
    );
    let account = match &work.body {
        Body::Publish(post) => {
            span.record("post.id", tracing::field::display(post.id));
            Some(post.account)
        }
        Body::Refresh(account) => Some(account.id),
        Body::Unknown => None,
    };
    if let Some(account) = account {
        span.record("account.id", tracing::field::display(account));
    }
    span
}

/// The id of the request that a job was accepted with.
pub(crate) fn request_of(work: &Work) -> Option<&str> {
    work.claimed.payload["requestId"].as_str()
}

/// Counts what was claimed, and for how long it had been due.
pub(crate) fn claimed(queue: &str, jobs: &[Claimed]) {
    measure::JOBS_CLAIMED.add([queue], jobs.len() as u64);
    for job in jobs {
        let waited = (job.claimed_at - job.run_at).as_seconds_f64();
        measure::WAIT.observe([queue], waited.max(0.0));
    }
}

/// Makes the series of a worker known before anything has happened, so that a first event is seen as one.
pub(crate) fn known(queues: &[String]) {
    measure::LEASE_LOST.add([], 0);
    for queue in queues {
        measure::JOBS_CLAIMED.add([queue], 0);
        measure::REAPED.add([queue], 0);
        measure::REFRESHES_PLANNED.add([queue], 0);
    }
}
