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
    server: String,
    name: String,
}

/// A transaction that a test keeps open.
#[derive(Debug)]
pub struct Held(sqlx::Transaction<'static, sqlx::Postgres>);

impl Held {
    /// Ends it without a trace.
    pub async fn release(self) {
        self.0
            .rollback()
            .await
            .unwrap_or_else(|e| unreachable!("the transaction was not there any more: {e}"));
    }
}

fn new_name() -> String {
    format!("postrider_test_{}", uuid::Uuid::now_v7().simple())
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

async fn admin(server: &str) -> PgPool {
    let options = PgConnectOptions::from_str(server)
        .unwrap_or_else(|e| unreachable!("the test server's address: {e}"));
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
            make(&server_url(), &name).await;
            name
        })
        .await
}

/// Makes a database with the schema in it.
async fn make(server: &str, name: &str) {
    let admin = admin(server).await;
    run(&admin, format!("create database {name}")).await;
    admin.close().await;
    let pool = open(server, name, 1).await;
    MIGRATOR
        .run(&pool)
        .await
        .unwrap_or_else(|e| unreachable!("the schema cannot be made: {e}"));
    pool.close().await;
}

async fn open(server: &str, name: &str, connections: u32) -> PgPool {
    let options = PgConnectOptions::from_str(server)
        .unwrap_or_else(|e| unreachable!("the test server's address: {e}"))
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
        let (server, template, name) = (server_url(), template().await, new_name());
        let admin = admin(&server).await;
        run(
            &admin,
            format!("create database {name} template {template}"),
        )
        .await;
        admin.close().await;
        Self::of(server, name).await
    }

    /// Makes a migrated, empty database on a server of the test's own.
    pub async fn create_on(server: &str) -> Self {
        let name = new_name();
        make(server, &name).await;
        Self::of(server.to_owned(), name).await
    }

    async fn of(server: String, name: String) -> Self {
        let mut url = server.clone();
        let path = url.rfind('/').unwrap_or(url.len());
        let tail = url[path..]
            .find('?')
            .map(|at| url[path + at..].to_owned())
            .unwrap_or_default();
        url.truncate(path);
        let url = format!("{url}/{name}{tail}");
        let store = Store::connect_lazily(&url, PoolSizes::default())
            .unwrap_or_else(|e| unreachable!("{e}"));
        let pool = open(&server, &name, 4).await;
        Self {
            store,
            pool,
            url,
            server,
            name,
        }
    }

    /// Begins a transaction, runs a statement of a test's own in it, and leaves it open with what it has locked.
    #[expect(
        clippy::disallowed_methods,
        reason = "tests run statements of their own"
    )]
    pub async fn hold(&self, statement: &str) -> Held {
        let begun = self.pool.begin().await;
        let mut held = begun.unwrap_or_else(|e| unreachable!("no transaction: {e}"));
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&mut *held)
            .await
            .unwrap_or_else(|e| unreachable!("{statement}: {e}"));
        Held(held)
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
        let admin = admin(&self.server).await;
        run(
            &admin,
            format!("drop database if exists {} with (force)", self.name),
        )
        .await;
        admin.close().await;
    }
}
