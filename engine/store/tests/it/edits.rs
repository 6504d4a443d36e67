//! What owners change: a post that has not begun, exactly as told or not at all; a canceled one that goes after all.

use crate::outcomes::{complete, dead_letter, proceed, release};
use crate::shop::Shop;
use chrono::{DateTime, Utc};
use publisher::id::{AccountId, DeadLetterId, PostId};
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{Claimed, NewPost, NewPostMedia, PostChange, Requeue, Settlement};

fn media(ids: &[&str]) -> Vec<NewPostMedia> {
    let item = |id: &&str| NewPostMedia {
        id: (*id).to_owned(),
        kind: "image".to_owned(),
        alt_text: None,
        captions: vec![],
    };
    ids.iter().map(item).collect()
}

/// A post due in 600 s that is given up an hour later, with two files and an option.
async fn scheduled(shop: &Shop) -> (AccountId, PostId, publisher::id::JobId) {
    let account = shop.account().await;
    let later = NewPost {
        scheduled_at: Some(shop.at(600)),
        give_up_after: Duration::from_hours(1),
        options: json!({"langs": ["en"]}),
        media: media(&["A", "B"]),
        ..shop.draft(account)
    };
    let post = later.id;
    (account, post, shop.enqueue(later, shop.at(0)).await)
}

async fn updated_at(shop: &Shop, post: PostId) -> DateTime<Utc> {
    let row = shop.store.get_post(shop.org, post, None).await.unwrap();
    row.unwrap().updated_at
}

async fn edit(
    shop: &Shop,
    post: PostId,
    judged: DateTime<Utc>,
    change: &PostChange,
    now: i64,
) -> bool {
    let now = Some(shop.at(now));
    let edited = shop
        .store
        .edit_post(shop.org, post, judged, change, now)
        .await;
    edited.unwrap()
}

fn to_text(text: &str) -> PostChange {
    PostChange {
        text: Some(text.to_owned()),
        changed: vec!["text"],
        ..PostChange::default()
    }
}

async fn attached(shop: &Shop) -> Option<String> {
    let question = "select string_agg(media, ',' order by position) from post_media";
    shop.database.ask(question).await
}

#[tokio::test]
async fn a_moved_post_goes_at_its_new_time_and_its_deadline_moves_with_it() {
    for (seconds, what) in [(60, "earlier"), (900, "later")] {
        let shop = Shop::open().await;
        let (_, post, job) = scheduled(&shop).await;
        let change = PostChange {
            scheduled_at: Some(shop.at(seconds)),
            ..PostChange::default()
        };

        assert!(edit(&shop, post, shop.at(0), &change, 1).await, "{what}");

        let mut row = shop.job(job).await;
        let at = |value: Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
        assert_eq!(at(row["run_at"].take()), shop.at(seconds), "{what}");
        assert_eq!(
            at(row["give_up_at"].take()),
            shop.at(seconds + 3600),
            "{what}"
        );
        let stored = shop.store.get_post(shop.org, post, None).await.unwrap();
        let stored = stored.unwrap();
        assert_eq!(stored.scheduled_at, Some(shop.at(seconds)));
        assert_eq!(
            (stored.text.as_str(), stored.options),
            ("hello", json!({"langs": ["en"]})),
            "what is not named stays"
        );
        assert_eq!(attached(&shop).await.as_deref(), Some("A,B"));
        assert!(shop.claim(1, shop.at(seconds - 1)).await.jobs.is_empty());
        let job = shop.claim_one(shop.at(seconds)).await;
        assert!(shop.settle(complete(&job), shop.at(seconds + 1)).await);
        let event = shop.row("events", "type = 'post.rescheduled'").await;
        assert_eq!(
            at(event["data"]["previousScheduledAt"].clone()),
            shop.at(600)
        );
        assert_eq!(at(event["data"]["scheduledAt"].clone()), shop.at(seconds));
        assert_eq!(shop.count("events", "type = 'post.updated'").await, 0);
        shop.close().await;
    }
}

#[tokio::test]
async fn content_is_replaced_as_told_and_an_empty_list_clears_the_media() {
    let shop = Shop::open().await;
    let (_, post, job) = scheduled(&shop).await;
    for (files, expected) in [
        (&["C"][..], Some("C")),
        (&["D", "E", "C"], Some("D,E,C")),
        (&[], None),
    ] {
        let change = PostChange {
            media: Some(media(files)),
            parts: Some(3),
            changed: vec!["media"],
            ..to_text("other")
        };
        let judged = updated_at(&shop, post).await;
        assert!(edit(&shop, post, judged, &change, 1).await, "{files:?}");
        assert_eq!(attached(&shop).await.as_deref(), expected);
    }
    assert_eq!(shop.row("posts", "true").await["text"], "other");
    let job = shop.job(job).await;
    assert_eq!(job["parts"], 3);
    assert_eq!(
        shop.count(
            "events",
            "type = 'post.updated' and data -> 'changed' = '[\"media\"]'"
        )
        .await,
        3
    );
    assert_eq!(shop.count("events", "type = 'post.rescheduled'").await, 0);
    shop.close().await;
}

