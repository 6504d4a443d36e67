//! Posts that their owners change or send again, through the client's door.

use crate::shop::Shop;
use chrono::TimeDelta;
use engine::{Edit, EditError, EditLetterError, EditLetterRequest, RetryError, TargetMedia};
use publisher::MediaKind;
use publisher::fake::Fault;
use publisher::id::{BatchId, OrgId, PostId};
use serde_json::json;
use std::time::Duration;
use store::{AccountRow, PostRow};

const HOUR: Duration = Duration::from_hours(1);

fn to_text(text: &str) -> Edit {
    Edit {
        text: Some(text.to_owned()),
        ..Edit::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_what_the_last_edit_said() {
    let shop = Shop::open().await;
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.schedule(&account, "first", HOUR).await;
    let post = shop.post(batch).await;
    let soon = shop.now().await + TimeDelta::seconds(2);
    let edit = Edit {
        scheduled_at: Some(soon),
        ..to_text("second")
    };
    let edited = shop.client.edit_post(shop.org, post.id, &edit).await;
    let edited = edited.unwrap();
    assert_eq!(
        (edited.text.as_str(), edited.shown.as_str()),
        ("second", "queued")
    );

    let worker = shop.worker();
    let ended = shop.result(batch).await;
    assert_eq!(
        (ended.shown.as_str(), ended.text.as_str()),
        ("published", "second")
    );
    assert_eq!((shop.sent("first").0, shop.sent("second").0), (0, 1));
    let third = to_text("third");
    let late = shop.client.edit_post(shop.org, post.id, &third);
    let late = late.await.unwrap_err();
    assert!(
        matches!(&late, EditError::Begun { status } if status == "published"),
        "{late}"
    );
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn edits_that_meet_are_judged_again_and_none_is_lost() {
    let shop = Shop::open().await;
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.schedule(&account, "first", HOUR).await;
    let post = shop.post(batch).await;
    let later = Edit {
        scheduled_at: Some(shop.now().await + TimeDelta::hours(5)),
        ..Edit::default()
    };
    let text = to_text("second");
    let (one, other) = tokio::join!(
        shop.client.edit_post(shop.org, post.id, &later),
        shop.client.edit_post(shop.org, post.id, &text)
    );
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    let now = shop.post(batch).await;
    assert_eq!(now.text, "second");
    assert!(now.scheduled_at > post.scheduled_at);
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_edited_is_refused_and_stays() {
    let shop = Shop::open().await;
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.schedule(&account, "first", HOUR).await;
    let post = shop.post(batch).await;
    let ask = async |edit: Edit| shop.client.edit_post(shop.org, post.id, &edit).await;

    let soon = Edit {
        scheduled_at: Some(shop.now().await),
        ..Edit::default()
    };
    assert!(matches!(ask(soon).await, Err(EditError::TooSoon)));
    let unknown = Edit {
        media: Some(vec![TargetMedia {
            id: "x".repeat(26),
            kind: MediaKind::Image,
            alt_text: None,
            captions: vec![],
        }]),
        ..Edit::default()
    };
    let refused = ask(unknown).await.unwrap_err();
    let EditError::Preflight(found) = refused else {
        panic!("{refused}");
    };
    assert_eq!(found[0].violation.rule, "media.unknown");
    let empty = ask(to_text("")).await.unwrap_err();
    assert!(matches!(empty, EditError::Preflight(_)), "{empty}");
    let nobody = shop
        .client
        .edit_post(shop.org, PostId::new(), &to_text("x"))
        .await;
    assert!(matches!(nobody, Err(EditError::NotFound)));
    assert_eq!(shop.post(batch).await.updated_at, post.updated_at);

    let immediate = shop.accept(&account, "now").await;
    let immediate = shop.post(immediate).await;
    let windowless = shop
        .client
        .edit_post(shop.org, immediate.id, &to_text("x"))
        .await;
    assert!(matches!(windowless, Err(EditError::Window { .. })));
    assert!(
        shop.client
            .cancel_post(shop.org, immediate.id)
            .await
            .unwrap()
    );
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_what_may_be_public_looks_and_does_not_send() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    let (batch, post) = ambiguous(&shop, &account, "who knows").await;

    let later = Some(shop.now().await + TimeDelta::hours(1));
    let put_off = shop.client.retry_post(shop.org, post.id, "ada", later);
    assert!(matches!(put_off.await, Err(RetryError::LooksFirst)));
    shop.fake.faults().clear();
    let retried = shop.client.retry_post(shop.org, post.id, "ada", None);
    assert_eq!(retried.await.unwrap().post, post.id);

    assert_eq!(shop.result(batch).await.shown, "published");
    assert_eq!(shop.sent("who knows"), (1, 1), "found, not sent again");
    worker.drain().await;
    shop.close().await;
}

/// A post that went out unanswered on `toy_list`, and that nobody could look for; the list stays broken.
async fn ambiguous(shop: &Shop, account: &AccountRow, text: &str) -> (BatchId, PostRow) {
    shop.arm("toy_list", "ada", Fault::CutAfter, 1);
    let broken = Fault::Status {
        status: 503,
        body: json!({}),
        headers: vec![],
    };
    shop.fake
        .faults()
        .arm("GET /toy_list/ada/posts", broken, 1000);
    let batch = shop.accept(account, text).await;
    shop.attempted(batch, 1).await;
    let post = shop.result_in_time(batch, Duration::from_mins(6)).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    assert_eq!(shop.letter(post.id).await.class, "ambiguous");
    (batch, post)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_of_what_nobody_can_look_for_is_refused() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_blind", "ada").await;
    shop.arm("toy_blind", "ada", Fault::CutAfter, 1);
    let batch = shop.accept(&account, "who knows").await;
    let post = shop.result_in_time(batch, Duration::from_secs(1)).await;
    assert_eq!(post.shown, "failed", "{post:?}");

    let retried = shop.client.retry_post(shop.org, post.id, "ada", None).await;

    assert!(
        matches!(&retried, Err(RetryError::CannotLook { platform }) if platform == "toy_blind"),
        "{retried:?}"
    );
    assert_eq!(shop.letter(post.id).await.resolved_at, None);
    assert_eq!(shop.sent("who knows").0, 1);
    worker.drain().await;
    shop.close().await;
}

fn edit_of(post: PostId, edit: Edit) -> EditLetterRequest {
    EditLetterRequest {
        letter: post.uuid(),
        org: None,
        by: "ada".to_owned(),
        edit,
    }
}

/// Asks for edits of a dead letter's post that may not be.
async fn refuses_edits(shop: &Shop, post: PostId) {
    let stranger = EditLetterRequest {
        org: Some(OrgId::new()),
        ..edit_of(post, to_text("allowed"))
    };
    let refused = shop.client.edit_letter(&stranger).await;
    assert!(
        matches!(refused, Err(EditLetterError::NotFound)),
        "{refused:?}"
    );
    let empty = edit_of(post, to_text(""));
    let refused = shop.client.edit_letter(&empty).await.unwrap_err();
    assert!(
        matches!(refused, EditLetterError::Edit(EditError::Preflight(_))),
        "{refused}"
    );
    let too_soon = Edit {
        scheduled_at: Some(shop.now().await),
        ..to_text("allowed")
    };
    let refused = shop
        .client
        .edit_letter(&edit_of(post, too_soon))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EditLetterError::Edit(EditError::TooSoon)),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rejected_is_edited_and_published_as_a_new_generation() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.accept(&account, "forbidden!").await;
    let post = shop.result(batch).await;
    assert_eq!(post.shown, "rejected", "{post:?}");
    let letter = shop.letter(post.id).await;

    refuses_edits(&shop, post.id).await;
    let unchanged = shop.post(batch).await.text;
    assert_eq!(unchanged, "forbidden!", "nothing was written");

    let edit = edit_of(post.id, to_text("allowed"));
    let queued = shop.client.edit_letter(&edit).await.unwrap();
    assert_eq!(queued.post, post.id);
    let ended = shop.result(batch).await;
    assert_eq!(
        (ended.shown.as_str(), ended.text.as_str()),
        ("published", "allowed")
    );
    assert_eq!(
        (shop.sent("forbidden!").1, shop.sent("allowed")),
        (0, (1, 1))
    );
    let closed = shop
        .store
        .get_letter(letter.id.uuid(), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            closed.resolved_how.as_deref(),
            closed.resolved_by.as_deref()
        ),
        (Some("redriven"), Some("ada"))
    );
    let note = closed.resolved_note.unwrap();
    assert_eq!(note, "edited before it was sent again: text");
    let again = shop.client.edit_letter(&edit).await.unwrap_err();
    assert!(again.to_string().contains("redriven by ada"), "{again}");
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_public_as_it_was_cannot_become_another_post() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    let (batch, post) = ambiguous(&shop, &account, "who knows").await;

    let edit = edit_of(post.id, to_text("another"));
    let refused = shop.client.edit_letter(&edit).await;

    assert!(
        matches!(refused, Err(EditLetterError::Unresolved)),
        "{refused:?}"
    );
    let now = shop.post(batch).await;
    assert_eq!(
        (now.text.as_str(), now.updated_at),
        ("who knows", post.updated_at)
    );
    assert_eq!(shop.letter(post.id).await.resolved_at, None);
    worker.drain().await;
    shop.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canceled_post_is_published_once_when_it_is_retried() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    let account = shop.account("toy_list", "ada").await;
    let batch = shop.schedule(&account, "after all", HOUR).await;
    let post = shop.post(batch).await;
    let waiting = shop.client.retry_post(shop.org, post.id, "ada", None).await;
    assert!(matches!(&waiting, Err(RetryError::Status { status }) if status == "queued"));
    assert!(shop.client.cancel_post(shop.org, post.id).await.unwrap());
    let soon = Some(shop.now().await + TimeDelta::seconds(2));
    let retried = shop.client.retry_post(shop.org, post.id, "ada", soon);
    assert!(retried.await.unwrap().scheduled_at.is_some());
    assert_eq!(shop.result(batch).await.shown, "published");
    assert_eq!(shop.sent("after all"), (1, 1));
    worker.drain().await;
    shop.close().await;
}
