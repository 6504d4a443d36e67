//! `toy_list`, `toy_late` and `toy_blind`: one keyless request makes a post.
//!
//! Nothing in the request tells a repetition from a new post, so an unknown outcome is found out by looking for the text
//! among what was made since the send mark; on `toy_blind` not even that.

use super::{CHECKPOINT_VERSION, Toy, answers::Kind};
use crate::{
    contract::{Checkpoint, Evidence, Progress, Publisher, Step},
    failure::Failure,
    post::Post,
    preflight::Report,
};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(super) struct Listing(pub(super) Toy);

#[derive(Serialize, Deserialize)]
enum Memory {
    Sending,
}

#[derive(Deserialize)]
struct Listed {
    posts: Vec<ListedPost>,
}

#[derive(Deserialize)]
struct ListedPost {
    id: String,
    text: String,
    created_at: DateTime<Utc>,
}

#[async_trait]
impl Publisher for Listing {
    fn preflight(&self, post: &Post) -> Report {
        self.0.preflight(post)
    }

    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure> {
        let toy = &self.0;
        step.checkpoint
            .map(Checkpoint::read::<Memory>)
            .transpose()?;
        let account = step.account.platform_account_id.as_str();
        let url = toy.url(&[toy.platform, account, "posts"]);
        let sending = Checkpoint::new(CHECKPOINT_VERSION, "sending", &Memory::Sending)?;
        let permit = step.mark.set(sending).await?;
        let answer = toy
            .http
            .post_once(&url, permit)
            .bearer(step.token)
            .json(&json!({ "text": step.post.text }))
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| e.failure(&toy.code("create.unanswered")))?;
        let id = toy.created("create", Kind::Irreversible, &answer)?;
        Ok(toy.published(account, id))
    }

    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure> {
        let toy = &self.0;
        let Some(sent_at) = step.sent_at.filter(|_| toy.platform != "toy_blind") else {
            return Ok(Evidence::Unknowable);
        };
        let account = step.account.platform_account_id.as_str();
        let since = sent_at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let answer = toy
            .http
            .get(&toy.url(&[toy.platform, account, "posts"]))
            .query(&[("since", &since)])
            .bearer(step.token)
            .deadline(step.deadline)
            .send()
            .await
            .map_err(|e| e.failure(&toy.code("list.unanswered")))?;
        if !answer.is_success() {
            return Err(toy.refusal("list", Kind::Harmless, &answer));
        }
        let listed: Listed = answer.json().map_err(|e| {
            toy.unclear(
                "list",
                Kind::Harmless,
                &format!("the list cannot be read: {e}"),
            )
        })?;
        let ours = |post: &ListedPost| post.text == step.post.text && post.created_at >= sent_at;
        if let Some(post) = listed.posts.into_iter().find(ours) {
            return Ok(Evidence::Found(toy.published(account, post.id)));
        }
        Ok(toy.missing(&step))
    }
}

impl Toy {
    /// It was not found: absent once nothing can appear any more, else too early to say.
    pub(super) fn missing(&self, step: &Step<'_>) -> Evidence {
        let (call_deadline, quiet) = (self.times.call_deadline, self.quiet());
        if step.settled_since_sent(call_deadline, quiet) {
            Evidence::Absent
        } else {
            Evidence::NotYet {
                look_after: step.left_until_settled(call_deadline, quiet),
            }
        }
    }
}
