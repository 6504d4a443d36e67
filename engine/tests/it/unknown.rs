//! What becomes of a send whose answer nobody saw: looked at, never sent blindly again.

use crate::outcomes::{redrive, try_redrive};
use crate::shop::{Shop, toy_times};
use crate::state::until;
use engine::RedriveError;
use publisher::fake::Fault;
use publisher::toys::{PLATFORMS, ToyTimes};
use serde_json::json;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The toys on which an unknown outcome can be found out.
const SEEING: [&str; 3] = ["toy_list", "toy_late", "toy_steps"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_took_effect_without_an_answer_is_found_and_not_repeated() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let faults = [
        ("cut", Fault::CutAfter),
        ("empty", Fault::Empty),
        ("slow", Fault::TrickleAnswer),
    ];
    let mut batches = vec![];
    for platform in SEEING {
        for (name, fault) in &faults {
            let account = shop.account(platform, name).await;
            shop.arm(platform, name, fault.clone(), 1);
            let text = format!("{name} on {platform}");
            batches.push((shop.accept(&account, &text).await, text));
        }
    }
    for (batch, text) in batches {
        shop.attempted(batch, 1).await;
        let post = shop.result_in_time(batch, SECOND).await;
        assert_eq!(post.shown, "published", "{text}: {post:?}");
        assert_eq!(shop.sent(&text), (1, 1));
        assert_eq!(shop.outcomes(post.id).await, ["unknown", "published"]);
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_without_effect_and_answer_is_found_absent_and_sent_once_more() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let faults = [
        ("cut", Fault::CutBefore),
        ("half", Fault::CutMidBody),
        ("page", Fault::Html),
    ];
    let mut batches = vec![];
    for platform in SEEING {
        for (name, fault) in &faults {
            let account = shop.account(platform, name).await;
            shop.arm(platform, name, fault.clone(), 1);
            let text = format!("{name} on {platform}");
            batches.push((shop.accept(&account, &text).await, text));
        }
    }
    // In real time until nothing can appear any more; what follows is only a backoff.
    for (batch, _) in &batches {
        shop.attempted(*batch, 2).await;
    }
    shop.pass(5 * SECOND).await;
    for (batch, text) in batches {
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published", "{text}: {post:?}");
        assert_eq!(shop.sent(&text).1, 1);
        let outcomes = shop.outcomes(post.id).await;
        assert_eq!(outcomes, ["unknown", "absent", "published"]);
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_takes_effect_ninety_seconds_after_it_was_cut_is_not_repeated() {
    let minutes = Duration::from_mins(2);
    let shop = Shop::open_with(ToyTimes {
        quiet: minutes,
        late_quiet: minutes,
        ..toy_times()
    })
    .await;
    let worker = shop.worker();
    let mut batches = vec![];
    for platform in SEEING {
        let account = shop.account(platform, "ada").await;
        let late = Fault::Late {
            after: Duration::from_secs(90),
        };
        shop.arm(platform, "ada", late, 1);
        let text = format!("late on {platform}");
        batches.push((shop.accept(&account, &text).await, text));
    }
    // It is looked for before it is there.
    for (batch, _) in &batches {
        shop.attempted(*batch, 1).await;
    }
    shop.pass(5 * SECOND).await;
    for (batch, text) in &batches {
        let post = shop.post(*batch).await.id;
        until("a look", async || {
            (shop.job(post, "looks").await? == "2").then_some(())
        })
        .await;
        assert_eq!(shop.sent(text), (1, 0));
    }
    for (batch, text) in batches {
        let post = shop.result_in_time(batch, 20 * SECOND).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.sent(&text), (1, 1));
        assert_eq!(shop.outcomes(post.id).await, ["unknown", "published"]);
    }
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_look_an_unknown_outcome_waits_for_a_person() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let late = Fault::Late {
        after: Duration::from_secs(90),
    };
    for (name, fault, effective) in [
        ("before", Fault::CutBefore, 0),
        ("after", Fault::CutAfter, 1),
        ("late", late, 1),
    ] {
        let account = shop.account("toy_blind", name).await;
        shop.arm("toy_blind", name, fault, 1);
        let batch = shop.accept(&account, name).await;
        let post = shop.result_in_time(batch, SECOND).await;
        assert_eq!(post.shown, "failed", "{post:?}");
        let error = post.error.clone().unwrap();
        assert_eq!(error["code"], "platform_unavailable");
        assert_eq!(error["rule"], "publish.outcome_unknown");
        let letter = shop.letter(post.id).await;
        assert_eq!(letter.class, "ambiguous");
        assert!(letter.sent_at.is_some(), "the mark stays on the letter");
        assert_eq!(shop.outcomes(post.id).await, ["unknown", "unknown"]);
        shop.pass(Duration::from_secs(90)).await;
        assert_eq!(shop.sent(name), (1, effective));

        let refused = try_redrive(&shop, post.id, false).await;
        assert!(
            matches!(&refused, Err(RedriveError::CannotLook { platform }) if platform == "toy_blind"),
            "{refused:?}"
        );
        let still = shop.letter(post.id).await;
        assert_eq!((still.id, still.resolved_at), (letter.id, None));
        assert_eq!(shop.sent(name).0, 1, "nothing is sent on nobody's word");
    }
    // Only on a person's word is it sent again; here the person is right.
    let filter = store::PostFilter {
        words: Some("before".to_owned()),
        ..store::PostFilter::default()
    };
    let post = shop.store.list_posts(shop.org, &filter, None, 1).await;
    let post = post.unwrap().remove(0);
    assert!(!redrive(&shop, post.id, true).await.looks_first);
    assert_eq!(shop.result(post.batch).await.shown, "published");
    assert_eq!(shop.sent("before"), (2, 1));
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_that_fail_are_no_verdict_and_after_thirty_of_them_a_person_is_asked() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    shop.arm("toy_list", "ada", Fault::CutAfter, 1);
    let broken = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    shop.fake
        .faults()
        .arm("GET /toy_list/ada/posts", broken, 1000);
    let batch = shop.accept(&account, "who knows").await;
    // Time passes only from here on: before its send, the post would expire.
    until("a send", async || {
        (shop.sent("who knows").0 == 1).then_some(())
    })
    .await;
    let post = shop.result_in_time(batch, Duration::from_mins(6)).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    let letter = shop.letter(post.id).await;
    assert_eq!((letter.class.as_str(), letter.looks), ("ambiguous", 30));
    assert_eq!(letter.failures, 0, "looks are no failures");
    assert_eq!(shop.sent("who knows"), (1, 1));

    shop.fake.faults().clear();
    assert!(redrive(&shop, post.id, false).await.looks_first);
    let found = shop.result(batch).await;
    assert_eq!(found.shown, "published", "{found:?}");
    assert_eq!(shop.sent("who knows"), (1, 1), "found, not sent");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_says_absent_twice_is_not_believed_the_second_time() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    shop.arm("toy_list", "ada", Fault::CutBefore, 2);
    let batch = shop.accept(&account, "twice lost").await;
    let post = shop.result_in_time(batch, 5 * SECOND).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    assert_eq!(shop.letter(post.id).await.class, "ambiguous");
    assert_eq!(
        shop.outcomes(post.id).await,
        ["unknown", "absent", "unknown", "unknown"]
    );
    assert_eq!(shop.sent("twice lost").0, 2);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_send_of_a_listed_account_is_unresolved_no_other_is_sent() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    // The same text twice: only the order of looks and sends tells one post from the other.
    shop.arm("toy_list", "ada", Fault::CutAfter, 1);
    let first = shop.accept(&account, "one").await;
    shop.attempted(first, 1).await;
    let second = shop.accept(&account, "two").await;
    let second = shop.result(second).await;
    let first = shop.result(first).await;
    assert_eq!(
        (first.shown.as_str(), second.shown.as_str()),
        ("published", "published")
    );
    assert!(
        second.published_at > first.published_at,
        "the second went while the first was unresolved"
    );
    assert_eq!((shop.sent("one"), shop.sent("two")), ((1, 1), (1, 1)));
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_may_not_see_is_waited_for_with_the_mark_kept() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let mut batches = vec![];
    for platform in PLATFORMS.into_iter().filter(|it| SEEING.contains(it)) {
        let account = shop.account(platform, "ada").await;
        shop.arm(platform, "ada", Fault::CutAfter, 1);
        let looks = if platform == "toy_steps" {
            "GET /toy_steps/ada/containers/{id}".to_owned()
        } else {
            format!("GET /{platform}/ada/posts")
        };
        let limited = Fault::Status {
            status: 429,
            body: json!({}),
            headers: vec![("retry-after".to_owned(), "600".to_owned())],
        };
        let text = format!("seen late on {platform}");
        let batch = shop.accept(&account, &text).await;
        shop.attempted(batch, 1).await;
        shop.fake.faults().arm(&looks, limited, 1);
        batches.push((batch, text));
    }
    for (batch, text) in batches {
        let post = shop.result_in_time(batch, 60 * SECOND).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.sent(&text), (1, 1));
    }
    worker.drain().await;
    shop.close().await;
}