#[tokio::test]
async fn of_two_edits_judged_alike_only_one_is_written() {
    let shop = Shop::open().await;
    let (_, post, _) = scheduled(&shop).await;
    let judged = updated_at(&shop, post).await;
    let (one, other) = (to_text("one"), to_text("other"));

    let won = tokio::join!(
        edit(&shop, post, judged, &one, 0),
        edit(&shop, post, judged, &other, 0)
    );

    assert!(won.0 != won.1, "{won:?}");
    let expected = if won.0 { "one" } else { "other" };
    assert_eq!(shop.row("posts", "true").await["text"], expected);
    assert_eq!(shop.count("events", "type = 'post.updated'").await, 1);
    shop.close().await;
}

#[tokio::test]
async fn a_post_that_has_begun_or_whose_time_has_come_is_not_changed() {
    type After = fn(&Claimed) -> Settlement;
    let cases: [(&str, bool, Option<After>); 3] = [
        ("running", false, None),
        ("with a checkpoint", false, Some(|job| proceed(job, 0))),
        ("put back with a mark", true, Some(release)),
    ];
    for (what, marked, after) in cases {
        let shop = Shop::open().await;
        let (_, post, _) = scheduled(&shop).await;
        let job = shop.claim_one(shop.at(600)).await;
        if marked {
            shop.mark(&job, shop.at(601)).await.unwrap();
        }
        if let Some(after) = after {
            assert!(shop.settle(after(&job), shop.at(602)).await);
        }
        let judged = updated_at(&shop, post).await;

        // Even by a clock at which its time is still to come.
        let change = PostChange {
            scheduled_at: Some(shop.at(900)),
            media: Some(Vec::new()),
            ..to_text("other")
        };
        assert!(!edit(&shop, post, judged, &change, 1).await, "{what}");

        assert_eq!(shop.post_of(&job).await["text"], "hello", "{what}");
        assert_eq!(attached(&shop).await.as_deref(), Some("A,B"));
        shop.close().await;
    }
    let shop = Shop::open().await;
    let (_, post, _) = scheduled(&shop).await;
    assert!(!edit(&shop, post, shop.at(0), &to_text("other"), 600).await);
    let stranger = publisher::id::OrgId::new();
    let edited = shop
        .store
        .edit_post(
            stranger,
            post,
            shop.at(0),
            &to_text("other"),
            Some(shop.at(1)),
        )
        .await;
    assert!(!edited.unwrap());
    assert_eq!(shop.row("posts", "true").await["text"], "hello");
    shop.close().await;
}

#[tokio::test]
async fn a_claim_and_an_edit_of_one_post_never_both_win_on_different_content() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    let mut edits = 0;
    for round in 0..40 {
        let post = NewPost {
            scheduled_at: Some(shop.at(round + 1)),
            ..shop.draft(account)
        };
        let id = post.id;
        shop.enqueue(post, shop.at(round)).await;
        let judged = updated_at(&shop, id).await;
        let change = PostChange {
            scheduled_at: Some(shop.at(1000 + round)),
            ..to_text("other")
        };
        // The edit reads a clock that is a moment behind the claim's: both may believe to be in time.
        let (claims, edited) = tokio::join!(
            shop.claim(1, shop.at(round + 1)),
            edit(&shop, id, judged, &change, round)
        );
        let mut jobs = claims.jobs;
        jobs.extend(shop.claim(1, shop.at(round + 1)).await.jobs);
        assert_eq!(jobs.len() == 1, !edited, "round {round}");
        edits += i64::from(edited);
        for job in jobs {
            assert_eq!(shop.post_of(&job).await["text"], "hello");
            assert!(shop.settle(complete(&job), shop.at(round + 1)).await);
        }
    }
    assert_eq!(shop.count("posts", "text = 'other'").await, edits);
    shop.close().await;
}

#[tokio::test]
async fn an_edit_waits_for_the_claim_that_holds_the_bucket_and_then_sees_it() {
    let shop = Shop::open().await;
    let (account, post, _) = scheduled(&shop).await;
    let held = shop.hold_bucket(account).await;
    let change = to_text("other");
    let parked = async {
        shop.wait_blocked(1).await;
        let begin = "update jobs set state = 'running', lease = gen_random_uuid(), claim = 1";
        shop.run_in(held, begin).await;
    };
    let (edited, ()) = tokio::join!(edit(&shop, post, shop.at(0), &change, 1), parked);
    assert!(!edited);
    assert_eq!(shop.row("posts", "true").await["text"], "hello");
    shop.database
        .execute("update jobs set state = 'queued', lease = null")
        .await;
    shop.close().await;
}

