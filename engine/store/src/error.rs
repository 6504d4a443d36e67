//! What can go wrong between us and Postgres.

/// An error of the store. Its text names tables, constraints and rows, never a value a caller sent.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address given for the database cannot be used.
    #[error("the database address is not a Postgres URL (postgres://user:password@host:port/name)")]
    Address,
    /// Postgres refused or did not answer.
    #[error("the database did not do its part")]
    Database(#[source] sqlx::Error),
    /// Postgres did not answer in time; what was asked may have been done.
    #[error("the database did not answer in time")]
    NoAnswer,
    /// The schema and this build do not fit.
    #[error("the schema does not fit this build: {0}")]
    Migration(String),
    /// A row says something it must not be able to say.
    #[error("{table}.{column} of {row} is inconsistent")]
    Inconsistent {
        /// Where.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row.
        row: String,
    },
    /// A statement changed another number of rows than it meant.
    #[error("{statement} changed {actual} rows and meant {expected}")]
    WrongCount {
        /// The statement's file.
        statement: &'static str,
        /// Rows meant.
        expected: i64,
        /// Rows changed.
        actual: i64,
    },
    /// A constraint refused the row.
    #[error("refused by constraint {constraint}")]
    Conflict {
        /// The constraint's name.
        constraint: String,
    },
}

impl StoreError {
    pub(crate) fn migration(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(source) => Self::from(source),
            other => Self::Migration(other.to_string()),
        }
    }

    /// Whether the same call may work later without anybody changing anything: the database is away, restarting, read-only
    /// after a failover, out of connections, or two transactions met.
    pub fn is_passing(&self) -> bool {
        let error = match self {
            Self::NoAnswer => return true,
            Self::Database(error) => error,
            _ => return false,
        };
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Tls(_) => true,
            sqlx::Error::Database(refused) => {
                refused.code().is_some_and(|code| is_passing_code(&code))
            }
            _ => false,
        }
    }

    /// Whether the call may have been committed although it failed: its answer was lost.
    pub fn outcome_is_unknown(&self) -> bool {
        match self {
            Self::NoAnswer
            | Self::Database(
                sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed,
            ) => true,
            Self::Database(sqlx::Error::Database(refused)) => {
                // 57P01 to 57P03: terminated or shutting down, perhaps after the commit record was written.
                refused
                    .code()
                    .is_some_and(|code| code.starts_with("57P0") || code.starts_with("08"))
            }
            _ => false,
        }
    }
}

/// SQLSTATE classes that pass by themselves: connection (08), serialisation and deadlock (40), resources (53), operator
/// intervention (57P), read-only after a failover (25006), lock not available (55P03).
fn is_passing_code(code: &str) -> bool {
    ["08", "40", "53", "57P"]
        .iter()
        .any(|class| code.starts_with(class))
        || code == "25006"
        || code == "55P03"
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(refused) = &error
            && let Some(constraint) = refused.constraint()
        {
            return Self::Conflict {
                constraint: constraint.to_owned(),
            };
        }
        Self::Database(error)
    }
}
