//! Every check and key refuses the row it was written for; a statement with a bug cannot store it.

use crate::shop::{QUEUE, Shop};

/// Runs a statement and returns the constraint that refused it; none when nothing did.
#[expect(
    clippy::disallowed_methods,
    reason = "rows that no statement of the store would write"
)]
async fn refusal(shop: &Shop, statement: &str) -> Option<String> {
    let mut tx = shop.database.pool.begin().await.unwrap();
    let outcome = sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
        .execute(&mut *tx)
        .await;
    tx.rollback().await.unwrap();
    match outcome {
        Ok(done) => {
            assert!(
                done.rows_affected() > 0,
                "{statement}: touched no row at all"
            );
            None
        }
        Err(sqlx::Error::Database(error)) => Some(
            error
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .and_then(|error| error.constraint().map(str::to_owned))
                .unwrap_or_else(|| error.message().to_owned()),
        ),
        Err(other) => unreachable!("{statement}: {other}"),
    }
}

/// A shop with one row in every table that the cases change.
async fn furnished() -> Shop {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 2, shop.at(0)).await;
    let job = shop.claim(1, shop.at(1)).await.jobs.remove(0);
    let org = shop.org;
    for statement in [
        format!(
            "insert into api_keys (org, id, name, prefix, last4, hash, scopes)
             values ('{org}', gen_random_uuid(), 'ci', 'lmp_live_', 'abcd', sha256('k'), '{{}}')"
        ),
        format!(
            "insert into media (org, id, profile, content_type, size_bytes, sha256)
             values ('{org}', 'med_0123456789abcdefghijkl', '{}', 'image/png', 1, sha256('m'))",
            shop.profile
        ),
        format!(
            "insert into post_media (org, post, position, media, kind)
             values ('{org}', '{}', 0, 'med_0123456789abcdefghijkl', 'image')",
            job.subject
        ),
        format!(
            "insert into idempotency (org, key, fingerprint, batch)
             values ('{org}', 'k', sha256('f'), gen_random_uuid())"
        ),
        format!(
            "insert into attempts (org, job, claim, kind, subject, queue, started_at, ended_at, outcome, settlement)
             values ('{org}', '{}', 1, 'publish', '{}', '{QUEUE}', now(), now(), 'failed', 'retry')",
            job.job, job.subject
        ),
        format!(
            "insert into limits (org, queue, scope, owner, name, meter, kind, counts, max_units, units, window_ms)
             values ('{org}', '{QUEUE}', 'account', '{account}', 'w', 'posts', 'window', 'posts', 1, 1, 1000)"
        ),
        format!(
            "insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures,
                                       looks, claim, exclusive, parts, generation, payload)
             values ('{org}', gen_random_uuid(), gen_random_uuid(), 'publish', gen_random_uuid(), '{QUEUE}', '{account}',
                     'rejected', 'f', '{{}}', 0, 0, 1, false, 1, 0, '{{}}')"
        ),
    ] {
        shop.database.execute(&statement).await;
    }
    shop
}

/// A statement that would store a bad row, and the check that refuses it.
const CHECKS: &[(&str, &str)] = &[
    (
        "update organisations set name = ''",
        "organisations_name_check",
    ),
    (
        "update organisations set name = repeat('x', 201)",
        "organisations_name_check",
    ),
    ("update profiles set name = ''", "profiles_name_check"),
    (
        "update profiles set slug = 'Not a slug'",
        "profiles_slug_check",
    ),
    ("update api_keys set name = ''", "api_keys_name_check"),
    (
        "update api_keys set prefix = 'sk_'",
        "api_keys_prefix_check",
    ),
    ("update api_keys set hash = 'short'", "api_keys_hash_check"),
    (
        "update accounts set status = 'gone'",
        "accounts_status_check",
    ),
    ("update media set id = 'med_short'", "media_id_check"),
    ("update media set size_bytes = 0", "media_size_bytes_check"),
    ("update media set sha256 = 'short'", "media_sha256_check"),
    (
        "update posts set status = 'publishing'",
        "posts_status_check",
    ),
    ("update posts set status = 'published'", "posts_check"),
    ("update posts set published_at = now()", "posts_check"),
    (
        "update post_media set kind = 'audio'",
        "post_media_kind_check",
    ),
    (
        "update post_media set in_options = true",
        "post_media_attached",
    ),
    ("update idempotency set key = ''", "idempotency_key_check"),
    (
        "update idempotency set key = repeat('x', 256)",
        "idempotency_key_check",
    ),
    (
        "update idempotency set fingerprint = 'short'",
        "idempotency_fingerprint_check",
    ),
    ("update buckets set kind = 'other'", "buckets_kind_check"),
    ("update buckets set running = -1", "buckets_running_check"),
    ("update leases set orgs = '{}'", "leases_check"),
    ("update jobs set kind = 'other'", "jobs_kind_check"),
    ("update jobs set priority = 3", "jobs_priority_check"),
    ("update jobs set priority = -1", "jobs_priority_check"),
    ("update jobs set state = 'done'", "jobs_state_check"),
    ("update jobs set failures = 101", "jobs_failures_check"),
    ("update jobs set failures = -1", "jobs_failures_check"),
    ("update jobs set deaths = 101", "jobs_deaths_check"),
    ("update jobs set looks = 1001", "jobs_looks_check"),
    ("update jobs set parts = 0", "jobs_parts_check"),
    (
        "update jobs set lease = null where state = 'running'",
        "jobs_check",
    ),
    (
        "update jobs set lease = gen_random_uuid() where state = 'queued'",
        "jobs_check",
    ),
    ("update jobs set hold_reason = 'operator'", "jobs_check1"),
    (
        "update jobs set hold_reason = 'weather', state = 'held', run_at = 'infinity', lease = null",
        "jobs_hold_reason_check",
    ),
    (
        "update jobs set state = 'held', run_at = 'infinity', lease = null",
        "jobs_check1",
    ),
    ("update jobs set run_at = 'infinity'", "jobs_check2"),
    ("update jobs set sent_claim = claim", "jobs_check3"),
    ("update jobs set sent_at = now()", "jobs_check3"),
    (
        "update jobs set sent_claim = claim + 1, sent_at = now()",
        "jobs_check4",
    ),
    (
        "update attempts set outcome = 'maybe'",
        "attempts_outcome_check",
    ),
    ("update limits set scope = 'planet'", "limits_scope_check"),
    (
        "update limits set kind = 'bucket', window_ms = null",
        "limits_kind_check",
    ),
    ("update limits set counts = 'likes'", "limits_counts_check"),
    ("update limits set max_units = -1", "limits_max_units_check"),
    ("update limits set units = 0", "limits_units_check"),
    ("update limits set window_ms = null", "limits_check"),
    ("update limits set kind = 'slots'", "limits_check"),
    ("update limits set zone = 'UTC'", "limits_check1"),
    ("update limits set burst = 1", "limits_check2"),
    (
        "update dead_letters set class = 'bad luck'",
        "dead_letters_class_check",
    ),
    (
        "update dead_letters set resolved_at = now()",
        "dead_letters_check",
    ),
    (
        "update dead_letters set resolved_how = 'discarded'",
        "dead_letters_check",
    ),
    (
        "update dead_letters set resolved_how = 'lost', resolved_at = now()",
        "dead_letters_resolved_how_check",
    ),
];

