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

    /// Waits until every post has ended, and holds each against its platform's ledger: published and public once, or, where
    /// nobody can look, ambiguous. No worker may be said to have died.
    pub(crate) async fn end_well(&self, posts: &[PostId], within: Duration) -> Vec<Ending> {
        let endings = self.endings(posts, within).await;
        for platform in ["bluesky", "toys"] {
            self.fake(platform).settle().await;
        }
        for ending in &endings {
            let (platform, text) = (&ending.post.platform, &ending.post.text);
            let effective = self.fake(platform).ledger().effective(text);
            let well = match ending.word().as_str() {
                "published" => effective == 1,
                "ambiguous" => platform == "toy_blind" && effective <= 1,
                _ => false,
            };
            assert!(well, "{text} is public {effective} times: {ending:?}");
        }
        assert_eq!(self.deaths().await, 0, "deaths\n{}", self.queue().await);
        endings
    }

    /// Waits until this statement, by its file's name, waits in the database for a lock.
    pub(crate) async fn waits_for_a_lock(&self, statement: &str, within: Duration) {
        let waits = format!(
            "select count(*) > 0 from pg_stat_activity where datname = current_database() \
             and wait_event_type = 'Lock' and query like '%-- {statement}:%'"
        );
        self.until(&waits, "true", within).await;
    }

    /// How often a worker is said to have died.
    pub(crate) async fn deaths(&self) -> i64 {
        let deaths = "select (select count(*) from attempts where outcome = 'died') \
                           + (select coalesce(sum(deaths), 0) from jobs)";
        self.database.count(deaths).await
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
