//! A platform whose publisher does what a test says, by the first word of the post's text.
//!
//! It sends through the real HTTP client to the fake's `toy_list`, so that the ledger counts its sends like any other.

use async_trait::async_trait;
use publisher::{
    Checkpoint, Connector, Evidence, Failure, Habits, Http, Post, Progress, Publisher, ReadBack,
    Receipt, Report, Setup, Step,
};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What the test steers and counts.
#[derive(Debug)]
pub(crate) struct Script {
    gate: watch::Sender<bool>,
    calls: Mutex<HashMap<String, usize>>,
    refusals: Mutex<Vec<String>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            gate: watch::Sender::new(false),
            calls: Mutex::default(),
            refusals: Mutex::default(),
        }
    }
}

impl Script {
    /// The platform, with the accounts of a toy.
    pub(crate) fn connector(self: Arc<Self>, toy: &Connector, setup: &Setup) -> Connector {
        let publisher = Arc::new(Scripted {
            script: self,
            http: setup.http.clone(),
            base: setup.addresses["toys"].to_string(),
            habits: toy.habits,
        });
        Connector {
            platform: "scripted",
            display_name: "Scripted",
            publisher,
            quotas: vec![],
            habits: Habits {
                read_back: ReadBack::Key,
                ..toy.habits
            },
            ..toy.clone()
        }
    }

    /// Lets everything go on that waits.
    pub(crate) fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// How often something was done for a text: `publish`, `marked`, `verify`, `gate`.
    pub(crate) fn count(&self, what: &str, text: &str) -> usize {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls
            .get(&format!("{what} {text}"))
            .copied()
            .unwrap_or_default()
    }

    /// What calls came to that were not answered.
    pub(crate) fn refusals(&self) -> Vec<String> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.clone()
    }

    fn note(&self, what: &str, text: &str) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(format!("{what} {text}")).or_default() += 1;
    }

    async fn at_gate(&self, text: &str) {
        self.note("gate", text);
        let mut gate = self.gate.subscribe();
        gate.wait_for(|open| *open).await.map(drop).ok();
    }
}

struct Scripted {
    script: Arc<Script>,
    http: Http,
    base: String,
    habits: Habits,
}

#[async_trait]
impl Publisher for Scripted {
    fn preflight(&self, _: &Post) -> Report {
        Report::default()
    }

    async fn publish(&self, step: Step<'_>) -> Result<Progress, Failure> {
        let text = step.post.text.as_str();
        self.script.note("publish", text);
        let first = self.script.count("publish", text) == 1;
        match text.split(' ').next().unwrap_or_default() {
            "panic" if first => panic!("a connector's mistake"),
            "panic_marked" if first => {
                let _permit = step.mark.set(checkpoint("sending")?).await?;
                self.script.note("marked", text);
                panic!("a connector's mistake after the mark");
            }
            "panic_always" => panic!("a connector's mistake, again"),
            // Waits before the mark: an upload, as it were.
            "wait" => {
                self.script.at_gate(text).await;
                self.send(&step, false).await
            }
            // Waits between the mark and the request.
            "late" if first => self.send(&step, true).await,
            // Fails with a figure that no column takes.
            "poison" if first => {
                self.script.at_gate(text).await;
                Err(Failure::transient("scripted.odd", "told to fail").status(u16::MAX))
            }
            "poison_refused" => {
                self.script.at_gate(text).await;
                Err(Failure::rejected("scripted.odd", "told to refuse").status(u16::MAX))
            }
            // Goes on with more to remember than can be sealed.
            "unsealable" if first => {
                let _permit = step.mark.set(checkpoint("sending")?).await?;
                Ok(Progress::Pending {
                    checkpoint: Checkpoint {
                        version: 1,
                        stage: "huge".to_owned(),
                        body: json!("x".repeat(2 << 20)),
                    },
                    poll_after: std::time::Duration::ZERO,
                    receipt: None,
                })
            }
            // It takes effect, and nobody hears of it.
            "resend" if !step.is_resend() => {
                self.send(&step, false).await?;
                Err(Failure::ambiguous("scripted.unanswered", "no answer"))
            }
            // The platform recognises the repetition, or says only that there is one.
            "resend" => {
                let _permit = step.mark.set(checkpoint("sending")?).await?;
                self.script.note("resent", text);
                let known = Failure::duplicate("scripted.duplicate", "it is there already");
                Err(if text.ends_with("unnamed") {
                    known
                } else {
                    known.original(receipt("the first one"))
                })
            }
            // Part of it is public, then it waits.
            "part" if step.receipt.is_none() => {
                self.send(&step, false).await?;
                Ok(Progress::Pending {
                    checkpoint: checkpoint("part")?,
                    poll_after: std::time::Duration::ZERO,
                    receipt: Some(receipt("part")),
                })
            }
            "part" => {
                self.script.at_gate(text).await;
                Err(Failure::transient("scripted.gate", "told to fail"))
            }
            _ => self.send(&step, false).await,
        }
    }

    async fn verify(&self, step: Step<'_>) -> Result<Evidence, Failure> {
        self.script.note("verify", &step.post.text);
        if step.post.text.starts_with("resend") && step.checkpoint.is_some() {
            let until = std::time::Duration::from_mins(1);
            return Ok(Evidence::ResendIsSafe { until });
        }
        let (deadline, quiet) = (self.habits.call_deadline, self.habits.quiet);
        if step.settled_since_sent(deadline, quiet) {
            return Ok(Evidence::Absent);
        }
        Ok(Evidence::NotYet {
            look_after: step.left_until_settled(deadline, quiet),
        })
    }
}

impl Scripted {
    /// The one irreversible request, after a mark and perhaps after a long wait.
    async fn send(&self, step: &Step<'_>, waits: bool) -> Result<Progress, Failure> {
        let text = step.post.text.as_str();
        let account = &step.account.platform_account_id;
        let url = format!("{}toy_list/{account}/posts", self.base)
            .parse()
            .unwrap();
        let permit = step.mark.set(checkpoint("sending")?).await?;
        self.script.note("marked", text);
        if waits {
            self.script.at_gate(text).await;
        }
        let call = self
            .http
            .post_once(&url, permit)
            .bearer(step.token)
            .json(&json!({ "text": text }));
        let answer = call.send().await.map_err(|e| {
            let mut refusals = self
                .script
                .refusals
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            refusals.push(format!("{:?}", e.kind));
            e.failure("scripted.unanswered")
        })?;
        assert!(answer.is_success(), "{answer:?}");
        Ok(Progress::Published(receipt(text)))
    }
}

fn checkpoint(stage: &str) -> Result<Checkpoint, Failure> {
    Checkpoint::new(1, stage, &json!({}))
}

fn receipt(uri: &str) -> Receipt {
    Receipt {
        uri: Some(uri.to_owned()),
        ..Receipt::default()
    }
}
