//! The engine's side of a step: send marks, and the post's files.

use crate::{
    contract::{Checkpoint, Mark, Permit},
    failure::Failure,
    fake::{FakeServer, Journal},
    http::Deadline,
    media::{MediaReader, MediaStream},
    post::Media,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::{
    collections::HashMap,
    future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use url::Url;

/// The code of [`Then::Refuse`].
pub(super) const REFUSED: &str = "conformance.mark.refused";

/// What happens when a mark is asked for.
pub(super) enum Then<'a> {
    /// It is committed and the permit given.
    Grant,
    /// It is refused.
    Refuse,
    /// It is committed, and the process dies before it knows.
    Die,
    /// It is committed, and the platform goes down.
    Close(&'a FakeServer),
}

/// Send marks of one call.
pub(super) struct Marks<'a> {
    then: Then<'a>,
    deadline: Deadline,
    journal: Journal,
    set: Mutex<Vec<(Checkpoint, usize)>>,
    died: Notify,
}

impl<'a> Marks<'a> {
    pub(super) fn new(then: Then<'a>, deadline: Deadline, journal: &Journal) -> Self {
        Self {
            then,
            deadline,
            journal: journal.clone(),
            set: Mutex::default(),
            died: Notify::new(),
        }
    }

    /// The checkpoint of the last mark.
    pub(super) fn last(&self) -> Option<Checkpoint> {
        self.lock().last().map(|(checkpoint, _)| checkpoint.clone())
    }

    /// For each mark: how many irreversible requests had arrived before it.
    pub(super) fn arrived_before(&self) -> Vec<usize> {
        self.lock().iter().map(|(_, arrived)| *arrived).collect()
    }

    /// Returns when a mark was asked for that kills.
    pub(super) async fn died(&self) {
        self.died.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Checkpoint, usize)>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mark for Marks<'_> {
    async fn set(&self, checkpoint: Checkpoint) -> Result<Permit, Failure> {
        if matches!(self.then, Then::Refuse) {
            return Err(Failure::transient(REFUSED, "the lease was lost").status(299));
        }
        let arrived = self.journal.irreversible().len();
        self.lock().push((checkpoint, arrived));
        match self.then {
            Then::Die => {
                self.died.notify_one();
                future::pending::<()>().await;
            }
            Then::Close(server) => server.close().await,
            Then::Grant | Then::Refuse => {}
        }
        Ok(Permit::granted(self.deadline))
    }
}

/// The files of the sample posts: in memory, read in two pieces, and served by the fake for platforms that fetch them.
pub(super) struct Files {
    bytes: HashMap<String, Bytes>,
    served: Url,
}

impl Files {
    pub(super) fn new(files: Vec<(String, Bytes)>, server: &FakeServer) -> Self {
        for (id, bytes) in &files {
            server.host(id, bytes.clone());
        }
        Self {
            bytes: files.into_iter().collect(),
            served: server.url(),
        }
    }
}

#[async_trait]
impl MediaReader for Files {
    async fn open(&self, media: &Media) -> Result<MediaStream, Failure> {
        let bytes = self.bytes.get(&media.id).cloned().ok_or_else(|| {
            Failure::rejected("media.open", format!("the sample has no file {}", media.id))
        })?;
        let half = bytes.len() / 2;
        Ok(stream::iter([Ok(bytes.slice(..half)), Ok(bytes.slice(half..))]).boxed())
    }

    async fn public_url(&self, media: &Media, _lives: Duration) -> Result<Url, Failure> {
        let path = format!("_fake/files/{}", media.id);
        self.served
            .join(&path)
            .map_err(|e| Failure::rejected("media.public_url", format!("no address: {e}")))
    }
}