fn requeue(shop: &Shop, post: PostId) -> Requeue {
    Requeue {
        org: shop.org,
        post,
        scheduled_at: None,
        exclusive: false,
        parts: 1,
        give_up_after: Duration::from_hours(24),
    }
}

#[tokio::test]
async fn a_canceled_post_gets_one_new_job_and_keeps_a_time_that_is_still_to_come() {
    let shop = Shop::open().await;
    let (_, post, old) = scheduled(&shop).await;
    let ask = requeue(&shop, post);
    let now = Some(shop.at(1));
    assert_eq!(
        shop.store.requeue_canceled(&ask, now).await.unwrap(),
        None,
        "it is not canceled"
    );
    assert!(shop.store.cancel_post(shop.org, post).await.unwrap());

    let (one, other) = tokio::join!(
        shop.store.requeue_canceled(&ask, now),
        shop.store.requeue_canceled(&ask, now)
    );

    let mut won = [one.unwrap(), other.unwrap()].into_iter().flatten();
    assert_eq!(won.next().unwrap().scheduled_at, Some(shop.at(600)));
    assert!(won.next().is_none());
    assert!(shop.claim(1, shop.at(599)).await.jobs.is_empty());
    let job = shop.claim_one(shop.at(600)).await;
    assert_ne!(job.job, old);
    assert!(shop.settle(complete(&job), shop.at(601)).await);
    shop.close().await;
}

#[tokio::test]
async fn a_canceled_post_whose_time_is_past_goes_at_once_or_when_it_is_told() {
    for told in [None, Some(500)] {
        let shop = Shop::open().await;
        let account = shop.account().await;
        let draft = shop.draft(account);
        let post = draft.id;
        shop.enqueue(draft, shop.at(0)).await;
        assert!(shop.store.cancel_post(shop.org, post).await.unwrap());
        let ask = Requeue {
            scheduled_at: told.map(|seconds| shop.at(seconds)),
            ..requeue(&shop, post)
        };

        let requeued = shop.store.requeue_canceled(&ask, Some(shop.at(10))).await;

        assert_eq!(requeued.unwrap().unwrap().scheduled_at, ask.scheduled_at);
        let due = told.unwrap_or(10);
        assert!(shop.claim(1, shop.at(due - 1)).await.jobs.is_empty());
        let job = shop.claim_one(shop.at(due)).await;
        assert!(shop.settle(complete(&job), shop.at(due + 1)).await);
        shop.close().await;
    }
}

#[tokio::test]
async fn a_letter_is_discarded_once_and_is_redriven_no_more() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let job = shop.claim_one(shop.at(1)).await;
    assert!(
        shop.settle(dead_letter(&job, "exhausted"), shop.at(2))
            .await
    );
    let letter = shop.database.ask("select id from dead_letters").await;
    let letter: DeadLetterId = letter.unwrap().parse().unwrap();
    let discard = || shop.store.discard_letter(shop.org, letter, "ada", "a typo");

    let (one, other) = tokio::join!(discard(), discard());

    assert!(one.unwrap() != other.unwrap());
    let row = shop.row("dead_letters", "true").await;
    assert_eq!(
        (
            &row["resolved_how"],
            &row["resolved_by"],
            &row["resolved_note"]
        ),
        (&json!("discarded"), &json!("ada"), &json!("a typo"))
    );
    assert_eq!(shop.post_of(&job).await["status"], "failed");
    // The invariants hold: the post has a letter, though none that is open.
    shop.close().await;
}

#[tokio::test]
async fn a_late_receipt_publishes_even_a_post_whose_letter_was_discarded() {
    let shop = Shop::open().await;
    let account = shop.account().await;
    shop.enqueue_many(account, 1, shop.at(0)).await;
    let job = shop.claim_one(shop.at(1)).await;
    shop.mark(&job, shop.at(2)).await.unwrap();
    assert!(
        shop.settle(dead_letter(&job, "ambiguous"), shop.at(3))
            .await
    );
    let letter = shop.database.ask("select id from dead_letters").await;
    let letter: DeadLetterId = letter.unwrap().parse().unwrap();
    let discarded = shop.store.discard_letter(shop.org, letter, "ada", "a typo");
    assert!(discarded.await.unwrap());

    let receipt = json!({"uri": "toy://1"});
    let post: PostId = job.subject.into();
    let adopted = shop.store.keep_receipt(job.fence(), post, &receipt);
    adopted.await.unwrap();

    assert_eq!(shop.post_of(&job).await["status"], "published");
    let row = shop.row("dead_letters", "true").await;
    assert_eq!(row["resolved_how"], "confirmed_published");
    assert!(row["resolved_note"].as_str().unwrap().contains("a typo"));
    shop.close().await;
}
