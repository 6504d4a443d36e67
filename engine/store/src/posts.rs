//! Posts, batches and their ledger, as their owners read them.

use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, BatchId, OrgId, PostId, ProfileId};
use serde_json::Value;
use uuid::Uuid;

/// Where a page ended: newest first, by time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<Id = Uuid> {
    /// Time of the last row.
    pub at: DateTime<Utc>,
    /// Id of the last row.
    pub id: Id,
}

/// A post as its owner sees it.
#[derive(Clone, Debug)]
pub struct PostRow {
    /// Its id.
    pub id: PostId,
    /// The request it came with.
    pub batch: BatchId,
    /// Index of its target in that request.
    pub position: i16,
    /// Its profile.
    pub profile: ProfileId,
    /// Its account.
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
    /// The status that people see: `queued`, `publishing`, `published`, `rejected`, `failed`, `canceled`.
    pub shown: String,
    /// When it is to go.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// When it went.
    pub published_at: Option<DateTime<Utc>>,
    /// Its [`publisher::Receipt`].
    pub receipt: Option<Value>,
    /// An array of `{code, message}`.
    pub warnings: Value,
    /// `{code, message, rule?, platform, platformResponse?, remediation?}`.
    pub error: Option<Value>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The platform's id of the account; none after the account is gone.
    pub platform_account_id: Option<String>,
    /// The account's name.
    pub display_name: Option<String>,
    /// The account's handle.
    pub handle: Option<String>,
    /// An array of `{mediaId, kind, altText, captions?}`.
    pub media: Value,
    /// Why it waits, in the words of the vocabulary; none when it does not, or is merely next.
    pub waiting_reason: Option<String>,
    /// Since when.
    pub waiting_since: Option<DateTime<Utc>>,
    /// Until when, if that is known.
    pub waiting_until: Option<DateTime<Utc>>,
}

/// One accepted request.
#[derive(Clone, Debug)]
pub struct BatchRow {
    /// Its id.
    pub id: BatchId,
    /// The request that made it.
    pub request_id: String,
    /// Whether its caller waited for the results.
    pub awaited: bool,
    /// When it is to go.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// What the caller asked to be kept.
    pub metadata: Value,
    /// An array of `{code, message}` about the whole request.
    pub warnings: Value,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
}

/// One row of the ledger.
#[derive(Clone, Debug)]
pub struct AttemptRow {
    /// The job.
    pub job: Uuid,
    /// The claim of that job.
    pub claim: i32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it was settled.
    pub ended_at: DateTime<Utc>,
    /// What it came to, in the words of the vocabulary.
    pub outcome: String,
    /// What was decided, in the words of the vocabulary.
    pub settlement: String,
    /// Class of the failure.
    pub class: Option<String>,
    /// Its stable code.
    pub code: Option<String>,
    /// Its message.
    pub message: Option<String>,
    /// Its rule.
    pub rule: Option<String>,
    /// The platform's status.
    pub http_status: Option<i16>,
    /// The platform's answer, shortened.
    pub platform_response: Option<Value>,
}

/// Which posts a list shows; empty means all.
#[derive(Clone, Debug, Default)]
pub struct PostFilter {
    /// Only of this profile.
    pub profile: Option<ProfileId>,
    /// Any of these platforms.
    pub platforms: Option<Vec<String>>,
    /// Any of these shown statuses.
    pub statuses: Option<Vec<String>>,
    /// Any of these error codes.
    pub error_codes: Option<Vec<String>>,
    /// Accepted at this instant or later.
    pub after: Option<DateTime<Utc>>,
    /// Accepted before this instant.
    pub before: Option<DateTime<Utc>>,
    /// With these words in the text, whatever their case.
    pub words: Option<String>,
    /// With these members in its metadata.
    pub metadata: Option<Value>,
}

impl Store {
    /// One post, if the organisation (and the profile, when given) has it.
    pub async fn get_post(
        &self,
        org: OrgId,
        post: PostId,
        profile: Option<ProfileId>,
    ) -> Result<Option<PostRow>, StoreError> {
        let profile = profile.map(ProfileId::uuid);
        Ok(sqlx::query_file_as!(
            PostRow,
            "queries/posts/get_post.sql",
            org.uuid(),
            post.uuid(),
            profile
        )
        .fetch_optional(&self.ordinary)
        .await?)
    }

    /// A page of an organisation's posts, newest first.
    pub async fn list_posts(
        &self,
        org: OrgId,
        filter: &PostFilter,
        after: Option<&Cursor>,
        limit: i32,
    ) -> Result<Vec<PostRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            PostRow,
            "queries/posts/list_posts.sql",
            org.uuid(),
            filter.profile.map(ProfileId::uuid),
            filter.platforms.as_deref(),
            filter.statuses.as_deref(),
            filter.error_codes.as_deref(),
            filter.after,
            filter.before,
            filter.words,
            after.map(|cursor| cursor.at),
            after.map(|cursor| cursor.id),
            limit,
            filter.metadata,
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// One batch.
    pub async fn get_batch(
        &self,
        org: OrgId,
        batch: BatchId,
    ) -> Result<Option<BatchRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            BatchRow,
            "queries/posts/get_batch.sql",
            org.uuid(),
            batch.uuid()
        )
        .fetch_optional(&self.ordinary)
        .await?)
    }

    /// The posts of a batch, in the order of its targets.
    pub async fn list_batch(&self, org: OrgId, batch: BatchId) -> Result<Vec<PostRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            PostRow,
            "queries/posts/list_batch.sql",
            org.uuid(),
            batch.uuid()
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// The ledger of one post, oldest first.
    pub async fn list_attempts(
        &self,
        org: OrgId,
        post: PostId,
    ) -> Result<Vec<AttemptRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            AttemptRow,
            "queries/posts/list_attempts.sql",
            org.uuid(),
            post.uuid()
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// Which of the given batches have no target open any more.
    pub async fn list_settled(
        &self,
        batches: &[(OrgId, BatchId)],
    ) -> Result<Vec<BatchId>, StoreError> {
        let (orgs, ids) = split(batches);
        let rows = sqlx::query_file!("queries/posts/list_settled.sql", &orgs, &ids)
            .fetch_all(&self.ordinary)
            .await?;
        Ok(rows.into_iter().map(|row| row.batch.into()).collect())
    }

    /// Which of the given batches wait only for buckets that reopen later than `within`.
    pub async fn list_parked(
        &self,
        batches: &[(OrgId, BatchId)],
        within: std::time::Duration,
    ) -> Result<Vec<BatchId>, StoreError> {
        let (orgs, ids) = split(batches);
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let rows = sqlx::query_file!("queries/posts/list_parked.sql", &orgs, &ids, within)
            .fetch_all(&self.ordinary)
            .await?;
        Ok(rows.into_iter().map(|row| row.batch.into()).collect())
    }
}

fn split(batches: &[(OrgId, BatchId)]) -> (Vec<Uuid>, Vec<Uuid>) {
    batches
        .iter()
        .map(|(org, batch)| (org.uuid(), batch.uuid()))
        .unzip()
}
