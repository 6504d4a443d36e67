//! A database of its own for each test, for this crate and for the crates above, which may not depend on sqlx.
//!
//! Needs `DATABASE_URL` to point at a server where databases may be made (`make test` starts one). The schema is migrated once
//! per test process into a template; each test gets a copy.

use crate::{MIGRATOR, PoolSizes, Store};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::str::FromStr as _;
use tokio::sync::OnceCell;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// A database that is dropped with this value's [`TestDatabase::drop_database`], or by the next run's clean cluster.
#[derive(Debug)]
pub struct TestDatabase {
    /// The doors to it.
    pub store: Store,
    /// A pool for what tests look at directly.
    pub pool: PgPool,
    /// Its address, for processes of their own.
    pub url: String,
    name: String,
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests learn their server from the environment"
)]
fn server_url() -> String {
    std::env::var("DATABASE_URL").unwrap_or_else(|_| {
        unreachable!("tests need a Postgres: run `make test`, or set DATABASE_URL to a server where databases may be made")
    })
}

async fn admin() -> PgPool {
    let options = PgConnectOptions::from_str(&server_url())
        .unwrap_or_else(|e| unreachable!("DATABASE_URL: {e}"));
    PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await
        .unwrap_or_else(|e| unreachable!("the test server does not answer: {e}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that names databases"
)]
async fn run(pool: &PgPool, statement: String) {
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .execute(pool)
        .await
        .unwrap_or_else(|e| unreachable!("the test server refused: {e}"));
}

async fn template() -> &'static str {
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("postrider_template_{}", uuid::Uuid::now_v7().simple());
            let admin = admin().await;
            run(&admin, format!("create database {name}")).await;
            admin.close().await;
            let pool = open(&name, 1).await;
            MIGRATOR
                .run(&pool)
                .await
                .unwrap_or_else(|e| unreachable!("the schema cannot be made: {e}"));
            pool.close().await;
            name
        })
        .await
}

async fn open(name: &str, connections: u32) -> PgPool {
    let options = PgConnectOptions::from_str(&server_url())
        .unwrap_or_else(|e| unreachable!("DATABASE_URL: {e}"))
        .database(name);
    PgPoolOptions::new()
        .max_connections(connections)
        .connect_with(options)
        .await
        .unwrap_or_else(|e| unreachable!("the test database does not open: {e}"))
}

impl TestDatabase {
    /// Makes a migrated, empty database.
    pub async fn create() -> Self {
        let template = template().await;
        let name = format!("postrider_test_{}", uuid::Uuid::now_v7().simple());
        let admin = admin().await;
        run(
            &admin,
            format!("create database {name} template {template}"),
        )
        .await;
        admin.close().await;
        let mut url = server_url();
        let path = url.rfind('/').unwrap_or(url.len());
        let tail = url[path..]
            .find('?')
            .map(|at| url[path + at..].to_owned())
            .unwrap_or_default();
        url.truncate(path);
        let url = format!("{url}/{name}{tail}");
        let store = Store::connect_lazily(&url, PoolSizes::default())
            .unwrap_or_else(|e| unreachable!("{e}"));
        let pool = open(&name, 4).await;
        Self {
            store,
            pool,
            url,
            name,
        }
    }

    /// Runs a statement of a test's own.
    pub async fn execute(&self, statement: &str) {
        run(&self.pool, statement.to_owned()).await;
    }

    /// One value of a test's own question, as text; none for null or no row.
    #[expect(clippy::disallowed_methods, reason = "tests ask their own questions")]
    pub async fn ask(&self, question: &str) -> Option<String> {
        let wrapped = format!("select (q.v)::text from ({question}) as q (v)");
        sqlx::query_scalar::<_, Option<String>>(sqlx::AssertSqlSafe(wrapped))
            .fetch_optional(&self.pool)
            .await
            .unwrap_or_else(|e| unreachable!("{question}: {e}"))
            .flatten()
    }

    /// One number of a test's own question; 0 for null or no row.
    pub async fn count(&self, question: &str) -> i64 {
        let answer = self.ask(question).await;
        answer.map_or(0, |text| {
            text.parse()
                .unwrap_or_else(|e| unreachable!("{question}: {text}: {e}"))
        })
    }

    /// Ends every suite: no deadlock, no broken invariant; then the database is dropped.
    pub async fn close_clean(self) {
        let broken = self
            .store
            .check_invariants()
            .await
            .unwrap_or_else(|e| unreachable!("invariants: {e}"));
        assert!(broken.is_empty(), "invariants broken: {broken:?}");
        let deadlocks = self
            .store
            .count_deadlocks()
            .await
            .unwrap_or_else(|e| unreachable!("deadlocks: {e}"));
        assert_eq!(deadlocks, 0, "Postgres counted deadlocks (I20)");
        self.drop_database().await;
    }

    /// Drops the database, whoever is still connected.
    pub async fn drop_database(self) {
        self.store.close().await;
        self.pool.close().await;
        let admin = admin().await;
        run(
            &admin,
            format!("drop database if exists {} with (force)", self.name),
        )
        .await;
        admin.close().await;
    }
}
