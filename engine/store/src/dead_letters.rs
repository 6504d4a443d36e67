//! Dead letters as people read them; what moves them is in [`crate::queue`].

use crate::posts::Cursor;
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, DeadLetterId, JobId, OrgId, PostId};
use serde_json::Value;
use uuid::Uuid;

/// A job that ended unpublished.
#[derive(Clone, Debug)]
pub struct LetterRow {
    /// Its organisation.
    pub org: OrgId,
    /// The organisation's name.
    pub organisation: String,
    /// Its id.
    pub id: DeadLetterId,
    /// The job that ended.
    pub job: JobId,
    /// `publish`, `refresh` or `webhook`.
    pub kind: String,
    /// The post (or account, or delivery).
    pub subject: Uuid,
    /// Its queue: the platform's wire id.
    pub queue: String,
    /// Its bucket.
    pub bucket: Uuid,
    /// `rejected`, `account_blocked`, `exhausted`, `expired`, `ambiguous` or `poison`.
    pub class: String,
    /// The same fault on many posts has the same fingerprint.
    pub fingerprint: String,
    /// The last failure: `{class, code, message, rule?, remediation?, httpStatus?, platformResponse?}`.
    pub failure: Value,
    /// Counted failures.
    pub failures: i16,
    /// Looks since the last mark.
    pub looks: i16,
    /// The last claim.
    pub claim: i32,
    /// Set while a send of it is unresolved.
    pub sent_at: Option<DateTime<Utc>>,
    /// How far it got, in one word.
    pub stage: Option<String>,
    /// How often its post was redriven before.
    pub generation: i16,
    /// When it ended.
    pub created_at: DateTime<Utc>,
    /// When somebody dealt with it.
    pub resolved_at: Option<DateTime<Utc>>,
    /// Who.
    pub resolved_by: Option<String>,
    /// `redriven`, `discarded`, `confirmed_published` or `confirmed_absent`.
    pub resolved_how: Option<String>,
    /// Why.
    pub resolved_note: Option<String>,
    /// The post's text.
    pub text: Option<String>,
    /// The post's account.
    pub account: Option<Uuid>,
    /// The account's handle.
    pub handle: Option<String>,
    /// The account's name for people.
    pub display_name: Option<String>,
    /// Whether the account is still connected.
    pub connected: bool,
}

/// Which letters a list shows.
#[derive(Clone, Debug, Default)]
pub struct LetterFilter {
    /// Only of this organisation.
    pub org: Option<OrgId>,
    /// Only of this platform.
    pub platform: Option<String>,
    /// Only of this account.
    pub account: Option<AccountId>,
    /// Only of this class.
    pub class: Option<String>,
    /// Only of this fingerprint.
    pub fingerprint: Option<String>,
    /// Only of this post.
    pub post: Option<PostId>,
    /// Only those that ended then or later.
    pub since: Option<DateTime<Utc>>,
    /// Only those that ended before.
    pub until: Option<DateTime<Utc>>,
    /// Only those nobody has dealt with.
    pub open_only: bool,
}

impl Store {
    /// A page of dead letters, newest first.
    pub async fn list_letters(
        &self,
        filter: &LetterFilter,
        after: Option<&Cursor>,
        limit: i32,
    ) -> Result<Vec<LetterRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            LetterRow,
            "queries/dead_letters/list_letters.sql",
            filter.org.map(OrgId::uuid),
            filter.platform,
            filter.class,
            filter.open_only,
            after.map(|cursor| cursor.at),
            after.map(|cursor| cursor.id),
            limit,
            filter.account.map(AccountId::uuid),
            filter.fingerprint,
            filter.post.map(PostId::uuid),
            filter.since,
            filter.until,
        )
        .fetch_all(&self.ordinary)
        .await?)
    }

    /// One dead letter, by its id or by its post's (then the newest).
    pub async fn get_letter(
        &self,
        id: Uuid,
        org: Option<OrgId>,
    ) -> Result<Option<LetterRow>, StoreError> {
        Ok(sqlx::query_file_as!(
            LetterRow,
            "queries/dead_letters/get_letter.sql",
            id,
            org.map(OrgId::uuid)
        )
        .fetch_optional(&self.ordinary)
        .await?)
    }

    /// Closes an open letter without sending anything; false when it was not open (any more).
    pub async fn discard_letter(
        &self,
        org: OrgId,
        letter: DeadLetterId,
        by: &str,
        why: &str,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query_file!(
            "queries/dead_letters/discard.sql",
            org.uuid(),
            letter.uuid(),
            by,
            why,
            None::<DateTime<Utc>>
        )
        .fetch_optional(&self.ordinary)
        .await?;
        Ok(row.is_some())
    }
}
