//! Plans: every hot statement reads through its index, and no more for a hundred thousand rows than for a few.
//!
//! The plans are generic, as in production. The rows that must not be read are there: future jobs, jobs parked behind their
//! limits, months of dated charges, a long ledger.

use crate::outcomes::{complete, refused, retry, verify};
use crate::shop::{QUEUE, Shop, batch, window};
use serde_json::{Value, json};
use sqlx::{Executor as _, Row as _};
use std::collections::BTreeSet;
use store::queue::Claimed;

/// Tables of which no hot statement may read all.
const LARGE: [&str; 6] = [
    "jobs",
    "posts",
    "charges",
    "attempts",
    "dead_letters",
    "accounts",
];

/// What a statement did: the indexes it used, the large tables it read whole, the pages it touched.
#[derive(Debug, Default)]
struct Plan {
    indexes: BTreeSet<String>,
    whole: BTreeSet<String>,
    pages: u64,
}

fn walk(node: &Value, plan: &mut Plan) {
    if let Some(index) = node["Index Name"].as_str() {
        plan.indexes.insert(index.to_owned());
    }
    let relation = node["Relation Name"].as_str().unwrap_or_default();
    if node["Node Type"] == "Seq Scan" && LARGE.contains(&relation) {
        plan.whole.insert(relation.to_owned());
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, plan);
    }
}

/// Runs a statement under a generic plan and takes back what it did.
#[expect(
    clippy::disallowed_methods,
    reason = "the plan of a file's statement, not its rows"
)]
async fn explain(shop: &Shop, types: &str, sql: &str, values: &str) -> Plan {
    let mut tx = shop.database.pool.begin().await.unwrap();
    let prepare =
        format!("set local plan_cache_mode = force_generic_plan; prepare hot ({types}) as {sql}");
    tx.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)))
        .await
        .unwrap();
    let run = format!("explain (analyze, buffers, format json) execute hot ({values})");
    let row = tx
        .fetch_one(sqlx::raw_sql(sqlx::AssertSqlSafe(run)))
        .await
        .unwrap();
    let text: String = row.try_get_unchecked(0).unwrap();
    tx.execute("deallocate hot").await.unwrap();
    tx.rollback().await.unwrap();
    let explained: Value = serde_json::from_str(&text).unwrap();
    let root = &explained[0]["Plan"];
    let mut plan = Plan::default();
    walk(root, &mut plan);
    for kind in ["Shared Hit Blocks", "Shared Read Blocks"] {
        plan.pages += root[kind].as_u64().unwrap();
    }
    plan
}

/// A statement may touch so many pages and must use these indexes.
async fn assert_bounded(
    shop: &Shop,
    name: &str,
    call: (&str, &str, &str),
    indexes: &[&str],
    pages: u64,
) {
    let (types, sql, values) = call;
    let plan = explain(shop, types, sql, values).await;
    assert!(
        plan.whole.is_empty(),
        "{name} reads all of {:?}",
        plan.whole
    );
    for index in indexes {
        assert!(
            plan.indexes.contains(*index),
            "{name} does not use {index}: {:?}",
            plan.indexes
        );
    }
    assert!(
        plan.pages <= pages,
        "{name} touched {} pages, {pages} allowed",
        plan.pages
    );
}

macro_rules! statement {
    ($name:literal) => {
        include_str!(concat!("../../queries/queue/", $name, ".sql"))
    };
}

fn array(ids: &[String], of: &str) -> String {
    format!("'{{{}}}'::{of}[]", ids.join(","))
}

