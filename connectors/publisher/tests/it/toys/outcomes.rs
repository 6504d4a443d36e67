//! Unknown outcomes: what is said at once, and what a look finds.

use super::shop::{CREATE, Shop, soon};
use publisher::{
    Class, Evidence, Progress,
    fake::Fault,
    toys::{self, ToyTimes},
};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn every_toy_publishes_once_behind_a_mark() {
    for platform in toys::PLATFORMS {
        let mut shop = Shop::open(platform).await;
        let receipt = shop.publish().await.unwrap();
        assert!(receipt.uri.unwrap().starts_with("post-"));
        assert_eq!(shop.counts(), (1, 1), "{platform}");
        assert!(shop.marks.last.lock().unwrap().is_some());
    }
}

#[tokio::test]
async fn what_was_cut_after_its_effect_is_found_again() {
    for (platform, _) in CREATE {
        for fault in [Fault::CutAfter, Fault::Empty, Fault::HugeAnswer] {
            let mut shop = Shop::open(platform).await;
            shop.arm(fault.clone());
            let failure = shop.publish().await.unwrap_err();
            assert_eq!(
                failure.class,
                Class::Ambiguous,
                "{platform} {fault:?} {failure}"
            );
            shop.server
                .clock()
                .advance(ToyTimes::default().visible_after);
            let found = shop.look().await.unwrap();
            assert!(
                matches!(found, Evidence::Found(Progress::Published(_))),
                "{found:?}"
            );
            assert_eq!(shop.counts(), (1, 1));
        }
    }
}

#[tokio::test]
async fn what_was_cut_before_its_effect_is_absent_only_when_nothing_can_come_any_more() {
    let busy = Fault::Status {
        status: 502,
        body: json!({}),
        headers: Vec::new(),
    };
    for (platform, _) in CREATE {
        for fault in [
            Fault::CutBefore,
            Fault::CutMidBody,
            Fault::Html,
            busy.clone(),
        ] {
            let mut shop = Shop::open(platform).await;
            shop.arm(fault.clone());
            let failure = shop.publish().await.unwrap_err();
            assert_eq!(
                failure.class,
                Class::Ambiguous,
                "{platform} {fault:?} {failure}"
            );
            let Evidence::NotYet { look_after } = shop.look().await.unwrap() else {
                panic!("{platform} {fault:?}: too early to say")
            };
            shop.server.clock().advance(look_after);
            assert_eq!(
                shop.look().await.unwrap(),
                Evidence::Absent,
                "{platform} {fault:?}"
            );
            assert_eq!(shop.counts().1, 0);
            shop.publish().await.unwrap();
            assert_eq!(shop.counts().1, 1);
        }
    }
}

#[tokio::test]
async fn what_takes_effect_late_is_found_within_the_quiet_time() {
    for (platform, _) in CREATE {
        let mut shop = Shop::open(platform).await;
        shop.arm(Fault::Late {
            after: Duration::from_secs(1),
        });
        assert_eq!(shop.publish().await.unwrap_err().class, Class::Ambiguous);
        assert!(
            matches!(shop.look().await.unwrap(), Evidence::NotYet { .. }),
            "{platform}"
        );
        assert_eq!(shop.counts(), (1, 0));
        shop.advance_past_settling();
        let found = shop.look().await.unwrap();
        assert!(matches!(found, Evidence::Found(_)), "{platform} {found:?}");
        assert_eq!(shop.counts(), (1, 1));
    }
}

#[tokio::test]
async fn a_late_post_is_public_before_it_is_listed() {
    let mut shop = Shop::open("toy_late").await;
    shop.arm(Fault::CutAfter);
    shop.publish().await.unwrap_err();
    assert_eq!(shop.counts(), (1, 1));
    assert!(matches!(
        shop.look().await.unwrap(),
        Evidence::NotYet { .. }
    ));
    shop.server
        .clock()
        .advance(ToyTimes::default().visible_after);
    assert!(matches!(shop.look().await.unwrap(), Evidence::Found(_)));
}

#[tokio::test]
async fn the_same_text_from_before_the_mark_is_not_taken_for_it() {
    let mut shop = Shop::open("toy_list").await;
    shop.publish().await.unwrap();
    shop.server.clock().advance(Duration::from_secs(1));
    shop.arm(Fault::CutBefore);
    shop.publish().await.unwrap_err();
    shop.advance_past_settling();
    assert_eq!(shop.look().await.unwrap(), Evidence::Absent);
}

#[tokio::test]
async fn nobody_can_tell_what_became_of_it_on_a_blind_platform() {
    let mut shop = Shop::open("toy_blind").await;
    shop.server.faults().arm("posts", Fault::CutAfter, 1);
    assert_eq!(shop.publish().await.unwrap_err().class, Class::Ambiguous);
    shop.advance_past_settling();
    assert_eq!(shop.look().await.unwrap(), Evidence::Unknowable);
}

#[tokio::test]
async fn a_platform_that_cannot_be_asked_gives_no_verdict() {
    for (platform, read) in [
        ("toy_list", "GET /toy_list/{account}/posts"),
        ("toy_steps", "GET /toy_steps/{account}/containers/{id}"),
    ] {
        let busy = Fault::Status {
            status: 503,
            body: json!({}),
            headers: Vec::new(),
        };
        for fault in [busy, Fault::CutBefore, Fault::Html] {
            let mut shop = Shop::open(platform).await;
            shop.arm(Fault::CutAfter);
            shop.publish().await.unwrap_err();
            shop.advance_past_settling();
            shop.server.faults().arm(read, fault, 1);
            assert_eq!(
                shop.look().await.unwrap_err().class,
                Class::Transient,
                "{platform}"
            );
            assert!(matches!(shop.look().await.unwrap(), Evidence::Found(_)));
        }
    }
}

#[tokio::test]
async fn a_container_that_died_is_begun_again() {
    let mut shop = Shop::open("toy_steps").await;
    let first = shop
        .connector
        .publisher
        .publish(shop.step(None))
        .await
        .unwrap();
    let Progress::Pending { checkpoint, .. } = first else {
        panic!("{first:?}")
    };
    assert_eq!(checkpoint.stage, "container");
    shop.checkpoint = Some(checkpoint);
    shop.server
        .clock()
        .advance(ToyTimes::default().container_lives);
    shop.tokens = {
        let now = shop.server.clock().now();
        let authorizer = &shop.connector.authorizer;
        authorizer
            .refresh(&shop.account, &shop.tokens, now, soon())
            .await
            .unwrap()
            .tokens
    };
    assert_eq!(shop.publish().await.unwrap_err().class, Class::Stale);
    shop.checkpoint = None;
    shop.publish().await.unwrap();
    assert_eq!(shop.counts(), (1, 1));
}
