//! Accepting: the idempotency key, the batch, its posts, its jobs and the wake-up of their buckets, in one transaction.

use super::millis;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::Caption;
use publisher::id::{AccountId, ApiKeyId, BatchId, JobId, OrgId, PostId, ProfileId};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// An idempotency key with the fingerprint of its request.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The caller's key, 1 to 255 characters.
    pub key: String,
    /// SHA-256 over method, path and body.
    pub fingerprint: [u8; 32],
}

/// One request, judged and resolved.
#[derive(Clone, Debug, Serialize)]
pub struct NewBatch {
    /// Its id.
    pub id: BatchId,
    /// The key that sent it; read again inside the transaction.
    pub api_key: Option<ApiKeyId>,
    /// The request that made it.
    pub request_id: String,
    /// Whether its caller waits for the results.
    pub awaited: bool,
    /// When it is to go.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What the caller asked to be kept.
    pub metadata: Value,
    /// An array of `{code, message}` about the whole request.
    pub warnings: Value,
}

/// One target.
#[derive(Clone, Debug, Serialize)]
pub struct NewPost {
    /// The post's id.
    pub id: PostId,
    /// Its job's id.
    pub job: JobId,
    /// Index of the target in its request.
    pub position: i16,
    /// Its profile.
    pub profile: ProfileId,
    /// Its account, whose bucket has the same id.
    pub account: AccountId,
    /// Wire id of its platform.
    pub platform: String,
    /// Its text.
    pub text: String,
    /// The platform's options.
    pub options: Value,
    /// `{text}` or nothing.
    pub first_comment: Option<Value>,
    /// What the caller asked to be kept.
    pub metadata: Value,
    /// Whether it is simulated.
    pub sandbox: bool,
    /// What its preflight warned of.
    pub warnings: Value,
    /// When it is to go; now if none.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// 0 a caller waits, 1 scheduled, 2 bulk.
    pub priority: i16,
    /// How long after its time it is given up.
    #[serde(rename = "give_up_ms", serialize_with = "as_millis")]
    pub give_up_after: Duration,
    /// How long its caller waits.
    #[serde(rename = "wait_ms", serialize_with = "as_optional_millis")]
    pub awaited_for: Option<Duration>,
    /// Whether an account's trouble holds it instead of ending it.
    pub may_wait: bool,
    /// Whether its sends must not overlap in one bucket.
    pub exclusive: bool,
    /// Irreversible parts of the publication.
    pub parts: u32,
    /// Its media, in order.
    pub media: Vec<NewPostMedia>,
    /// Files of the library that its options name, each once.
    pub option_media: Vec<String>,
}

/// A file of the library used by a post.
#[derive(Clone, Debug, Serialize)]
pub struct NewPostMedia {
    /// The library's id.
    pub id: String,
    /// `image` or `video`.
    pub kind: String,
    /// Text for those who cannot see it.
    pub alt_text: Option<String>,
    /// Of a film; in order.
    pub captions: Vec<Caption>,
}

fn as_millis<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_i64(millis(*duration))
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn as_optional_millis<S: serde::Serializer>(
    duration: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => as_millis(duration, to),
        None => to.serialize_none(),
    }
}

/// What accepting came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The batch is stored; its jobs exist.
    New {
        /// By the database's clock.
        at: DateTime<Utc>,
    },
    /// The same request under the same key was accepted before: this is its batch.
    Known(BatchId),
    /// Another request was accepted under this key.
    KeyReused,
    /// The API key was revoked meanwhile.
    KeyRevoked,
    /// An account is gone meanwhile.
    AccountGone,
}

impl Store {
    /// Accepts a request: stores everything or nothing.
    ///
    /// A concurrent twin with the same idempotency key waits here until the first one's transaction has ended, and then
    /// gets its batch.
    pub async fn accept(
        &self,
        org: OrgId,
        batch: &NewBatch,
        posts: &[NewPost],
        remembered: Option<&Remembered>,
        now: Option<DateTime<Utc>>,
    ) -> Result<Accepted, StoreError> {
        let mut tx = self.ordinary.begin().await?;
        if let Some(remembered) = remembered {
            let ours = sqlx::query_file!(
                "queries/queue/remember_key.sql",
                org.uuid(),
                remembered.key,
                &remembered.fingerprint[..],
                batch.id.uuid(),
            )
            .fetch_optional(&mut *tx)
            .await?;
            if ours.is_none() {
                let known =
                    sqlx::query_file!("queries/queue/read_key.sql", org.uuid(), remembered.key)
                        .fetch_one(&mut *tx)
                        .await?;
                let same = known.fingerprint == remembered.fingerprint;
                return Ok(if same {
                    Accepted::Known(known.batch.into())
                } else {
                    Accepted::KeyReused
                });
            }
        }
        if let Some(key) = batch.api_key {
            let row = sqlx::query_file!("queries/tenants/key_is_valid.sql", org.uuid(), key.uuid())
                .fetch_one(&mut *tx)
                .await?;
            if !row.valid {
                return Ok(Accepted::KeyRevoked);
            }
        }
        let written = sqlx::query_file!(
            "queries/queue/insert_batch.sql",
            org.uuid(),
            to_json("batches", batch)?,
            to_json("posts", posts)?,
            now,
        )
        .fetch_one(&mut *tx)
        .await?;
        let meant = i64::try_from(posts.len()).unwrap_or(i64::MAX);
        if written.buckets != written.accounts || written.posts != meant || written.jobs != meant {
            return Ok(Accepted::AccountGone);
        }
        tx.commit().await?;
        Ok(Accepted::New { at: written.at })
    }

    /// The batch and fingerprint that an idempotency key points to.
    pub async fn read_key(
        &self,
        org: OrgId,
        key: &str,
    ) -> Result<Option<([u8; 32], BatchId)>, StoreError> {
        let row = sqlx::query_file!("queries/queue/read_key.sql", org.uuid(), key)
            .fetch_optional(&self.ordinary)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let fingerprint = row
            .fingerprint
            .try_into()
            .map_err(|_| StoreError::Inconsistent {
                table: "idempotency",
                column: "fingerprint",
                row: key.to_owned(),
            })?;
        Ok(Some((fingerprint, row.batch.into())))
    }
}

/// A value as jsonb takes it: a platform may answer U+0000, which Postgres keeps in no text.
pub(crate) fn to_json(
    table: &'static str,
    value: &(impl Serialize + ?Sized),
) -> Result<Value, StoreError> {
    let mut json = serde_json::to_value(value).map_err(|e| StoreError::Inconsistent {
        table,
        column: "(as JSON)",
        row: e.to_string(),
    })?;
    replace_nul(&mut json);
    Ok(json)
}

fn replace_nul(json: &mut Value) {
    match json {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(members) => {
            if members.keys().any(|name| name.contains('\0')) {
                let old = std::mem::take(members);
                members.extend(
                    old.into_iter()
                        .map(|(name, item)| (name.replace('\0', "\u{fffd}"), item)),
                );
            }
            members.values_mut().for_each(replace_nul);
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