/// 20 ready accounts with 40 due jobs and 2 500 old charges each, before the rows of everybody else.
async fn crowded() -> Shop {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[window("day", "posts", 100, 1, 86_400_000)])
        .await;
    for _ in 0..20 {
        let account = shop.account().await;
        shop.enqueue_many(account, 40, shop.at(0)).await;
    }
    let org = shop.org;
    let now = shop.at(0);
    for statement in [
        format!(
            "insert into buckets (org, id, queue, kind, subject, ready_at, limited_by)
             select '{org}', i, '{QUEUE}', 'account', i, case when n % 2 = 0 then '{now}'::timestamptz + interval '1 day'
                    else 'infinity' end, case when n % 2 = 1 then 'day' end
               from (select n, md5('bucket' || n)::uuid as i from generate_series(1, 20000) n) x"
        ),
        format!(
            "insert into accounts (org, id, profile, platform, platform_account_id)
             select '{org}', b.id, '{}', '{QUEUE}', b.id::text from buckets b
              where b.kind = 'account' and not exists (select from accounts a where a.id = b.id)",
            shop.profile
        ),
        // Half of them are due tomorrow, half wait behind a limit.
        format!(
            "insert into jobs (org, id, kind, queue, bucket, subject, priority, run_at, give_up_at, may_wait, exclusive)
             select '{org}', gen_random_uuid(), 'publish', '{QUEUE}', md5('bucket' || (1 + n % 20000))::uuid,
                    gen_random_uuid(), n % 3, '{now}'::timestamptz + case when n % 2 = 1 then interval '1 day'
                    else interval '-1 hour' end, '{now}'::timestamptz + interval '2 days', true, false
               from generate_series(1, 100000) n"
        ),
        format!(
            "insert into posts (org, id, batch, position, profile, account, platform, text)
             select '{org}', j.subject, gen_random_uuid(), 0, '{}', j.bucket, '{QUEUE}', 'x' from jobs j
              where not exists (select from posts p where p.id = j.subject)",
            shop.profile
        ),
        format!(
            "insert into charges (org, owner, meter, job, claim, counts, units, at)
             select '{org}', b.id, 'posts', gen_random_uuid(), 1, 'posts', 1, '{now}'::timestamptz - n * interval '2 days'
               from buckets b cross join generate_series(1, 2500) n where b.kind = 'account' and b.ready_at <= '{now}'"
        ),
        format!(
            "insert into attempts (org, job, claim, kind, subject, queue, started_at, ended_at, outcome, settlement)
             select '{org}', gen_random_uuid(), 1, 'publish', gen_random_uuid(), '{QUEUE}', '{now}', '{now}', 'published',
                    'complete' from generate_series(1, 30000)"
        ),
        "vacuum analyze".to_owned(),
    ] {
        shop.database.execute(&statement).await;
    }
    shop
}

async fn ready_buckets(shop: &Shop) -> Vec<String> {
    let question = format!(
        "select string_agg(id::text, ',') from buckets where kind = 'account' and ready_at <= '{}'",
        shop.at(1)
    );
    let ids = shop.database.ask(&question).await.unwrap();
    ids.split(',').map(str::to_owned).collect()
}

async fn check_claim(shop: &Shop) {
    let ready = ready_buckets(shop).await;
    assert_eq!(ready.len(), 20);
    let orgs = vec![shop.org.to_string(); ready.len()];
    let now = format!("'{}'", shop.at(1));
    let (orgs, ids) = (array(&orgs, "uuid"), array(&ready, "uuid"));
    let taken = array(&vec!["0".to_owned(); ready.len()], "int");

    let values = format!("'{QUEUE}', 64, {now}");
    let call = (
        "text, int, timestamptz",
        statement!("lock_buckets"),
        &*values,
    );
    assert_bounded(shop, "lock_buckets", call, &["buckets_ready"], 20 * 8).await;

    let values = format!("'{QUEUE}', {now}");
    let call = ("text, timestamptz", statement!("next_ready"), &*values);
    assert_bounded(shop, "next_ready", call, &["buckets_ready"], 20).await;

    let values =
        format!("{orgs}, {ids}, '{QUEUE}', 64, gen_random_uuid(), gen_random_uuid(), 60000, {now}");
    let types = "uuid[], uuid[], text, int, uuid, uuid, bigint, timestamptz";
    let call = (types, statement!("take_jobs"), &*values);
    let indexes = ["jobs_head", "jobs_pkey", "charges_window", "charges_open"];
    assert_bounded(shop, "take_jobs", call, &indexes, 64 * 30).await;

    let values = format!("{orgs}, {ids}, {taken}, {now}");
    let call = (
        "uuid[], uuid[], int[], timestamptz",
        statement!("rearm_buckets"),
        &*values,
    );
    let indexes = ["jobs_head", "charges_open", "buckets_pkey"];
    assert_bounded(shop, "rearm_buckets", call, &indexes, 20 * 40).await;

    let values = format!("'{QUEUE}', 64, gen_random_uuid(), gen_random_uuid(), 60000, {now}");
    let call = (
        "text, int, uuid, uuid, bigint, timestamptz",
        statement!("take_overdue"),
        &*values,
    );
    assert_bounded(shop, "take_overdue", call, &["jobs_deadline"], 30).await;
}

