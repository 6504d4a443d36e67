//! Publishing: everything that is harmless to repeat, then the mark, then the one irreversible request.

use crate::{
    failures, preflight,
    wire::{Create, Created},
};
use async_trait::async_trait;
use publisher::{
    Checkpoint, Evidence, Failure, Http, Post, Progress, Publisher, Receipt, Report, Step,
};
use url::Url;

/// Skeleton's publisher.
#[derive(Debug)]
pub(crate) struct Skeleton {
    pub(crate) http: Http,
    pub(crate) base: Url,
}

#[async_trait]
impl Publisher for Skeleton {
    fn preflight(&self, post: &Post) -> Report {
        preflight::judge(post)
    }

    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure> {
        // To do: uploads and containers go here, one step each, with what must be remembered in `Progress::Pending`.
        let mut url = self.base.clone();
        url.set_path("/posts");
        let checkpoint = Checkpoint::new(crate::HABITS.checkpoint_version, "sending", &())?;
        let permit = step.mark.set(checkpoint).await?;
        let answer = self
            .http
            .post_once(&url, permit)
            .bearer(step.token)
            .json(&Create {
                text: &step.post.text,
            })
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| e.failure("skeleton.create.no_answer"))?;
        if !answer.is_success() {
            return Err(failures::of_create(&answer));
        }
        let created: Created = answer.json().map_err(|_| failures::of_create(&answer))?;
        Ok(Progress::Published(Receipt {
            uri: Some(created.id),
            ..Receipt::default()
        }))
    }

    async fn verify(&self, _step: Step<'_>) -> Result<Evidence, Failure> {
        // To do: look, and compare content. `Absent` only when `step.settled_since_sent(call_deadline, quiet)`.
        Ok(Evidence::Unknowable)
    }
}
