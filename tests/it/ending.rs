//! What became of a post, and waiting for it with a bound.

use crate::{fleet::Fleet, process::LOOK_EVERY};
use publisher::id::PostId;
use std::time::Duration;
use store::{AttemptRow, PostRow};
use tokio::time::{Instant, sleep};

/// What became of a post.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) post: PostRow,
    /// Class of its open dead letter.
    pub(crate) letter: Option<String>,
    /// Why it waits for a person: its job's reason, or its bucket's.
    pub(crate) held: Option<String>,
    pub(crate) attempts: Vec<AttemptRow>,
}

impl Ending {
    /// In one word, for tables.
    pub(crate) fn word(&self) -> String {
        match (&self.letter, &self.held) {
            (Some(class), _) => class.clone(),
            (None, Some(reason)) => format!("held:{reason}"),
            (None, None) => self.post.shown.clone(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.held.is_some() || !matches!(self.post.shown.as_str(), "queued" | "publishing")
    }

    pub(crate) fn outcomes(&self) -> Vec<&str> {
        self.attempts
            .iter()
            .map(|attempt| attempt.outcome.as_str())
            .collect()
    }
}

impl Fleet {
    /// What has become of a post by now.
    pub(crate) async fn ending(&self, id: PostId) -> Ending {
        let post = self
            .store
            .get_post(self.org, id, None)
            .await
            .unwrap()
            .unwrap();
        let letter = self
            .store
            .get_letter(id.uuid(), Some(self.org))
            .await
            .unwrap();
        let question = format!(
            "select coalesce(j.hold_reason, b.paused_by) from jobs j \
             join buckets b on b.org = j.org and b.id = j.bucket \
             where j.kind = 'publish' and j.subject = '{id}' and j.state <> 'running'"
        );
        let held = self.database.ask(&question).await;
        Ending {
            letter: letter
                .filter(|letter| letter.resolved_at.is_none())
                .map(|letter| letter.class),
            held,
            attempts: self.store.list_attempts(self.org, id).await.unwrap(),
            post,
        }
    }

    /// Waits until every post has ended or is held; panics with what is open when the time is over.
    pub(crate) async fn endings(&self, posts: &[PostId], within: Duration) -> Vec<Ending> {
        let deadline = Instant::now() + within;
        let mut endings = Vec::with_capacity(posts.len());
        for id in posts {
            let ending = loop {
                let ending = self.ending(*id).await;
                if ending.is_over() {
                    break ending;
                }
                assert!(
                    Instant::now() < deadline,
                    "still open after {within:?}: {ending:?}\n{}",
                    self.queue().await
                );
                sleep(LOOK_EVERY * 3).await;
            };
            endings.push(ending);
        }
        endings
    }

    /// Waits until the answer to a question is this one.
    pub(crate) async fn until(&self, question: &str, answer: &str, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            let found = self.database.ask(question).await;
            if found.as_deref() == Some(answer) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{question}: {found:?} instead of {answer} after {within:?}\n{}",
                self.queue().await
            );
            sleep(LOOK_EVERY).await;
        }
    }

    /// The queue as text, for whoever must find out why a test waited in vain.
    pub(crate) async fn queue(&self) -> String {
        let rows = [
            "select string_agg(j::text, chr(10)) from jobs j",
            "select string_agg(b::text, chr(10)) from buckets b",
            "select string_agg(l::text, chr(10)) from leases l",
            "select string_agg(a::text, chr(10)) from attempts a",
        ];
        let mut text = String::new();
        for question in rows {
            text.push_str(&self.database.ask(question).await.unwrap_or_default());
            text.push_str("\n\n");
        }
        text
    }
}
