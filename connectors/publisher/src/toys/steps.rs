//! `toy_steps`: a container that nobody can see, then its publication.
//!
//! Only the second request is irreversible. The container's id is remembered between them and is the handle by which an
//! unknown outcome is found out: its status says `PUBLISHED`. A container that died is begun again.

use super::{CHECKPOINT_VERSION, Toy, answers::Kind};
use crate::{
    contract::{Checkpoint, Evidence, Progress, Publisher, Step},
    failure::Failure,
    post::Post,
    preflight::Report,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

pub(super) struct Steps(pub(super) Toy);

/// How soon a container is looked at again.
const POLL_AFTER: Duration = Duration::from_millis(250);

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Memory {
    Container { id: String },
    Publishing { id: String },
}

impl Memory {
    fn of(step: &Step<'_>) -> Result<Option<String>, Failure> {
        let memory = step.checkpoint.map(Checkpoint::read::<Self>).transpose()?;
        Ok(memory.map(|(Self::Container { id } | Self::Publishing { id })| id))
    }
}

#[derive(Deserialize)]
struct Status {
    status: Phase,
    post_id: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Phase {
    InProgress,
    Finished,
    Published,
    Expired,
}

#[async_trait]
impl Publisher for Steps {
    fn preflight(&self, post: &Post) -> Report {
        self.0.preflight(post)
    }

    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure> {
        let Some(id) = Memory::of(&step)? else {
            return self.begin(&step).await;
        };
        let found = self.status(&step, &id).await?;
        match (found.status, found.post_id) {
            (Phase::InProgress, _) => pending(&Memory::Container { id }),
            (Phase::Published, Some(post)) => {
                Ok(self.0.published(&step.account.platform_account_id, post))
            }
            (Phase::Finished, _) => self.release(&step, id).await,
            (Phase::Expired | Phase::Published, _) => Err(Failure::stale(
                self.0.code("container.expired"),
                "the container expired before it was published",
            )),
        }
    }

    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure> {
        let Some(id) = Memory::of(&step)? else {
            return Ok(Evidence::Unknowable);
        };
        match self.status(&step, &id).await {
            Ok(Status {
                status: Phase::Published,
                post_id: Some(post),
            }) => {
                let account = &step.account.platform_account_id;
                Ok(Evidence::Found(self.0.published(account, post)))
            }
            // Published, and not told as what yet: that is no absence.
            Ok(Status {
                status: Phase::Published,
                post_id: None,
            }) => Ok(Evidence::NotYet {
                look_after: Duration::from_secs(1),
            }),
            Ok(_) => Ok(self.0.missing(&step)),
            // The platform keeps what was published, so a container that is gone never was.
            Err(failure) if failure.class == crate::failure::Class::Stale => {
                Ok(self.0.missing(&step))
            }
            Err(failure) => Err(failure),
        }
    }
}

impl Steps {
    async fn begin(&self, step: &Step<'_>) -> Result<Progress, Failure> {
        let toy = &self.0;
        let account = step.account.platform_account_id.as_str();
        let answer = toy
            .http
            .post(&toy.url(&[toy.platform, account, "containers"]))
            .bearer(step.token)
            .json(&json!({ "text": step.post.text }))
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| e.failure(&toy.code("create.unanswered")))?;
        pending(&Memory::Container {
            id: toy.created("create", Kind::Harmless, &answer)?,
        })
    }

    async fn status(&self, step: &Step<'_>, id: &str) -> Result<Status, Failure> {
        let toy = &self.0;
        let account = step.account.platform_account_id.as_str();
        let answer = toy
            .http
            .get(&toy.url(&[toy.platform, account, "containers", id]))
            .bearer(step.token)
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| e.failure(&toy.code("container.unanswered")))?;
        if !answer.is_success() {
            return Err(toy.refusal("container", Kind::Harmless, &answer));
        }
        answer.json().map_err(|e| {
            toy.unclear(
                "container",
                Kind::Harmless,
                &format!("the status cannot be read: {e}"),
            )
        })
    }

    /// The one irreversible request.
    async fn release(&self, step: &Step<'_>, id: String) -> Result<Progress, Failure> {
        let toy = &self.0;
        let account = step.account.platform_account_id.as_str();
        let url = toy.url(&[toy.platform, account, "containers", &id, "publish"]);
        let permit = step
            .mark
            .set(checkpoint(&Memory::Publishing { id })?)
            .await?;
        let answer = toy
            .http
            .post_once(&url, permit)
            .bearer(step.token)
            .json(&json!({}))
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| e.failure(&toy.code("publish.unanswered")))?;
        let post = toy.created("publish", Kind::Irreversible, &answer)?;
        Ok(toy.published(account, post))
    }
}

fn checkpoint(memory: &Memory) -> Result<Checkpoint, Failure> {
    let stage = match memory {
        Memory::Container { .. } => "container",
        Memory::Publishing { .. } => "publishing",
    };
    Checkpoint::new(CHECKPOINT_VERSION, stage, memory)
}

fn pending(memory: &Memory) -> Result<Progress, Failure> {
    Ok(Progress::Pending {
        checkpoint: checkpoint(memory)?,
        poll_after: POLL_AFTER,
        receipt: None,
    })
}
