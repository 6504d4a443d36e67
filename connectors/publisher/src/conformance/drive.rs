//! A publication's turns, as the engine would take them: publish, remember, wait, look, begin again.

use super::{
    Shape,
    broken::{Broken, Checked, ensure},
    marks::{Marks, Then},
    world::{AMPLE, World},
};
use crate::{
    authorizer::TokenSet,
    connector::Connector,
    contract::{Checkpoint, Evidence, Progress, Receipt, Step},
    failure::{Class, Failure},
    fake::Fault,
    http::Deadline,
    id::PostId,
    post::Post,
    quota::Usages,
};
use chrono::{DateTime, TimeDelta, Utc};
use std::{fmt, time::Duration};

/// No publication takes more turns.
const TURNS_MAX: usize = 300;

/// Wait before something transient is tried again.
const BACKOFF: Duration = Duration::from_secs(1);

/// How a publication ended.
pub(super) enum End {
    /// It is public as a whole.
    Published(Receipt),
    /// Nobody can tell: for a person.
    Unknown,
    /// It ended unpublished.
    Failed(Failure),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(receipt) => write!(f, "it is published: {receipt:?}"),
            Self::Unknown => f.write_str("nobody can tell what became of it"),
            Self::Failed(failure) => write!(f, "it failed: {failure:?}"),
        }
    }
}

/// What one call of `publish` came to.
pub(super) struct Call {
    pub(super) result: Result<Progress, Failure>,
    /// The checkpoint of its mark, if it asked for one.
    pub(super) marked: Option<Checkpoint>,
    /// For each mark: how many irreversible requests of this call had arrived before it.
    pub(super) arrived_before_mark: Vec<usize>,
    /// How many irreversible requests of this call arrived.
    pub(super) sent: usize,
    at: DateTime<Utc>,
}

/// One publication.
pub(super) struct Turn<'w> {
    world: &'w World,
    pub(super) connector: Connector,
    pub(super) post: Post,
    pub(super) tokens: TokenSet,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) sent_at: Option<DateTime<Utc>>,
    /// How long each of its calls has.
    pub(super) deadline: Duration,
    /// Whether each call meets a connector that was built anew, and a checkpoint that was written and read.
    pub(super) restarts: bool,
    receipt: Option<Receipt>,
    answer_by: Option<DateTime<Utc>>,
    /// Whether the unresolved send is to be repeated now.
    resends: bool,
    usages: Usages,
}

impl<'w> Turn<'w> {
    /// A publication of a sample that has not begun; a post of its own.
    pub(super) fn new(world: &'w World, shape: &Shape) -> Self {
        Self {
            world,
            connector: world.connector.clone(),
            post: Post {
                id: PostId::new(),
                ..shape.post.clone()
            },
            tokens: world.tokens.clone(),
            checkpoint: None,
            sent_at: None,
            deadline: AMPLE,
            restarts: false,
            receipt: None,
            answer_by: None,
            resends: false,
            usages: Usages::default(),
        }
    }

