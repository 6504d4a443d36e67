//! What operators ask of the database as a whole.

use crate::{MIGRATOR, SchemaState, Store, StoreError};
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use sqlx::migrate::{Migrate as _, MigrateError};

/// A queue with what waits and runs in it.
#[derive(Clone, Debug)]
pub struct QueueRow {
    /// Its name: a platform's wire id.
    pub name: String,
    /// Whether a person paused it.
    pub paused: bool,
    /// Who, or why.
    pub paused_by: Option<String>,
    /// Until when the platform keeps it closed.
    pub blocked_until: Option<DateTime<Utc>>,
    /// Why.
    pub blocked_by: Option<String>,
    /// Jobs that wait.
    pub queued: i64,
    /// Jobs that run.
    pub running: i64,
    /// Jobs that wait for a person.
    pub held: i64,
    /// Open dead letters.
    pub dead_letters: i64,
    /// Workers that serve it now.
    pub workers: i64,
}

/// One figure of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct FigureRow {
    /// `jobs`, `due` (seconds), `blocked` (buckets), `letters` or `workers`.
    pub figure: String,
    /// Of which queue.
    pub queue: String,
    /// Of which state, scope or class; blank where there is none.
    pub label: String,
    /// Its value.
    pub value: f64,
}

/// An invariant that does not hold: its name, and how many rows break it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The name, as in `docs/INVARIANTS.md`.
    pub invariant: &'static str,
    /// How many rows.
    pub rows: i64,
}

impl Store {
    /// Whether the database answers: its version (150018 for 15.18) and its clock.
    pub async fn ping(&self) -> Result<(i32, DateTime<Utc>), StoreError> {
        let row = sqlx::query_file!("queries/console/ping.sql")
            .fetch_one(&self.ordinary)
            .await?;
        Ok((row.version, row.now))
    }

    /// Every queue with what waits and runs in it.
    pub async fn list_queues(&self) -> Result<Vec<QueueRow>, StoreError> {
        Ok(
            sqlx::query_file_as!(QueueRow, "queries/console/list_queues.sql")
                .fetch_all(&self.ordinary)
                .await?,
        )
    }

    /// What waits, runs, is closed or open in every queue. Reads all live jobs: see the statement for its cost.
    pub async fn sample_queues(&self) -> Result<Vec<FigureRow>, StoreError> {
        Ok(
            sqlx::query_file_as!(FigureRow, "queries/console/sample_queues.sql")
                .fetch_all(&self.ordinary)
                .await?,
        )
    }

    /// The invariants that do not hold now; empty on a healthy database. Reads only.
    pub async fn check_invariants(&self) -> Result<Vec<Broken>, StoreError> {
        let row = sqlx::query_file!("queries/console/check_invariants.sql")
            .fetch_one(&self.ordinary)
            .await?;
        let all = [
            ("posts_without_job", row.posts_without_job),
            ("jobs_without_open_post", row.jobs_without_open_post),
            ("jobs_without_bucket", row.jobs_without_bucket),
            ("running_without_lease", row.running_without_lease),
            ("buckets_with_wrong_slots", row.buckets_with_wrong_slots),
            ("unpublished_without_letter", row.unpublished_without_letter),
            ("published_without_receipt", row.published_without_receipt),
            ("charges_without_job", row.charges_without_job),
            ("marks_without_job", row.marks_without_job),
            ("stranded_jobs", row.stranded_jobs),
        ];
        Ok(all
            .into_iter()
            .filter(|(_, rows)| *rows != 0)
            .map(|(invariant, rows)| Broken { invariant, rows })
            .collect())
    }

    /// Deadlocks that Postgres counted in this database (I20).
    pub async fn count_deadlocks(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_file!("queries/console/read_deadlocks.sql")
            .fetch_one(&self.ordinary)
            .await?
            .deadlocks)
    }
}

/// SQLSTATE: the table of migrations is not there yet.
const UNDEFINED_TABLE: &str = "42P01";

pub(crate) async fn schema_state(pool: &PgPool) -> Result<SchemaState, StoreError> {
    let mut connection = pool.acquire().await?;
    let applied = match connection.list_applied_migrations("_sqlx_migrations").await {
        Ok(applied) => applied,
        Err(MigrateError::Execute(sqlx::Error::Database(e)))
            if e.code().as_deref() == Some(UNDEFINED_TABLE) =>
        {
            Vec::new()
        }
        Err(e) => return Err(StoreError::migration(e)),
    };
    let known: Vec<i64> = MIGRATOR.iter().map(|migration| migration.version).collect();
    let edited = MIGRATOR.iter().any(|migration| {
        applied
            .iter()
            .any(|row| row.version == migration.version && row.checksum != migration.checksum)
    });
    // A migration that was edited after it ran is a schema that no build knows.
    if edited || applied.iter().any(|row| !known.contains(&row.version)) {
        return Ok(SchemaState::Ahead);
    }
    let missing = known
        .iter()
        .filter(|version| !applied.iter().any(|row| row.version == **version))
        .count();
    Ok(if missing == 0 {
        SchemaState::Current
    } else {
        SchemaState::Behind(missing)
    })
}
