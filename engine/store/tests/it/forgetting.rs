//! Forgetting: nothing that a platform gave or said of a disconnected account is left in any table, and our history stays.

use crate::disconnect::{disconnect, ended};
use crate::outcomes::{complete, dead_letter, proceed, retry, verify};
use crate::shop::{QUEUE, Shop, slots};
use publisher::id::AccountId;
use serde_json::json;
use std::time::Duration;
use store::queue::{Claimed, NewPost, Settlement};
use store::{Ended, NewAccount};

/// Stands in everything that comes from the platform, and nowhere else.
pub(crate) const PLATFORM: &str = "zqplatform";

/// Every row of every table as one text, sealed bytes in hex.
pub(crate) async fn dump(shop: &Shop) -> String {
    let tables = "select string_agg(format('select to_jsonb(x)::text as row from %I.%I x', table_schema, table_name), ' union all ')
                    from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'";
    let all = shop.database.ask(tables).await.unwrap();
    let question = format!("select string_agg(row, E'\\n') from ({all}) as everything");
    shop.database.ask(&question).await.unwrap()
}

fn hex(text: &str) -> String {
    text.bytes()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// An account of which everything has the platform's word in it.
pub(crate) async fn known_account(shop: &Shop) -> AccountId {
    let id = AccountId::new();
    let account = NewAccount {
        org: shop.org,
        id,
        known: false,
        profile: shop.profile,
        platform: QUEUE,
        platform_account_id: "did:zqplatform:ada",
        display_name: Some("Ada Zqplatform"),
        handle: Some("ada.zqplatform"),
        profile_data: &json!({"pds": "https://zqplatform.example"}),
        scopes: &["zqplatform.write".to_owned()],
        sealed_tokens: PLATFORM.as_bytes(),
        token_expires_at: Some(shop.at(0)),
        renewable: true,
        host: Some("zqplatform.example"),
    };
    assert!(shop.store.connect_account(account).await.unwrap());
    id
}

/// A settlement in which the platform speaks wherever it can.
fn talkative(of: Settlement) -> Settlement {
    let said = json!({"code": "platform_rejected", "message": "no, zqplatform", "rule": "toys.rule",
        "platformResponse": {"did": "did:zqplatform:ada"}, "remediation": "ask zqplatform"});
    Settlement {
        message: of.message.map(|_| "zqplatform said no".to_owned()),
        platform_response: of.platform_response.map(|_| said.clone()),
        post_receipt: of
            .post_receipt
            .map(|_| json!({"uri": "at://did:zqplatform:ada/1", "cid": "zqplatform"})),
        post_warnings: Some(json!([{"code": "toys.partly", "message": "zqplatform warns"}])),
        post_error: of.post_error.map(|_| said.clone()),
        failure: of.failure.map(|_| said.clone()),
        event_data: of.event_data.map(|data| {
            json!({"id": data["id"], "uri": "at://did:zqplatform:ada/1", "error": said, "platformAccountId": "did:zqplatform:ada"})
        }),
        ..of
    }
}

/// One post of the account in each state that a post can be in, the platform's words in all of them.
async fn in_every_state(shop: &Shop, account: AccountId) -> (Vec<Claimed>, Claimed) {
    let draft = || NewPost {
        options: json!({"replyTo": "at://did:zqplatform:ada/0"}),
        warnings: json!([{"code": "request.unknown_field", "message": "colour"}, {"code": "toys.w", "message": "zqplatform"}]),
        ..shop.draft(account)
    };
    let ends: [fn(&Claimed) -> Settlement; 6] = [
        complete,
        |job| dead_letter(job, "rejected"),
        |job| dead_letter(job, "ambiguous"),
        |job| proceed(job, 10_000_000),
        |job| verify(job, 10_000_000),
        |job| Settlement {
            receipt: Some(json!({"uri": "at://did:zqplatform:ada/2"})),
            ..proceed(job, 10_000_000)
        },
    ];
    for end in ends {
        shop.enqueue(draft(), shop.at(0)).await;
        let job = shop.claim_one(shop.at(0)).await;
        shop.mark(&job, shop.at(0)).await.unwrap();
        assert!(shop.settle(talkative(end(&job)), shop.at(1)).await);
    }
    shop.database
        .execute("update jobs set checkpoint = 'zqplatform', payload = '{\"a\": \"zqplatform\"}'")
        .await;
    shop.database
        .execute("update dead_letters set checkpoint = 'zqplatform'")
        .await;
    shop.enqueue(draft(), shop.at(2)).await;
    shop.enqueue(draft(), shop.at(2)).await;
    let running = shop.claim(2, shop.at(2)).await.jobs;
    shop.mark(&running[0], shop.at(2)).await.unwrap();
    let later = NewPost {
        scheduled_at: Some(shop.at(9000)),
        ..draft()
    };
    shop.enqueue(later, shop.at(2)).await;
    let (hour, now) = (Duration::from_hours(1), Some(shop.at(3)));
    let planned = shop.store.plan_refreshes(QUEUE, hour, hour, 10, now).await;
    assert_eq!(planned.unwrap(), 1);
    (running, shop.claim_one(shop.at(3)).await)
}

async fn nothing_lives(shop: &Shop, account: AccountId) {
    for (table, of) in [
        ("jobs", "bucket"),
        ("charges", "owner"),
        ("buckets", "subject"),
        ("limits", "owner"),
        ("accounts", "id"),
    ] {
        let left = shop.count(table, &format!("{of} = '{account}'")).await;
        assert_eq!(left, 0, "{table}");
    }
}

async fn history_stays(shop: &Shop, account: AccountId) {
    let question = format!(
        "select string_agg(status, ',' order by created_at, id) from posts where account = '{account}'"
    );
    assert_eq!(
        shop.database.ask(&question).await.as_deref(),
        Some("published,rejected,failed,canceled,failed,published,failed,canceled,canceled")
    );
    for (table, kept) in [
        (
            "posts",
            "text = 'hello' and status = 'rejected' and error ->> 'rule' = 'toys.rule'",
        ),
        ("attempts", "code = 'toys.rejected' and http_status = 503"),
        (
            "dead_letters",
            "class = 'rejected' and failure ->> 'rule' = 'toys.rule'",
        ),
        (
            "posts",
            "status = 'published' and warnings @> '[{\"code\": \"toys.partly\"}]' and receipt = '{}'",
        ),
    ] {
        assert_eq!(shop.count(table, kept).await, 1, "{table} where {kept}");
    }
    assert_eq!(shop.count("events", "type = 'post.canceled'").await, 3);
    let request = "warnings @> '[{\"code\": \"request.unknown_field\", \"message\": \"colour\"}]'";
    assert_eq!(shop.count("posts", request).await, 9);
}

#[tokio::test]
async fn nothing_of_the_platform_is_left_in_any_table_and_our_history_stays() {
    let shop = Shop::open().await;
    shop.declare(QUEUE, &[slots(9)]).await;
    let (account, other) = (known_account(&shop).await, shop.account().await);
    shop.enqueue(shop.draft(other), shop.at(0)).await;
    let untouched = shop.claim_one(shop.at(0)).await;
    assert!(shop.settle(complete(&untouched), shop.at(1)).await);
    let (running, refresh) = in_every_state(&shop, account).await;
    shop.database
        .execute(&format!(
            "insert into limits (org, queue, scope, owner, name, meter, kind, counts, max_units, units)
             values ('{}', 'toys', 'account', '{account}', 'slots', 'slots', 'slots', 'calls', 5, 1)",
            shop.org
        ))
        .await;
    let before = dump(&shop).await;
    for found in ["did:zqplatform:ada", "Ada Zqplatform", &hex(PLATFORM)] {
        assert!(before.contains(found), "the search is blind: {found}");
    }
    let foreign = shop.row("posts", &format!("account = '{other}'")).await;

    assert_eq!(
        shop.store.count_live(shop.org, account).await.unwrap(),
        Ended {
            canceled: 3,
            unresolved: 2,
            published: 1
        }
    );
    assert_eq!(disconnect(&shop, account, 4).await, ended(3, 2, 1));

    let after = dump(&shop).await.to_lowercase();
    for lost in [PLATFORM, &hex(PLATFORM)] {
        let line = after.lines().find(|line| line.contains(lost));
        assert_eq!(line, None, "{lost} is still there");
    }
    nothing_lives(&shop, account).await;
    history_stays(&shop, account).await;
    assert_eq!(
        shop.row("posts", &format!("account = '{other}'")).await,
        foreign,
        "another account's history is not touched"
    );
    // Whoever still works at it learns that there is nothing to settle any more.
    for job in running.iter().chain([&refresh]) {
        assert!(!shop.settle(retry(job, 0), shop.at(5)).await);
    }
    shop.close().await;
}