    fn step<'a>(
        &'a self,
        marks: &'a Marks<'a>,
        deadline: Deadline,
        now: DateTime<Utc>,
    ) -> Step<'a> {
        Step {
            post: &self.post,
            account: &self.world.account,
            token: &self.tokens.access,
            media: &self.world.files,
            checkpoint: self.checkpoint.as_ref(),
            receipt: self.receipt.as_ref(),
            sent_at: self.sent_at,
            answer_by: self.answer_by,
            mark: marks,
            usages: &self.usages,
            idempotency_key: "conformance",
            sequence: self.world.sequence(),
            now,
            deadline,
        }
    }

    fn marks<'a>(&self, then: Then<'a>) -> (Marks<'a>, Deadline) {
        let deadline = Deadline::after(self.deadline);
        let marks = Marks::new(then, deadline, self.world.server.journal());
        (marks, deadline)
    }

    /// One call of `publish`; nothing is remembered of it.
    pub(super) async fn publish(&self, then: Then<'_>) -> Call {
        let dies = matches!(then, Then::Die);
        let (marks, deadline) = self.marks(then);
        let before = self.world.server.journal().irreversible().len();
        let at = self.world.now();
        let publisher = &self.connector.publisher;
        let call = publisher.publish(self.step(&marks, deadline, at));
        let result = tokio::select! {
            result = call => result,
            () = marks.died(), if dies => Err(Failure::ambiguous("conformance.killed", "the process died")),
        };
        Call {
            result,
            marked: marks.last(),
            arrived_before_mark: marks.arrived_before().iter().map(|n| n - before).collect(),
            sent: self.world.server.journal().irreversible().len() - before,
            at,
        }
    }

    /// One call of `verify`, at `now`.
    pub(super) async fn look_at(&self, now: DateTime<Utc>) -> Result<Evidence, Failure> {
        let (marks, deadline) = self.marks(Then::Refuse);
        let publisher = &self.connector.publisher;
        publisher.verify(self.step(&marks, deadline, now)).await
    }

    /// One call of `verify`.
    pub(super) async fn look(&self) -> Result<Evidence, Failure> {
        self.look_at(self.world.now()).await
    }

    /// The process died in this call: nothing is known of it but its mark.
    pub(super) fn forget(&mut self, call: &Call) {
        if let Some(marked) = &call.marked {
            self.unresolved(marked.clone(), call.at);
        }
    }

    fn unresolved(&mut self, marked: Checkpoint, at: DateTime<Utc>) {
        let longest = self.connector.habits.call_deadline;
        self.checkpoint = Some(marked);
        self.sent_at = Some(at);
        self.answer_by = Some(at + TimeDelta::from_std(longest).unwrap_or_default());
    }

    /// Goes on to the end as the engine would. Errors: it never ends, or a checkpoint cannot be read again.
    pub(super) async fn drive(&mut self) -> Checked<End> {
        for _ in 0..TURNS_MAX {
            if self.restarts {
                self.restart()?;
            }
            let end = if self.sent_at.is_some() && !self.resends {
                self.look_on().await
            } else {
                let call = self.publish(Then::Grant).await;
                self.settle(call).await
            };
            if let Some(end) = end {
                // Whatever is still under way arrives now.
                self.world.pass(Duration::from_hours(1)).await;
                return Ok(end);
            }
        }
        Err(Broken::because(format!(
            "it is not over after {TURNS_MAX} turns"
        )))
    }

    /// Ends as published, or breaks the case.
    pub(super) async fn drive_to_publication(&mut self) -> Checked<Receipt> {
        match self.drive().await? {
            End::Published(receipt) => Ok(receipt),
            other => Err(Broken::because(format!(
                "it must be published, and {other}"
            ))),
        }
    }

    /// A new process: the connector is built anew, the checkpoint comes back from its JSON.
    pub(super) fn restart(&mut self) -> Checked {
        self.connector = self.world.rebuilt()?;
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(());
        };
        let version = self.connector.habits.checkpoint_version;
        ensure(checkpoint.version == version, || {
            format!(
                "a checkpoint of version {} although habits say {version}",
                checkpoint.version
            )
        })?;
        ensure(is_word(&checkpoint.stage), || {
            format!("the stage `{}` is not one plain word", checkpoint.stage)
        })?;
        let unreadable =
            |e: serde_json::Error| Broken::because(format!("a checkpoint is no JSON: {e}"));
        let json = serde_json::to_string(checkpoint).map_err(unreadable)?;
        self.checkpoint = Some(serde_json::from_str(&json).map_err(unreadable)?);
        Ok(())
    }

    /// Remembers what a call came to, and waits as it asks.
    pub(super) async fn settle(&mut self, call: Call) -> Option<End> {
        let resent = std::mem::take(&mut self.resends);
        let Call {
            result, marked, at, ..
        } = call;
        let failure = match result {
            Ok(progress) => {
                self.sent_at = None;
                return self.go_on(progress).await;
            }
            Err(failure) => failure,
        };
        if let (true, Class::Duplicate, Some(first)) = (resent, failure.class, &failure.original) {
            return Some(End::Published(Receipt::clone(first)));
        }
        match (failure.class, marked) {
            (Class::Ambiguous | Class::Stale | Class::Duplicate, Some(marked)) => {
                self.unresolved(marked, at);
            }
            (
                Class::OperatorBlocked | Class::AccountBlocked | Class::Rejected | Class::Duplicate,
                _,
            ) => {
                return Some(End::Failed(failure));
            }
            (Class::Stale, None) => self.checkpoint = None,
            (Class::Unauthorized, marked) => {
                self.checkpoint = marked.or(self.checkpoint.take());
                return self.renew().await;
            }
            (Class::Transient | Class::RateLimited | Class::Ambiguous, marked) => {
                self.checkpoint = marked.or(self.checkpoint.take());
                self.world.pass(failure.retry_in.unwrap_or(BACKOFF)).await;
            }
        }
        None
    }

    /// It is to be sent again, after a look that says so: the mark is gone, or the send stays unresolved and is repeated.
    pub(super) fn will_send(&mut self, evidence: &Evidence) {
        match evidence {
            Evidence::ResendIsSafe { .. } => self.resends = true,
            _ => self.sent_at = None,
        }
    }

    async fn look_on(&mut self) -> Option<End> {
        match self.look().await {
            Ok(Evidence::Found(progress)) => {
                self.sent_at = None;
                return self.go_on(progress).await;
            }
            Ok(evidence @ (Evidence::Absent | Evidence::ResendIsSafe { .. })) => {
                self.will_send(&evidence);
            }
            Ok(Evidence::NotYet { look_after }) => {
                self.world
                    .pass(look_after.max(Duration::from_millis(1)))
                    .await;
            }
            Ok(Evidence::Unknowable) => return Some(End::Unknown),
            Err(failure) if failure.class == Class::Unauthorized => return self.renew().await,
            Err(failure) => self.world.pass(failure.retry_in.unwrap_or(BACKOFF)).await,
        }
        None
    }

    async fn go_on(&mut self, progress: Progress) -> Option<End> {
        match progress {
            Progress::Published(receipt) => Some(End::Published(receipt)),
            Progress::Pending {
                checkpoint,
                poll_after,
                receipt,
            } => {
                self.checkpoint = Some(checkpoint);
                self.receipt = receipt.or(self.receipt.take());
                self.world.pass(poll_after).await;
                None
            }
        }
    }

    async fn renew(&mut self) -> Option<End> {
        let (now, deadline) = (self.world.now(), Deadline::after(AMPLE));
        let authorizer = &self.connector.authorizer;
        match authorizer
            .refresh(&self.world.account, &self.tokens, now, deadline)
            .await
        {
            Ok(refreshed) => {
                self.tokens = refreshed.tokens;
                None
            }
            Err(failure) => Some(End::Failed(failure)),
        }
    }

    /// Goes on until the armed fault was met; none if the post is over before. Errors: it never is.
    pub(super) async fn until_fault(&mut self) -> Checked<Option<Call>> {
        for _ in 0..TURNS_MAX {
            let call = self.publish(Then::Grant).await;
            if self.world.server.faults().left() == 0 {
                return Ok(Some(call));
            }
            if !matches!(call.result, Ok(Progress::Pending { .. })) {
                return Ok(None);
            }
            self.settle(call).await;
        }
        Err(Broken::because("it never comes to an end"))
    }
}

