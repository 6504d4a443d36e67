//! What is stored of a post, its job and its attempts, and waiting for it to change.

use crate::shop::Shop;
use chrono::{DateTime, Utc};
use publisher::id::{BatchId, PostId};
use std::time::Duration;
use store::{AttemptRow, LetterRow, PostRow};

/// How long any condition is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `probe` gives something, and panics after [`PATIENCE`].
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "never happened: {what}"
        );
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

impl Shop {
    /// The database's clock.
    pub(crate) async fn now(&self) -> DateTime<Utc> {
        self.store.ping().await.unwrap().1
    }

    /// The only post of a batch as it is now.
    pub(crate) async fn post(&self, batch: BatchId) -> PostRow {
        let mut posts = self.store.list_batch(self.org, batch).await.unwrap();
        posts.remove(0)
    }

    /// The only post of a batch, once it has its result.
    pub(crate) async fn result(&self, batch: BatchId) -> PostRow {
        let mut last = None;
        let what = "a result";
        let found = tokio::time::timeout(
            PATIENCE,
            until(what, async || {
                let post = self.post(batch).await;
                if matches!(post.shown.as_str(), "queued" | "publishing") {
                    last = Some(post);
                    return None;
                }
                Some(post)
            }),
        )
        .await;
        found.unwrap_or_else(|_| panic!("no result: {last:?}"))
    }

    /// The result of a batch whose retries and looks are not waited for: both clocks are moved instead.
    pub(crate) async fn result_in_time(&self, batch: BatchId, step: Duration) -> PostRow {
        until("a result", async || {
            let post = self.post(batch).await;
            if matches!(post.shown.as_str(), "queued" | "publishing") {
                if !self.is_running(post.id).await {
                    self.pass(step).await;
                }
                return None;
            }
            Some(post)
        })
        .await
    }

    /// The post's dead letter.
    pub(crate) async fn letter(&self, post: PostId) -> LetterRow {
        self.store
            .get_letter(post.uuid(), Some(self.org))
            .await
            .unwrap()
            .expect("a dead letter")
    }

    /// Whether the post never became a dead letter.
    pub(crate) async fn letterless(&self, post: PostId) -> bool {
        let letter = self.store.get_letter(post.uuid(), Some(self.org)).await;
        letter.unwrap().is_none()
    }

    pub(crate) async fn attempts(&self, post: PostId) -> Vec<AttemptRow> {
        self.store.list_attempts(self.org, post).await.unwrap()
    }

    /// The words of a post's ledger, oldest first.
    pub(crate) async fn outcomes(&self, post: PostId) -> Vec<String> {
        let attempts = self.attempts(post).await;
        attempts.into_iter().map(|one| one.outcome).collect()
    }

    /// Waits until the post's ledger has so many rows.
    pub(crate) async fn attempted(&self, batch: BatchId, times: usize) -> AttemptRow {
        let post = self.post(batch).await.id;
        until("an attempt", async || {
            let attempts = self.attempts(post).await;
            (attempts.len() >= times).then(|| attempts[times - 1].clone())
        })
        .await
    }

    /// A column of the post's live job, as text.
    pub(crate) async fn job(&self, post: PostId, column: &str) -> Option<String> {
        let question = format!(
            "select {column} from jobs where kind = 'publish' and subject = '{}'",
            post.uuid()
        );
        self.database.ask(&question).await
    }

    pub(crate) async fn is_running(&self, post: PostId) -> bool {
        self.job(post, "state").await.as_deref() == Some("running")
    }
}