async fn check_accept(shop: &Shop) {
    let account = shop.account().await;
    let posts: Vec<_> = (0..10)
        .map(|position| store::queue::NewPost {
            position,
            ..shop.draft(account)
        })
        .collect();
    let quote = |value: Value| format!("'{}'::jsonb", value.to_string().replace('\'', "''"));
    let values = format!(
        "'{}', {}, {}, '{}'",
        shop.org,
        quote(json!(batch())),
        quote(json!(posts)),
        shop.at(1)
    );
    let call = (
        "uuid, jsonb, jsonb, timestamptz",
        statement!("insert_batch"),
        &*values,
    );
    assert_bounded(
        shop,
        "insert_batch",
        call,
        &["buckets_pkey", "accounts_pkey"],
        10 * 80,
    )
    .await;
}

async fn check_running(shop: &Shop) {
    let jobs: Vec<Claimed> = shop.claim(40, shop.at(1)).await.jobs;
    assert_eq!(jobs.len(), 40);
    shop.database.execute("analyze").await;
    let values = format!(
        "'{}', '{}', 1, 'c', 'sending', 11000, 10000, 30000, '{}'",
        jobs[0].org,
        jobs[0].job,
        shop.at(2)
    );
    let types = "uuid, uuid, int, bytea, text, bigint, bigint, bigint, timestamptz";
    let call = (types, statement!("set_mark"), &*values);
    assert_bounded(shop, "set_mark", call, &["jobs_pkey"], 40).await;

    let batch: Vec<_> = jobs
        .iter()
        .enumerate()
        .map(|(n, job)| match n % 4 {
            0 => complete(job),
            1 => retry(job, 1000),
            2 => refused(job, 1),
            _ => verify(job, 1000),
        })
        .collect();
    let values = format!("'{}'::jsonb, '{}'", json!(batch), shop.at(3));
    let call = ("jsonb, timestamptz", statement!("settle"), &*values);
    let indexes = ["jobs_pkey", "posts_pkey", "buckets_pkey", "charges_open"];
    assert_bounded(shop, "settle", call, &indexes, 40 * 90).await;

    let values = format!("'{{{QUEUE}}}', 100, 0, '{}'", shop.at(100));
    let call = (
        "text[], int, bigint, timestamptz",
        statement!("read_expired"),
        &*values,
    );
    assert_bounded(shop, "read_expired", call, &["jobs_pkey"], 40 * 8).await;

    let values = format!(
        "'{}', '{}', gen_random_uuid(), '{}'",
        shop.org,
        jobs[1].subject,
        shop.at(3)
    );
    let call = (
        "uuid, uuid, uuid, timestamptz",
        statement!("cancel_post"),
        &*values,
    );
    assert_bounded(shop, "cancel_post", call, &["jobs_single_flight"], 60).await;
}

#[tokio::test]
async fn hot_statements_use_their_indexes_and_touch_few_pages_whatever_else_is_there() {
    let shop = crowded().await;
    check_claim(&shop).await;
    check_accept(&shop).await;
    check_running(&shop).await;
    shop.database.drop_database().await;
}
