//! One connection that listens, so that a poll can be cut short.
//!
//! A notification is a hint: it may be lost, and everything works without it, only later. `None` from the driver and every
//! reconnection mean "you may have missed some", and are passed on as [`Woken::Unsure`].

use crate::Store;
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::time::Duration;

/// A hint to look now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Something became due in this queue.
    Due(String),
    /// Something was settled that a caller may be waiting for.
    Settled,
    /// Notifications may have been missed.
    Unsure,
}

/// Listens on `due` and `settled`, reconnecting for ever with bounded backoff.
#[derive(Debug)]
pub struct Listener {
    store: Store,
    live: Option<PgListener>,
    failures: u32,
}

/// Longest wait between two tries to connect.
const RECONNECT_MAX: Duration = Duration::from_secs(5);

impl Store {
    /// A listener with a connection of its own; connects at its first use.
    pub fn listener(&self) -> Listener {
        Listener {
            store: self.clone(),
            live: None,
            failures: 0,
        }
    }
}

impl Listener {
    /// Waits for the next hint. Never fails: while the database is away it waits.
    pub async fn next(&mut self) -> Woken {
        loop {
            let Some(live) = &mut self.live else {
                match self.connect().await {
                    Ok(listener) => {
                        self.live = Some(listener);
                        self.failures = 0;
                        return Woken::Unsure;
                    }
                    Err(error) => {
                        self.failures = (self.failures + 1).min(10);
                        tracing::debug!(error = %error, "cannot listen for notifications yet");
                        let wait = Duration::from_millis(50) * 2u32.pow(self.failures);
                        tokio::time::sleep(wait.min(RECONNECT_MAX)).await;
                        continue;
                    }
                }
            };
            match live.try_recv().await {
                Ok(Some(note)) if note.channel() == "settled" => return Woken::Settled,
                Ok(Some(note)) => return Woken::Due(note.payload().to_owned()),
                // The connection was lost; the next turn makes a new one.
                Ok(None) | Err(_) => self.live = None,
            }
        }
    }

    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_with(self.store.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen_all(["due", "settled"]).await?;
        Ok(listener)
    }
}
