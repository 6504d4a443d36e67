//! Posts that their owners change or send again, through the client's door.

use crate::shop::Shop;
use crate::state::until;
use chrono::TimeDelta;
use engine::{Edit, EditError, RetryError, TargetMedia};
use publisher::MediaKind;
use publisher::fake::Fault;
use publisher::id::PostId;
use std::time::Duration;

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
    let account = shop.account("toy_blind", "ada").await;
    shop.arm("toy_blind", "ada", Fault::CutAfter, 1);
    let batch = shop.accept(&account, "who knows").await;
    let post = shop.result_in_time(batch, Duration::from_secs(1)).await;
    assert_eq!(post.shown, "failed", "{post:?}");
    let letter = shop.letter(post.id).await;
    assert_eq!(letter.class, "ambiguous");

    let later = Some(shop.now().await + TimeDelta::hours(1));
    let put_off = shop.client.retry_post(shop.org, post.id, "ada", later);
    assert!(matches!(put_off.await, Err(RetryError::LooksFirst)));
    let retried = shop.client.retry_post(shop.org, post.id, "ada", None);
    assert_eq!(retried.await.unwrap().post, post.id);

    let again = until("another letter", async || {
        let again = shop.letter(post.id).await;
        (again.id != letter.id).then_some(again)
    })
    .await;
    assert_eq!((again.class.as_str(), again.generation), ("ambiguous", 1));
    assert_eq!(shop.sent("who knows").0, 1, "it looked and did not send");
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
