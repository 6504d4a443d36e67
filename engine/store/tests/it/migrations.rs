//! The schema: up from empty, up again, ahead of us, behind us.

use crate::shop::Shop;
use store::testing::TestDatabase;
use store::{MIGRATOR, PoolSizes, SchemaState, Store, StoreError};

/// A store on an empty schema beside the migrated one.
async fn empty(database: &TestDatabase) -> Store {
    database.execute("create schema bare").await;
    let separator = if database.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{separator}options=-csearch_path%3Dbare", database.url);
    Store::connect_lazily(&url, PoolSizes::default()).unwrap()
}

async fn fingerprint(database: &TestDatabase, schema: &str) -> String {
    let question = format!(
        "select md5(string_agg(line, E'\\n' order by line)) from (
           select format('%s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default) as line
             from information_schema.columns where table_schema = '{schema}' and table_name <> '_sqlx_migrations'
           union all
           select replace(indexdef, '{schema}.', '') from pg_indexes
            where schemaname = '{schema}' and tablename <> '_sqlx_migrations'
           union all
           select format('%s %s', c.conname, replace(pg_get_constraintdef(c.oid), '{schema}.', '')) from pg_constraint c
            where c.connamespace = '{schema}'::regnamespace and c.conrelid::regclass::text not like '%_sqlx_migrations') x"
    );
    database.ask(&question).await.unwrap()
}

#[tokio::test]
async fn a_schema_grows_from_empty_and_a_second_time_nothing_happens() {
    let database = TestDatabase::create().await;
    let bare = empty(&database).await;
    let all = MIGRATOR.iter().count();
    assert_eq!(bare.schema_state().await.unwrap(), SchemaState::Behind(all));

    bare.migrate().await.unwrap();
    assert_eq!(bare.schema_state().await.unwrap(), SchemaState::Current);
    let grown = fingerprint(&database, "bare").await;
    let applied =
        "select string_agg(version || ' ' || installed_on, ',') from bare._sqlx_migrations";
    let once = database.ask(applied).await;
    bare.migrate().await.unwrap();

    assert_eq!(database.ask(applied).await, once);
    assert_eq!(fingerprint(&database, "bare").await, grown);
    assert_eq!(fingerprint(&database, "public").await, grown);
    bare.close().await;
    database.close_clean().await;
}

#[tokio::test]
async fn processes_that_migrate_at_once_end_with_one_schema() {
    let database = TestDatabase::create().await;
    let bare = empty(&database).await;

    let (one, two, three) = tokio::join!(bare.migrate(), bare.migrate(), bare.migrate());

    for outcome in [one, two, three] {
        outcome.unwrap();
    }
    let all = i64::try_from(MIGRATOR.iter().count()).unwrap();
    assert_eq!(
        database
            .count("select count(*) from bare._sqlx_migrations")
            .await,
        all
    );
    bare.close().await;
    database.close_clean().await;
}

#[tokio::test]
async fn a_schema_says_whether_it_is_behind_or_ahead_of_this_build() {
    let shop = Shop::open().await;
    assert_eq!(
        shop.store.schema_state().await.unwrap(),
        SchemaState::Current
    );

    let newest = "(select max(version) from _sqlx_migrations)";
    shop.database
        .execute(&format!(
            "delete from _sqlx_migrations where version = {newest}"
        ))
        .await;
    assert_eq!(
        shop.store.schema_state().await.unwrap(),
        SchemaState::Behind(1)
    );
    shop.database
        .execute(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (9999, 'of a later build', true, '\\x00', 0)",
        )
        .await;
    assert_eq!(shop.store.schema_state().await.unwrap(), SchemaState::Ahead);
    let refused = shop.store.migrate().await;
    assert!(
        matches!(refused, Err(StoreError::Migration(_))),
        "{refused:?}"
    );
    shop.close().await;
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    let shop = Shop::open().await;
    shop.database
        .execute("update _sqlx_migrations set checksum = '\\x00' where version = 1")
        .await;

    let refused = shop.store.migrate().await;

    assert!(
        matches!(refused, Err(StoreError::Migration(_))),
        "{refused:?}"
    );
    shop.close().await;
}
