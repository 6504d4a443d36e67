//! Files for platforms that fetch media by themselves: what an installation would serve to the public.

use axum::body::Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Files by id. All clones are one store.
#[derive(Clone, Debug, Default)]
pub(super) struct HostedFiles(Arc<Mutex<HashMap<String, Bytes>>>);

impl HostedFiles {
    pub(super) fn put(&self, id: &str, bytes: Bytes) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(id.to_owned(), bytes);
    }

    pub(super) fn get(&self, id: &str) -> Option<Bytes> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(id).cloned()
    }
}