impl World {
    /// Publishes a sample until its irreversible request meets `fault`. Errors: it makes no such request.
    pub(super) async fn reach(&self, shape: &Shape, fault: Fault) -> Checked<(Turn<'_>, Call)> {
        let route = self.subject.irreversible;
        if route.is_empty() {
            return Err(Broken::missing(
                "`irreversible`: the route of the one irreversible request",
            ));
        }
        self.server.faults().arm(route, fault, 1);
        let mut turn = Turn::new(self, shape);
        match turn.until_fault().await? {
            Some(call) => Ok((turn, call)),
            None => Err(Broken::because(format!(
                "{}: no request to {route} was made",
                shape.name
            ))),
        }
    }

    /// The same with a fault after which nobody knows what happened; the mark is unresolved then.
    pub(super) async fn cut(&self, shape: &Shape, fault: Fault) -> Checked<Turn<'_>> {
        let (mut turn, call) = self.reach(shape, fault.clone()).await?;
        let ambiguous = matches!(&call.result, Err(failure) if failure.class == Class::Ambiguous);
        ensure(ambiguous && call.marked.is_some(), || {
            format!(
                "{fault:?}: the outcome is unknown, and it reported {:?}",
                call.result
            )
        })?;
        turn.forget(&call);
        Ok(turn)
    }
}

fn is_word(stage: &str) -> bool {
    !stage.is_empty() && stage.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}
