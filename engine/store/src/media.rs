//! The content library's rows; the files themselves are the engine's.

use crate::posts::Cursor;
use crate::{Store, StoreError, answered};
use chrono::{DateTime, Utc};
use publisher::id::{OrgId, ProfileId};
use std::time::Duration;
use uuid::Uuid;

/// A file of the library.
#[derive(Clone, Debug)]
pub struct MediaRow {
    /// `med_` and 22 characters.
    pub id: String,
    /// The profile it was uploaded for.
    pub profile: ProfileId,
    /// What its bytes say it is.
    pub content_type: String,
    /// Size in bytes.
    pub size_bytes: i64,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// Pixels as displayed.
    pub width: Option<i32>,
    /// Pixels as displayed.
    pub height: Option<i32>,
    /// Length of a film in milliseconds.
    pub duration_ms: Option<i32>,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
}

/// A file that is safe on disk and may now be noted.
#[derive(Clone, Debug)]
pub struct NewMedia<'a> {
    /// Its organisation.
    pub org: OrgId,
    /// `med_` and 22 characters.
    pub id: &'a str,
    /// The profile it is uploaded for.
    pub profile: ProfileId,
    /// What its bytes say it is.
    pub content_type: &'a str,
    /// Size in bytes.
    pub size_bytes: i64,
    /// SHA-256 of its bytes.
    pub sha256: &'a [u8],
    /// Pixels as displayed.
    pub width: Option<i32>,
    /// Pixels as displayed.
    pub height: Option<i32>,
    /// Length of a film in milliseconds.
    pub duration_ms: Option<i32>,
}

/// How long a file may wait for its row; its caller waits for it, and so does the end of the process.
const NOTE_PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Notes a file that is safe on disk, and returns when.
    pub async fn insert_media(&self, media: NewMedia<'_>) -> Result<DateTime<Utc>, StoreError> {
        answered(NOTE_PATIENCE, self.try_insert_media(media)).await
    }

    async fn try_insert_media(&self, media: NewMedia<'_>) -> Result<DateTime<Utc>, StoreError> {
        let row = sqlx::query_file!(
            "queries/media/insert_media.sql",
            media.org.uuid(),
            media.id,
            media.profile.uuid(),
            media.content_type,
            media.size_bytes,
            media.sha256,
            media.width,
            media.height,
            media.duration_ms,
        )
        .fetch_one(&self.ordinary)
        .await?;
        Ok(row.created_at)
    }

    /// The given files of an organisation, in no order; those that are not there are missing.
    pub async fn find_media(
        &self,
        org: OrgId,
        ids: &[String],
    ) -> Result<Vec<MediaRow>, StoreError> {
        Ok(
            sqlx::query_file_as!(MediaRow, "queries/media/find_media.sql", org.uuid(), ids)
                .fetch_all(&self.ordinary)
                .await?,
        )
    }

    /// A page of the library, newest first; the cursor's id is the media's.
    pub async fn list_media(
        &self,
        org: OrgId,
        profile: Option<ProfileId>,
        after: Option<&Cursor<String>>,
        limit: i32,
    ) -> Result<Vec<MediaRow>, StoreError> {
        let profile: Option<Uuid> = profile.map(ProfileId::uuid);
        let at = after.map(|cursor| cursor.at);
        let id = after.map(|cursor| cursor.id.as_str());
        Ok(sqlx::query_file_as!(
            MediaRow,
            "queries/media/list_media.sql",
            org.uuid(),
            profile,
            at,
            id,
            limit
        )
        .fetch_all(&self.ordinary)
        .await?)
    }
}
