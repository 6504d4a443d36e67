//! What a platform would really show: every irreversible request and what came of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// One request that asked for something irreversible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// By the fake's clock.
    pub at: DateTime<Utc>,
    /// The account it was made for.
    pub account: String,
    /// Which route.
    pub route: String,
    /// The post's text: how tests recognise a post.
    pub text: String,
    /// The key that made it the same as another one, where the platform knows such a thing.
    pub key: Option<String>,
    /// Whether it made something public that is visible, or will be.
    pub effective: bool,
    /// What was special about it; empty if nothing was.
    pub note: String,
}

/// All of them, in order of arrival. All clones are one ledger.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Arc<Mutex<Vec<(u64, Entry)>>>,
    next: Arc<AtomicU64>,
}

impl Ledger {
    /// Adds an entry; returns its number.
    pub fn record(&self, entry: Entry) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().push((number, entry));
        number
    }

    /// Every entry, in order of arrival.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// How many requests for this text arrived.
    pub fn sends(&self, text: &str) -> usize {
        self.lock()
            .iter()
            .filter(|(_, entry)| entry.text == text)
            .count()
    }

    /// How many publications of this text took effect and are, or will be, visible.
    pub fn effective(&self, text: &str) -> usize {
        self.lock()
            .iter()
            .filter(|(_, entry)| entry.text == text && entry.effective)
            .count()
    }

    /// Texts with more than one effective publication: what must never happen.
    pub fn doubles(&self) -> Vec<String> {
        let mut texts: Vec<String> = self
            .entries()
            .into_iter()
            .filter(|e| e.effective)
            .map(|e| e.text)
            .collect();
        texts.sort();
        let mut doubles: Vec<String> = texts
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| pair[0].clone())
            .collect();
        doubles.dedup();
        doubles
    }

    /// How many publications took effect, whatever their text.
    pub fn effects(&self) -> usize {
        self.lock()
            .iter()
            .filter(|(_, entry)| entry.effective)
            .count()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Takes an entry out, because the request it stands for is about to be recorded by its handler.
    pub(super) fn forget(&self, number: u64) {
        self.lock().retain(|(known, _)| *known != number);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u64, Entry)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_double_is_an_effective_publication_too_many() {
        let ledger = Ledger::default();
        let entry = |text: &str, effective| Entry {
            at: DateTime::UNIX_EPOCH,
            account: "ada".into(),
            route: "POST /posts".into(),
            text: text.into(),
            key: None,
            effective,
            note: String::new(),
        };
        for (text, effective) in [
            ("a", true),
            ("b", true),
            ("b", false),
            ("c", true),
            ("c", true),
        ] {
            ledger.record(entry(text, effective));
        }
        assert_eq!((ledger.sends("b"), ledger.effective("b")), (2, 1));
        assert_eq!(ledger.doubles(), ["c"]);
    }
}
