//! A small connector for `toy_list` that is honest, or tells one lie.
//!
//! It prepares a draft in one step, which freezes what will be sent, and sends it in the next.

use super::{accounts::Accounts, toy};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use publisher::{
    Answer, CallError, Checkpoint, Connector, Evidence, Failure, Http, Post, Progress, Publisher,
    Receipt, Report, Setup, SetupError, Step,
    conformance::Subject,
    toys::{self, ToyTimes},
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use url::Url;

/// What the connector does otherwise than it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lie {
    None,
    AdoptsAnyPost,
    BelievesAnyAnswer,
    ClaimsAClassOutOfReach,
    ForgetsTheLimit,
    ForgivesSuspension,
    HasNoPace,
    IgnoresTheCheckpoint,
    IgnoresTheDeadline,
    KeepsItsDraftInMemory,
    KeepsTheOldToken,
    KnowsEveryOption,
    LeaksTheToken,
    MasksTheRefusal,
    NamesNothing,
    NeverLooks,
    NeverSaysAbsent,
    RebuildsTheRequest,
    RefreshesTwice,
    RejectsAnExpiredToken,
    ReportsTheFirstViolation,
    SaysAbsentTooEarly,
    SendsTwiceInOneCall,
    SendsWithoutAMark,
    Sleeps,
    TakesAFailedLookForAbsence,
    TakesARefusedConnectionForSent,
    TakesAServerErrorForTransient,
    TakesNoAnswerForTransient,
    TakesRevocationForTransient,
    WarnsOfNothing,
    WritesAnotherVersion,
}

/// The subject that tells `lie`.
pub(super) fn subject(lie: Lie) -> Subject {
    let honest = toy(
        "toy_list",
        "POST /toy_list/{account}/posts",
        "GET /toy_list/{account}/posts",
    );
    let mut subject = Subject {
        connector: Arc::new(move |setup: &Setup| connector(setup, lie)),
        ..honest
    };
    if lie == Lie::ClaimsAClassOutOfReach {
        subject
            .unreachable
            .push((publisher::Class::Ambiguous, "it always answers"));
    }
    subject
}

fn connector(setup: &Setup, lie: Lie) -> Result<Connector, SetupError> {
    let honest = toys::connectors(setup, ToyTimes::default())?.remove(0);
    let mut habits = honest.habits;
    if lie == Lie::HasNoPace {
        habits.pace.requests = 0;
    }
    Ok(Connector {
        publisher: Arc::new(Liar {
            lie,
            rules: Arc::clone(&honest.publisher),
            http: setup.http.clone(),
            base: setup.addresses["toys"].clone(),
            draft: Mutex::default(),
        }),
        authorizer: Arc::new(Accounts {
            lie,
            honest: Arc::clone(&honest.authorizer),
        }),
        habits,
        ..honest
    })
}

struct Liar {
    lie: Lie,
    rules: Arc<dyn Publisher>,
    http: Http,
    base: Url,
    /// Of [`Lie::KeepsItsDraftInMemory`].
    draft: Mutex<Option<Draft>>,
}

/// What is sent, frozen before it is sent.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    text: String,
    made_at: DateTime<Utc>,
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
impl Publisher for Liar {
    fn preflight(&self, post: &Post) -> Report {
        let mut report = self.rules.preflight(post);
        match self.lie {
            Lie::ReportsTheFirstViolation => report.violations.truncate(1),
            Lie::WarnsOfNothing => report.warnings.clear(),
            Lie::KnowsEveryOption => report
                .warnings
                .retain(|warning| !warning.code.contains("option")),
            _ => {}
        }
        report
    }

    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure> {
        match self.draft(&step)? {
            Some(draft) => self.send(&step, draft).await,
            None => self.prepare(&step),
        }
    }

    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure> {
        let Some(sent_at) = step.sent_at else {
            return Ok(Evidence::Unknowable);
        };
        if self.lie != Lie::NeverLooks {
            let found = match self.list(&step).await {
                Err(_) if self.lie == Lie::TakesAFailedLookForAbsence => {
                    return Ok(Evidence::Absent);
                }
                listed => listed?,
            };
            let ours = |post: &ListedPost| {
                post.text == step.post.text
                    && (post.created_at >= sent_at || self.lie == Lie::AdoptsAnyPost)
            };
            if let Some(post) = found.posts.into_iter().find(ours) {
                return Ok(Evidence::Found(self.published(Some(post.id))));
            }
        }
        let times = ToyTimes::default();
        let left = step.left_until_settled(times.call_deadline, times.quiet);
        let absent = match self.lie {
            Lie::SaysAbsentTooEarly => true,
            Lie::NeverSaysAbsent => false,
            _ => left.is_zero(),
        };
        let look_after = left.max(Duration::from_millis(100));
        Ok(if absent {
            Evidence::Absent
        } else {
            Evidence::NotYet { look_after }
        })
    }
}

impl Liar {
    fn draft(&self, step: &Step<'_>) -> Result<Option<Draft>, Failure> {
        let Some(checkpoint) = step.checkpoint else {
            return Ok(None);
        };
        match self.lie {
            Lie::KeepsItsDraftInMemory => Ok(self.draft.lock().unwrap().clone()),
            Lie::IgnoresTheCheckpoint => {
                let anew = Draft {
                    text: step.post.text.clone(),
                    made_at: step.now,
                };
                Ok(Some(checkpoint.read().unwrap_or(anew)))
            }
            _ => checkpoint.read().map(Some),
        }
    }

