//! The send mark: the committed intent before the irreversible request.

use super::{Fence, millis};
use crate::{Store, StoreError, answered};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// What a claim wants to mark.
#[derive(Clone, Copy, Debug)]
pub struct SetMark<'a> {
    /// Whose.
    pub fence: Fence,
    /// The sealed checkpoint that a look will need.
    pub checkpoint: &'a [u8],
    /// One plain word for people.
    pub stage: &'a str,
    /// The lease must outlive the call by so much; more than `call`.
    pub margin: Duration,
    /// The platform's call deadline.
    pub call: Duration,
    /// The request must begin within so much.
    pub begin: Duration,
    /// The database's clock unless a test says otherwise.
    pub now: Option<DateTime<Utc>>,
}

/// The mark is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// When, by the database's clock.
    pub sent_at: DateTime<Utc>,
    /// For how long from the statement's begin the request may still begin.
    pub may_begin: Duration,
}

/// Why a mark was refused; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The claim is not the current one any more, or its lease is too short.
    LeaseLost,
    /// Past the deadline.
    Overdue,
    /// An operator asked for its end.
    Canceled,
    /// A late receipt says that it is public already.
    Received,
    /// Another send of the bucket is unresolved.
    Busy,
}

/// How long one try may take; well within the lease.
const MARK_PATIENCE: Duration = Duration::from_secs(5);

impl Store {
    /// Sets the send mark of a claim, or says why not.
    ///
    /// A COMMIT whose answer was lost is asked for again by fence: a repeated mark of the same claim changes nothing but the
    /// checkpoint, which is the same. Errors: the database is away, and the mark may or may not be set.
    pub async fn set_mark(&self, ask: SetMark<'_>) -> Result<Result<Marked, Refusal>, StoreError> {
        let mut lost = 0;
        loop {
            match answered(MARK_PATIENCE, self.try_mark(ask)).await {
                Err(error) if error.is_passing() && lost < 2 => lost += 1,
                other => return other,
            }
        }
    }

    async fn try_mark(&self, ask: SetMark<'_>) -> Result<Result<Marked, Refusal>, StoreError> {
        let Fence { org, job, claim } = ask.fence;
        let margin = millis(ask.margin);
        let marked = sqlx::query_file!(
            "queries/queue/set_mark.sql",
            org.uuid(),
            job.uuid(),
            claim,
            ask.checkpoint,
            ask.stage,
            margin,
            millis(ask.call),
            millis(ask.begin),
            ask.now,
        )
        .fetch_optional(&self.reserved)
        .await?;
        if let Some(row) = marked {
            let may_begin = Duration::from_millis(u64::try_from(row.may_begin_ms).unwrap_or(0));
            return Ok(Ok(Marked {
                sent_at: row.sent_at,
                may_begin,
            }));
        }
        let state = sqlx::query_file!(
            "queries/queue/read_mark.sql",
            org.uuid(),
            job.uuid(),
            claim,
            margin,
            ask.now
        )
        .fetch_optional(&self.reserved)
        .await?;
        Ok(Err(match state {
            Some(state) if state.overdue => Refusal::Overdue,
            Some(state) if state.canceled => Refusal::Canceled,
            Some(state) if state.received => Refusal::Received,
            Some(state) if state.busy && !state.short => Refusal::Busy,
            Some(_) | None => Refusal::LeaseLost,
        }))
    }

    /// Whether the mark of this claim is stored; none when the claim is no longer current.
    pub async fn read_mark(&self, fence: Fence) -> Result<Option<bool>, StoreError> {
        let state = sqlx::query_file!(
            "queries/queue/read_mark.sql",
            fence.org.uuid(),
            fence.job.uuid(),
            fence.claim,
            0,
            None::<DateTime<Utc>>
        )
        .fetch_optional(&self.reserved)
        .await?;
        Ok(state.map(|state| state.stored))
    }
}
