//! One account on one toy, as the engine would drive it.

use crate::raw::http;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use publisher::{
    Account, Checkpoint, Connector, Deadline, Entered, Evidence, Failure, Mark, Media, MediaReader,
    MediaStream, Permit, Post, Progress, Setup, Step, TokenSet, Usages,
    fake::{FakeClock, FakeServer, Fault},
    id::{AccountId, PostId},
    toys::{self, ToyTimes},
};
use secrecy::SecretString;
use serde_json::json;
use std::{sync::Mutex, time::Duration};

pub(crate) const TEXT: &str = "a text like no other";
pub(crate) const CREATE: [(&str, &str); 3] = [
    ("toy_list", "POST /toy_list/{account}/posts"),
    ("toy_late", "POST /toy_late/{account}/posts"),
    (
        "toy_steps",
        "POST /toy_steps/{account}/containers/{id}/publish",
    ),
];

/// One account on one toy, and what the engine would remember of one publication.
pub(crate) struct Shop {
    pub(crate) server: FakeServer,
    pub(crate) connector: Connector,
    pub(crate) account: Account,
    pub(crate) tokens: TokenSet,
    pub(crate) post: Post,
    pub(crate) marks: Marks,
    pub(crate) usages: Usages,
    pub(crate) checkpoint: Option<Checkpoint>,
}

pub(crate) struct Marks {
    clock: FakeClock,
    pub(crate) last: Mutex<Option<(DateTime<Utc>, Checkpoint)>>,
}

#[async_trait]
impl Mark for Marks {
    async fn set(&self, checkpoint: Checkpoint) -> Result<Permit, Failure> {
        *self.last.lock().unwrap() = Some((self.clock.now(), checkpoint));
        Ok(Permit::granted(Deadline::after(Duration::from_secs(5))))
    }
}

struct NoMedia;

#[async_trait]
impl MediaReader for NoMedia {
    async fn open(&self, media: &Media) -> Result<MediaStream, Failure> {
        Err(Failure::rejected("media.read.none", media.id.clone()))
    }
}

pub(crate) fn entered(name: &str, password: &str) -> Entered {
    let secret = |text: &str| SecretString::from(text.to_owned());
    Entered(
        [
            ("identifier".into(), secret(name)),
            ("password".into(), secret(password)),
        ]
        .into(),
    )
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(2))
}

impl Shop {
    pub(crate) async fn open(platform: &str) -> Self {
        Self::with(platform, ToyTimes::default()).await
    }

    pub(crate) async fn with(platform: &str, times: ToyTimes) -> Self {
        let server = toys::server(times, None).await.unwrap();
        let addresses = [("toys".to_owned(), server.url())].into();
        let setup = Setup {
            addresses,
            ..Setup::new(http(&[server.addr()]))
        };
        let all = toys::connectors(&setup, times).unwrap();
        let connector = all.into_iter().find(|c| c.platform == platform).unwrap();
        let now = server.clock().now();
        let grant = connector
            .authorizer
            .complete(&entered("ada", "pw"), now, soon())
            .await
            .unwrap()
            .remove(0);
        let account = Account {
            id: AccountId::new(),
            platform_account_id: grant.platform_account_id,
            handle: grant.handle,
            profile: grant.profile,
        };
        let (text, options) = (TEXT.to_owned(), json!({}));
        let post = Post {
            id: PostId::new(),
            text,
            options,
            ..Post::default()
        };
        let marks = Marks {
            clock: server.clock().clone(),
            last: Mutex::default(),
        };
        let tokens = grant.tokens;
        Self {
            server,
            connector,
            account,
            tokens,
            post,
            marks,
            usages: Usages::default(),
            checkpoint: None,
        }
    }

    pub(crate) fn step(&self, sent_at: Option<DateTime<Utc>>) -> Step<'_> {
        Step {
            post: &self.post,
            account: &self.account,
            token: &self.tokens.access,
            media: &NoMedia,
            checkpoint: self.checkpoint.as_ref(),
            receipt: None,
            sent_at,
            answer_by: None,
            mark: &self.marks,
            usages: &self.usages,
            idempotency_key: "key",
            sequence: 1,
            now: self.server.clock().now(),
            deadline: soon(),
        }
    }

    /// Publishes step by step until it is public or something fails, letting the fake's clock run in between.
    pub(crate) async fn publish(&mut self) -> Result<publisher::Receipt, Failure> {
        for _ in 0..10 {
            match self.connector.publisher.publish(self.step(None)).await? {
                Progress::Published(receipt) => return Ok(receipt),
                Progress::Pending {
                    checkpoint,
                    poll_after,
                    ..
                } => {
                    self.checkpoint = Some(checkpoint);
                    self.server.clock().advance(poll_after);
                }
            }
        }
        panic!("it is still not public after ten steps");
    }

    pub(crate) async fn look(&mut self) -> Result<Evidence, Failure> {
        let (sent_at, checkpoint) = self.marks.last.lock().unwrap().clone().unwrap();
        self.checkpoint = Some(checkpoint);
        self.connector
            .publisher
            .verify(self.step(Some(sent_at)))
            .await
    }

    pub(crate) fn advance_past_settling(&self) {
        let habits = self.connector.habits;
        self.server
            .clock()
            .advance(habits.call_deadline + habits.quiet);
    }

    pub(crate) fn counts(&self) -> (usize, usize) {
        (
            self.server.ledger().sends(TEXT),
            self.server.ledger().effective(TEXT),
        )
    }

    fn create(&self) -> &'static str {
        CREATE
            .iter()
            .find(|(name, _)| *name == self.connector.platform)
            .unwrap()
            .1
    }

    pub(crate) fn arm(&self, fault: Fault) {
        self.server.faults().arm(self.create(), fault, 1);
    }
}
