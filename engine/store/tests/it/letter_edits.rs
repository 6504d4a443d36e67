//! Dead letters whose posts are changed before they are sent again: all of it or nothing, and once.

use crate::letters::{redrive, shop_with_claim};
use crate::outcomes::{complete, dead_letter};
use crate::shop::Shop;
use serde_json::{Value, json};
use std::time::Duration;
use store::queue::{Claimed, EditLetter, NewPostMedia, PostChange};

/// A letter of this class behind a sent mark, and its post's content as of an edit.
async fn shop_with_letter(class: &'static str, marked: bool) -> (Shop, Claimed) {
    let (shop, _, job) = shop_with_claim().await;
    if marked {
        shop.mark(&job, shop.at(2)).await.unwrap();
    }
    assert!(shop.settle(dead_letter(&job, class), shop.at(3)).await);
    (shop, job)
}

async fn edit_of(shop: &Shop, job: &Claimed) -> EditLetter {
    let post = shop.store.get_post(shop.org, job.subject.into(), None);
    let judged = post.await.unwrap().unwrap().updated_at;
    let letter = shop.store.get_letter(job.subject, Some(shop.org)).await;
    EditLetter {
        org: shop.org,
        letter: letter.unwrap().unwrap().id,
        by: "bob".to_owned(),
        judged,
        change: PostChange {
            text: Some("better".to_owned()),
            media: Some(vec![NewPostMedia {
                id: "med_0000000000000000000000".to_owned(),
                kind: "image".to_owned(),
                alt_text: Some("a dot".to_owned()),
                captions: vec![],
            }]),
            warnings: Some(Vec::new()),
            parts: Some(2),
            changed: vec!["text", "media"],
            ..PostChange::default()
        },
        give_up_after: Duration::from_hours(24),
    }
}

#[tokio::test]
async fn an_edited_letter_goes_as_another_content_without_the_old_checkpoint() {
    let (shop, job) = shop_with_letter("rejected", true).await;
    let ask = edit_of(&shop, &job).await;

    let queued = shop
        .store
        .edit_letter(&ask, Some(shop.at(4)))
        .await
        .unwrap();
    assert_eq!(queued.map(|queued| queued.post), Some(job.subject.into()));
    let twice = shop
        .store
        .edit_letter(&ask, Some(shop.at(4)))
        .await
        .unwrap();
    assert_eq!(twice, None, "it is open no more");

    let again = shop.claim_one(shop.at(5)).await;
    assert_eq!(
        (again.generation, again.failures, again.claim, again.parts),
        (1, 0, 1, 2)
    );
    assert_eq!(
        (again.checkpoint.as_deref(), again.stage.as_deref()),
        (None, None)
    );
    assert_eq!(again.sent_claim, None);
    let post = shop.post_of(&job).await;
    assert_eq!(
        (&post["status"], &post["text"], &post["error"]),
        (&json!("queued"), &json!("better"), &Value::Null)
    );
    let media = shop.row("post_media", "true").await;
    assert_eq!(
        (&media["media"], &media["alt_text"]),
        (&json!("med_0000000000000000000000"), &json!("a dot"))
    );
    let letter = shop.row("dead_letters", "true").await;
    assert_eq!(
        (
            &letter["resolved_how"],
            &letter["resolved_by"],
            &letter["resolved_note"]
        ),
        (
            &json!("redriven"),
            &json!("bob"),
            &json!("edited before it was sent again: text and media")
        )
    );
    for (event, count) in [("post.updated", 1), ("post.queued", 1)] {
        assert_eq!(
            shop.count("events", &format!("type = '{event}'")).await,
            count,
            "{event}"
        );
    }
    assert!(shop.settle(complete(&again), shop.at(6)).await);
    shop.close().await;
}

#[tokio::test]
async fn an_edit_that_may_not_be_changes_nothing_at_all() {
    for (what, class, marked) in [
        ("a send is unresolved", "ambiguous", true),
        ("the post is another than was judged", "rejected", false),
        ("it is another organisation's", "rejected", false),
        ("somebody has closed it", "exhausted", false),
    ] {
        let (shop, job) = shop_with_letter(class, marked).await;
        let mut ask = edit_of(&shop, &job).await;
        match what {
            "the post is another than was judged" => ask.judged = shop.at(-1),
            "it is another organisation's" => ask.org = publisher::id::OrgId::new(),
            "somebody has closed it" => {
                let closed = shop
                    .store
                    .discard_letter(shop.org, ask.letter, "ada", "a typo");
                assert!(closed.await.unwrap());
            }
            _ => {}
        }
        let before = (
            shop.post_of(&job).await,
            shop.row("dead_letters", "true").await,
        );

        let queued = shop
            .store
            .edit_letter(&ask, Some(shop.at(4)))
            .await
            .unwrap();

        assert_eq!(queued, None, "{what}");
        let after = (
            shop.post_of(&job).await,
            shop.row("dead_letters", "true").await,
        );
        assert_eq!(after, before, "{what}");
        for table in ["jobs", "post_media"] {
            assert_eq!(shop.count(table, "true").await, 0, "{what}: {table}");
        }
        assert_eq!(
            shop.count("events", "type = 'post.updated'").await,
            0,
            "{what}"
        );
        shop.close().await;
    }
}

#[tokio::test]
async fn of_an_edit_a_redrive_and_a_discard_that_meet_exactly_one_wins() {
    for round in 0..4 {
        let (shop, job) = shop_with_letter("exhausted", false).await;
        let ask = edit_of(&shop, &job).await;
        let other = edit_of(&shop, &job).await;

        let (one, two, redriven, discarded) = tokio::join!(
            shop.store.edit_letter(&ask, None),
            shop.store.edit_letter(&other, None),
            redrive(&shop, false),
            shop.store
                .discard_letter(shop.org, ask.letter, "ada", "a typo"),
        );

        let edited = u8::from(one.unwrap().is_some()) + u8::from(two.unwrap().is_some());
        let (redriven, discarded) = (u8::from(redriven.is_some()), u8::from(discarded.unwrap()));
        assert_eq!(edited + redriven + discarded, 1, "round {round}");
        assert_eq!(
            shop.count("jobs", "true").await,
            i64::from(edited + redriven)
        );
        let text = shop.post_of(&job).await["text"].clone();
        assert_eq!(text == "better", edited == 1, "round {round}");
        shop.close().await;
    }
}