/// A statement that would store a twin or an orphan, and the key that refuses it.
const KEYS: &[(&str, &str)] = &[
        // one live job per post, per refresh, per delivery
        ("update jobs set subject = (select subject from jobs order by id limit 1)", "jobs_single_flight"),
        ("update accounts set profile = gen_random_uuid()", "accounts_org_profile_fkey"),
        ("update media set profile = gen_random_uuid()", "media_org_profile_fkey"),
        ("update api_keys set profile = gen_random_uuid()", "api_keys_org_profile_fkey"),
        ("insert into organisations (id, name) values (gen_random_uuid(), 'ADA & co')", "organisations_name"),
        ("insert into profiles (org, id, name, slug) select org, gen_random_uuid(), 'Second', slug from profiles", "profiles_slug"),
        ("insert into api_keys (org, id, name, prefix, last4, hash, scopes)
          select org, gen_random_uuid(), name, prefix, last4, hash, scopes from api_keys", "api_keys_hash"),
        ("insert into accounts (org, id, profile, platform, platform_account_id)
          select org, gen_random_uuid(), profile, platform, platform_account_id from accounts", "accounts_identity"),
        ("insert into buckets (org, id, queue, kind, subject)
          select org, gen_random_uuid(), queue, kind, subject from buckets", "buckets_subject"),
        ("insert into posts (org, id, batch, position, profile, account, platform, text)
          select org, gen_random_uuid(), batch, position, profile, account, platform, text from posts", "posts_batch"),
        ("insert into idempotency select * from idempotency", "idempotency_pkey"),
        ("insert into attempts select * from attempts", "attempts_pkey"),
        ("insert into dead_letters (org, id, job, kind, subject, queue, bucket, class, fingerprint, failure, failures, looks,
                                    claim, exclusive, parts, generation, payload)
          select org, gen_random_uuid(), job, kind, subject, queue, bucket, class, fingerprint, failure, failures, looks,
                 claim, exclusive, parts, generation, payload from dead_letters", "dead_letters_job"),
];

#[tokio::test]
async fn every_check_refuses_its_bad_row() {
    let shop = furnished().await;
    for (statement, constraint) in CHECKS {
        assert_eq!(
            refusal(&shop, statement).await.as_deref(),
            Some(*constraint),
            "{statement}"
        );
    }
    shop.database.drop_database().await;
}

#[tokio::test]
async fn every_key_refuses_its_twin() {
    let shop = furnished().await;
    for (statement, constraint) in KEYS {
        assert_eq!(
            refusal(&shop, statement).await.as_deref(),
            Some(*constraint),
            "{statement}"
        );
    }
    shop.database.drop_database().await;
}

#[tokio::test]
async fn what_the_rows_may_say_they_may_say() {
    let shop = furnished().await;
    for statement in [
        "update jobs set failures = 100, looks = 1000, deaths = 100",
        "update jobs set sent_claim = 0, sent_at = now()",
        "update jobs set state = 'held', hold_reason = 'operator', run_at = 'infinity', lease = null",
        "update limits set kind = 'slots', window_ms = null",
        "update limits set kind = 'calendar', window_ms = null, zone = 'America/Los_Angeles'",
        "update limits set kind = 'rate', burst = 3",
        "update posts set status = 'published', published_at = now()",
        "update dead_letters set resolved_at = now(), resolved_how = 'discarded'",
    ] {
        assert_eq!(refusal(&shop, statement).await, None, "{statement}");
    }
    shop.database.drop_database().await;
}
