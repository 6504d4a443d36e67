//! Accounts on the command line: their text, their JSON, their exit codes; and a disconnection that is killed, or searched for
//! what it may have left.

use crate::{
    fleet::{Fleet, did},
    operations::{json, quiet, run},
    secrets::search::{Haystack, dump, needles},
};
use publisher::{fake::Fault, id::PostId};
use serde_json::{Value, json};
use std::{path::Path, time::Duration};
use store::AccountRow;
use tokio::time::{sleep, timeout};

const REVOKE: &str = "com.atproto.server.deleteSession";

const PATIENCE: Duration = Duration::from_secs(40);

async fn open() -> (Fleet, AccountRow) {
    let fleet = Fleet::open().await;
    engine::check_canaries(&fleet.store, &fleet.vault)
        .await
        .unwrap();
    // Only organisations with a key are listed.
    fleet.api_key().await;
    let account = fleet.account("bluesky", "ada").await;
    (fleet, account)
}

async fn said(fleet: &Fleet, line: &str, code: i32) -> String {
    let (ended, out, err) = run(fleet, line, &quiet(fleet)).await;
    assert_eq!(ended, code, "{line}: {out}{err}");
    format!("{out}{err}")
}

async fn shown(fleet: &Fleet, post: PostId) -> String {
    let post = fleet.store.get_post(fleet.org, post, None).await;
    post.unwrap().unwrap().shown
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_listed_and_shown() {
    let (fleet, account) = open().await;
    let toy = fleet.account("toy_blind", "bob").await;
    let variables = quiet(&fleet);
    let text = said(&fleet, "accounts list", 0).await;
    for word in [
        &account.id.to_string(),
        "@ada.test",
        "bluesky",
        "Fleet",
        &toy.id.to_string(),
        "active",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let all = json(&fleet, "accounts list --org Fleet", &variables).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    let toys = json(
        &fleet,
        "accounts list --platform toy_blind --status active",
        &variables,
    )
    .await;
    assert_eq!(toys["data"][0]["id"], json!(toy.id));
    let none = said(&fleet, "accounts list --status needs_reauth", 0).await;
    assert!(none.contains("No such accounts."), "{none}");
    said(&fleet, "accounts list --org Nobody", 1).await;
    assert!(
        said(&fleet, "accounts list --status lost", 2)
            .await
            .contains("needs_reauth")
    );

    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_shown_as_it_is_listed_with_its_posts() {
    let (fleet, account) = open().await;
    let variables = quiet(&fleet);
    let all = json(&fleet, "accounts list", &variables).await;
    fleet.accept(&account, "waits", true).await;
    let show = format!("accounts show {}", account.id);
    let text = said(&fleet, &show, 0).await;
    for word in [
        "@ada.test",
        &did("ada"),
        "1 queued, 0 running",
        "token ends",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let mut one = json(&fleet, &show, &variables).await;
    assert_eq!(one["posts"], json!({ "queued": 1, "running": 0 }));
    assert_eq!(
        (
            &one["organisation"]["name"],
            &one["handle"],
            &one["status"],
            &one["statusReason"]
        ),
        (
            &json!("Fleet"),
            &json!("ada.test"),
            &json!("active"),
            &Value::Null
        )
    );
    one.as_object_mut().unwrap().remove("posts");
    assert!(
        all["data"].as_array().unwrap().contains(&one),
        "a list has the same"
    );
    let unknown = said(
        &fleet,
        "accounts show 01890000-0000-7000-8000-000000000001",
        1,
    )
    .await;
    assert!(unknown.contains("postrider accounts list"), "{unknown}");
    assert!(
        said(&fleet, "accounts show 17", 2)
            .await
            .contains("postrider accounts list")
    );
    fleet.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_disconnected_with_a_yes_and_only_once() {
    let (fleet, account) = open().await;
    let toy = fleet.account("toy_blind", "bob").await;
    let post = fleet.accept(&account, "waits", true).await;
    let line = format!("accounts disconnect {}", account.id);
    let asked = said(&fleet, &line, 2).await;
    for word in [
        "disconnects 1 account and cancels 1 post",
        "@ada.test",
        "--yes",
    ] {
        assert!(asked.contains(word), "{word}: {asked}");
    }
    assert_eq!(shown(&fleet, post).await, "queued");

    let done = json(&fleet, &format!("{line} --yes --as ada"), &quiet(&fleet)).await;

    assert_eq!(
        done,
        json!({ "id": account.id, "deleted": true, "canceledPosts": 1, "unresolvedPosts": 0, "publishedPosts": 0,
            "warnings": [] })
    );
    assert_eq!(shown(&fleet, post).await, "canceled");
    assert!(
        said(&fleet, &format!("{line} --yes"), 1)
            .await
            .contains("there is no account")
    );
    let show = said(&fleet, &format!("posts show {post}"), 0).await;
    assert!(show.contains("(disconnected)"), "{show}");

    let down = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    fleet
        .fake("toy_blind")
        .faults()
        .arm("POST /toys/revoke", down, 1);
    let text = said(&fleet, &format!("accounts disconnect {} -y", toy.id), 0).await;
    for word in ["Disconnected; 0 posts canceled.", "Warning:", "settings"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    fleet.close().await;
}

/// The process dies when the platform has the request and the database has nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_disconnection_killed_before_its_transaction_has_done_nothing_and_is_asked_for_again() {
    let (fleet, account) = open().await;
    let post = fleet.accept(&account, "goes on", true).await;
    let faults = fleet.fake("bluesky").faults();
    faults.arm(
        REVOKE,
        Fault::Hang {
            until_released: true,
        },
        1,
    );
    let id = account.id.to_string();
    let arguments = ["accounts", "disconnect", &id, "--yes"];
    let process = fleet.start("killed", &arguments, &quiet(&fleet));
    until("the platform is told", async || faults.left() == 0).await;
    process.kill().await;
    faults.release();

    let worker = fleet.worker(None);
    until("it is published", async || {
        shown(&fleet, post).await == "published"
    })
    .await;
    let waits = fleet.accept(&account, "never goes", true).await;
    worker.kill().await;
    let line = format!("accounts disconnect {id} --yes --json");
    said(&fleet, &line, 0).await;
    assert!(["canceled", "published", "failed"].contains(&shown(&fleet, waits).await.as_str()));
    let left = "select count(*) from accounts";
    assert_eq!(fleet.database.count(left).await, 0);
    fleet.database.execute("delete from leases").await;
    fleet.close().await;
}

fn holds(haystack: &Haystack, word: &str) -> bool {
    needles(word.as_bytes())
        .iter()
        .any(|(_, needle)| haystack.holds(needle))
}

fn dumped(fleet: &Fleet) -> Haystack {
    Haystack {
        name: "pg_dump".to_owned(),
        bytes: dump(&fleet.database.url),
    }
}

/// Published, refused with the platform's words in it, found again after a cut, and waiting.
async fn lives(fleet: &Fleet, account: &AccountRow) -> Vec<PostId> {
    let faults = fleet.fake("bluesky").faults();
    let (put, name) = ("com.atproto.repo.putRecord", did("ada"));
    let mut posts = Vec::new();
    for (text, fault) in [
        ("goes well", None),
        (
            "is refused",
            Some(Fault::Status {
                status: 400,
                body: json!({ "error": "InvalidRequest", "message": format!("not from {name}, known as ada.test") }),
                headers: vec![],
            }),
        ),
        ("is found again", Some(Fault::CutAfter)),
    ] {
        if let Some(fault) = fault {
            faults.arm(put, fault, 1);
        }
        let post = fleet.accept(account, text, false).await;
        until(text, async || {
            !["queued", "publishing"].contains(&shown(fleet, post).await.as_str())
        })
        .await;
        posts.push(post);
    }
    let day = Some(Duration::from_hours(24));
    posts.push(fleet.accept_with(account, "waits", vec![], day).await);
    posts
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_disconnected_account_is_in_a_dump_or_a_log() {
    let (fleet, account) = open().await;
    let bob = fleet.account("bluesky", "bob").await;
    let worker = fleet.worker(None);
    let posts = lives(&fleet, &account).await;
    let neighbour = fleet.accept(&bob, "the neighbour's", false).await;
    until("the neighbour's", async || {
        shown(&fleet, neighbour).await == "published"
    })
    .await;
    let words = [did("ada"), "ada.test".to_owned()];
    let before = dumped(&fleet);
    for word in &words {
        assert!(holds(&before, word), "the search is blind: {word}");
    }

    let line = format!("accounts disconnect {} --yes --json", account.id);
    said(&fleet, &line, 0).await;
    worker.drain().await;

    let after = dumped(&fleet);
    let is_log = |path: &Path| path.to_string_lossy().contains("-worker.");
    let outputs = fleet.outputs().into_iter().filter(|(path, _)| is_log(path));
    let logs = outputs.map(|(path, bytes)| Haystack {
        name: path.display().to_string(),
        bytes,
    });
    let searched: Vec<Haystack> = logs.chain([after]).collect();
    assert!(searched.len() > 1, "the worker said nothing");
    for haystack in &searched {
        for word in &words {
            assert!(
                !holds(haystack, word),
                "{word} in {}: …{}…",
                haystack.name,
                haystack.around(word.as_bytes())
            );
        }
    }
    let dump = searched.last().unwrap();
    for kept in [
        &did("bob"),
        "is refused",
        "goes well",
        &account.id.to_string(),
    ] {
        assert!(holds(dump, kept), "{kept} is gone");
    }
    assert_eq!(shown(&fleet, posts[3]).await, "canceled");
    let ends = fleet.store.get_post(fleet.org, posts[1], None).await;
    assert_eq!(
        ends.unwrap().unwrap().error.unwrap()["code"],
        "platform_rejected"
    );
    fleet.close().await;
}