    fn checkpoint(&self, stage: &str, draft: &Draft) -> Result<Checkpoint, Failure> {
        let version = if self.lie == Lie::WritesAnotherVersion {
            7
        } else {
            1
        };
        match self.lie {
            Lie::KeepsItsDraftInMemory => {
                *self.draft.lock().unwrap() = Some(draft.clone());
                Checkpoint::new(version, stage, &Value::Null)
            }
            _ => Checkpoint::new(version, stage, draft),
        }
    }

    fn prepare(&self, step: &Step<'_>) -> Result<Progress, Failure> {
        let draft = Draft {
            text: step.post.text.clone(),
            made_at: step.now,
        };
        Ok(Progress::Pending {
            checkpoint: self.checkpoint("draft", &draft)?,
            poll_after: Duration::from_millis(100),
            receipt: None,
        })
    }

    async fn send(&self, step: &Step<'_>, mut draft: Draft) -> Result<Progress, Failure> {
        if self.lie == Lie::Sleeps {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.lie == Lie::RebuildsTheRequest {
            draft.made_at = step.now;
        }
        let url = self.posts(step);
        let call = if self.lie == Lie::SendsWithoutAMark {
            self.http.post(&url)
        } else {
            let mark = step.mark.set(self.checkpoint("sending", &draft)?).await;
            let mark = mark.map_err(|failure| match self.lie {
                Lie::MasksTheRefusal => Failure::transient("toy_list.mark", "no mark"),
                _ => failure,
            });
            self.http.post_once(&url, mark?)
        };
        let call = call.bearer(step.token).json(&draft);
        let call = match self.lie {
            Lie::IgnoresTheDeadline => call,
            _ => call.deadline(step.deadline),
        };
        match call.send().await {
            Ok(answer) if answer.is_success() => self.created(&answer),
            Ok(answer) => {
                self.again(step, &url, &draft).await;
                Err(self.refusal(step, &answer, true))
            }
            Err(error) => {
                self.again(step, &url, &draft).await;
                Err(self.unanswered(&error))
            }
        }
    }

    async fn again(&self, step: &Step<'_>, url: &Url, draft: &Draft) {
        if self.lie == Lie::SendsTwiceInOneCall {
            let _ = self
                .http
                .post(url)
                .bearer(step.token)
                .json(draft)
                .deadline(step.deadline)
                .send()
                .await;
        }
    }

    fn created(&self, answer: &Answer) -> Result<Progress, Failure> {
        let id = answer
            .json::<Value>()
            .ok()
            .and_then(|body| Some(body["id"].as_str()?.to_owned()));
        match id {
            None if self.lie == Lie::BelievesAnyAnswer => {
                Ok(self.published(Some("somewhere".to_owned())))
            }
            None => Err(
                Failure::ambiguous("toy_list.create.unclear", "an answer without an id")
                    .status(answer.status),
            ),
            Some(_) if self.lie == Lie::NamesNothing => Ok(self.published(None)),
            id => Ok(self.published(id)),
        }
    }

    fn unanswered(&self, error: &CallError) -> Failure {
        let code = "toy_list.create.unanswered";
        match self.lie {
            Lie::TakesNoAnswerForTransient => Failure::transient(code, "no answer"),
            Lie::TakesARefusedConnectionForSent => Failure::ambiguous(code, "no answer"),
            _ => error.failure(code),
        }
    }

    fn refusal(&self, step: &Step<'_>, answer: &Answer, irreversible: bool) -> Failure {
        let code = format!("toy_list.create.status_{}", answer.status);
        let mut message = format!("the platform answered {}", answer.status);
        if self.lie == Lie::LeaksTheToken {
            message = format!("{message} to {}", step.token.expose_secret());
        }
        let failure = match answer.status {
            401 if self.lie == Lie::RejectsAnExpiredToken => Failure::rejected(code, message),
            401 => Failure::unauthorized(code, message),
            403 if self.lie == Lie::ForgivesSuspension => Failure::transient(code, message),
            403 => Failure::account_blocked(code, message),
            429 if self.lie == Lie::ForgetsTheLimit => Failure::rate_limited(code, message),
            429 => Failure::rate_limited(code, message)
                .retry_in(answer.retry_after().unwrap_or(Duration::from_mins(1))),
            400..=499 => Failure::rejected(code, message),
            _ if irreversible && self.lie != Lie::TakesAServerErrorForTransient => {
                Failure::ambiguous(code, message)
            }
            _ => Failure::transient(code, message),
        };
        failure.status(answer.status)
    }

    async fn list(&self, step: &Step<'_>) -> Result<Listed, Failure> {
        let call = self
            .http
            .get(&self.posts(step))
            .bearer(step.token)
            .deadline(step.deadline);
        let answer = call
            .send()
            .await
            .map_err(|e| e.failure("toy_list.list.unanswered"))?;
        if !answer.is_success() {
            return Err(self.refusal(step, &answer, false));
        }
        let unclear = |_| Failure::transient("toy_list.list.unclear", "the list cannot be read");
        answer.json().map_err(unclear)
    }

    fn posts(&self, step: &Step<'_>) -> Url {
        let path = format!("toy_list/{}/posts", step.account.platform_account_id);
        self.base.join(&path).unwrap()
    }

    fn published(&self, id: Option<String>) -> Progress {
        let url = id.as_ref().map(|id| format!("{}{id}", self.base));
        Progress::Published(Receipt {
            uri: id,
            url,
            ..Receipt::default()
        })
    }
}
