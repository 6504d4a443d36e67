//! What operators do to posts and letters through the command line: its text, its JSON, its exit codes.

use crate::desk::{AT, Desk, LETTER, POST};

#[tokio::test]
async fn a_post_is_rescheduled_canceled_and_retried_from_the_command_line() {
    let desk = Desk::open().await;
    let moved = desk
        .json(&format!("posts reschedule {POST} --at {AT}"))
        .await;
    assert_eq!(
        (&moved["id"], &moved["status"]),
        (&POST.into(), &"queued".into())
    );
    assert!(
        moved["scheduledAt"]
            .as_str()
            .unwrap()
            .starts_with("2999-06-01")
    );
    let past = format!("posts reschedule {POST} --at 2001-01-01T00:00:00Z");
    assert!(desk.text(&past, 2).await.contains("choose a later instant"));

    let unasked = desk.text(&format!("posts cancel {POST}"), 2).await;
    assert!(
        unasked.contains("This cancels 1 post:")
            && unasked.contains("bluesky of did:plc:x: hello")
            && unasked.contains("add --yes"),
        "{unasked}"
    );
    let canceled = desk.text(&format!("posts cancel {POST} --yes"), 0).await;
    assert!(canceled.contains("Canceled."), "{canceled}");
    let again = desk.text(&format!("posts cancel {POST}"), 3).await;
    assert!(again.contains("this one is canceled"), "{again}");
    desk.text(&format!("posts reschedule {POST} --at {AT}"), 3)
        .await;

    let queued = desk.json(&format!("posts retry {POST} --yes")).await;
    assert_eq!(queued["status"], "queued");
    assert!(
        queued["scheduledAt"]
            .as_str()
            .unwrap()
            .starts_with("2999-06-01")
    );
    let again = desk.text(&format!("posts retry {POST}"), 3).await;
    assert!(again.contains("this one is queued"), "{again}");
    desk.text(&format!("posts cancel {LETTER}"), 1).await;
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_letter_is_discarded_with_a_reason_and_only_once() {
    let desk = Desk::open().await;
    desk.fail().await;
    desk.text(&format!("dead-letters discard {LETTER}"), 2)
        .await;

    let done = desk
        .text(
            &format!("dead-letters discard {POST} --reason typo --as ada --yes"),
            0,
        )
        .await;
    assert!(
        done.contains("This discards 1 dead letter:\n  exhausted of bluesky, "),
        "{done}"
    );

    let letter = desk.json(&format!("dead-letters show {LETTER}")).await;
    assert_eq!(
        (
            &letter["resolvedHow"],
            &letter["resolvedBy"],
            &letter["resolvedNote"]
        ),
        (&"discarded".into(), &"ada".into(), &"typo".into())
    );
    let again = format!("dead-letters discard {LETTER} --reason typo");
    assert!(desk.text(&again, 3).await.contains("discarded by ada"));
    let retried = desk.text(&format!("posts retry {POST} --yes"), 3).await;
    assert!(retried.contains("discarded"), "{retried}");
    desk.database.close_clean().await;
}

#[tokio::test]
async fn a_failed_post_is_retried_in_the_name_that_is_given() {
    let desk = Desk::open().await;
    desk.fail().await;
    let queued = desk
        .json(&format!("posts retry {POST} --at {AT} --as ada --yes"))
        .await;
    assert!(
        queued["scheduledAt"]
            .as_str()
            .unwrap()
            .starts_with("2999-06-01")
    );
    let letter = desk.json(&format!("dead-letters show {LETTER}")).await;
    assert_eq!(
        (&letter["resolvedHow"], &letter["resolvedBy"]),
        (&"redriven".into(), &"ada".into())
    );
    desk.database.close_clean().await;
}
