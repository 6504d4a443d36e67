//! Definite refusals, accounts and their tokens, rules before work.

use super::shop::{Shop, TEXT, entered, soon};
use crate::raw::http;
use publisher::{
    Class, FirstComment, Media, MediaKind, Permit, Setup,
    toys::{self, ToyTimes},
};
use serde_json::json;

#[tokio::test]
async fn definite_refusals_have_their_class_and_no_effect() {
    for platform in toys::PLATFORMS {
        let mut shop = Shop::open(platform).await;
        shop.post.text = "this is forbidden! here".to_owned();
        let failure = shop.publish().await.unwrap_err();
        assert_eq!(failure.class, Class::Rejected);
        assert_eq!(failure.rule.unwrap(), format!("{platform}.text.forbidden"));

        let url = shop.server.url().join("toys/accounts/ada").unwrap();
        let suspend = http(&[shop.server.addr()])
            .put(&url)
            .json(&json!({ "suspended": true }));
        assert!(suspend.send().await.unwrap().is_success());
        assert_eq!(
            shop.publish().await.unwrap_err().class,
            Class::AccountBlocked
        );
        assert!(
            shop.server
                .ledger()
                .entries()
                .iter()
                .all(|entry| !entry.effective)
        );
    }
}

#[tokio::test]
async fn the_documented_window_is_enforced_and_says_when_it_opens() {
    for platform in toys::PLATFORMS {
        let times = ToyTimes {
            posts_max: 2,
            ..ToyTimes::default()
        };
        let mut shop = Shop::with(platform, times).await;
        for _ in 0..2 {
            shop.checkpoint = None;
            shop.publish().await.unwrap();
        }
        shop.checkpoint = None;
        let failure = shop.publish().await.unwrap_err();
        assert_eq!(
            (failure.class, failure.http_status),
            (Class::RateLimited, Some(429))
        );
        let wait = failure.retry_in.unwrap();
        assert!(
            wait > times.posts_window / 2 && wait <= times.posts_window,
            "{wait:?}"
        );
        assert_eq!(shop.counts(), (3, 2));
    }
}

#[tokio::test]
async fn an_expired_token_is_refreshed_and_the_old_refresh_token_dies() {
    for platform in toys::PLATFORMS {
        let mut shop = Shop::open(platform).await;
        shop.server.clock().advance(ToyTimes::default().token_lives);
        assert_eq!(
            shop.publish().await.unwrap_err().class,
            Class::Unauthorized,
            "{platform}"
        );
        let now = shop.server.clock().now();
        let old = shop.tokens.clone();
        let authorizer = shop.connector.authorizer.clone();
        let fresh = authorizer
            .refresh(&shop.account, &old, now, soon())
            .await
            .unwrap()
            .tokens;
        assert!(fresh.expires_at.unwrap() > now);
        shop.tokens = fresh;
        shop.publish().await.unwrap();

        let reuse = authorizer
            .refresh(&shop.account, &old, now, soon())
            .await
            .unwrap_err();
        assert_eq!(reuse.class, Class::AccountBlocked);
        let revoked = authorizer
            .refresh(&shop.account, &shop.tokens, now, soon())
            .await;
        assert_eq!(revoked.unwrap_err().class, Class::AccountBlocked);
        shop.checkpoint = None;
        assert_eq!(shop.publish().await.unwrap_err().class, Class::Unauthorized);
    }
}

#[tokio::test]
async fn a_revoked_account_must_connect_again_with_its_password() {
    let mut shop = Shop::open("toy_list").await;
    let authorizer = shop.connector.authorizer.clone();
    authorizer
        .revoke(&shop.account, &shop.tokens, soon())
        .await
        .unwrap();
    assert_eq!(shop.publish().await.unwrap_err().class, Class::Unauthorized);
    let now = shop.server.clock().now();
    let wrong = authorizer
        .complete(&entered("ada", "guess"), now, soon())
        .await
        .unwrap_err();
    assert_eq!(wrong.class, Class::AccountBlocked);
    let blank = authorizer
        .complete(&entered("ada", "  "), now, soon())
        .await
        .unwrap_err();
    assert_eq!(
        (blank.class, blank.rule.as_deref()),
        (Class::Rejected, Some("toy_list.connect.password"))
    );
    shop.tokens = authorizer
        .complete(&entered("ada", "pw"), now, soon())
        .await
        .unwrap()
        .remove(0)
        .tokens;
    shop.publish().await.unwrap();
    assert!(!format!("{:?}", shop.tokens).contains("toyacc"));
}

#[tokio::test]
async fn a_container_published_twice_is_public_twice() {
    let mut shop = Shop::open("toy_steps").await;
    shop.publish().await.unwrap();
    let (_, checkpoint) = shop.marks.last.lock().unwrap().clone().unwrap();
    let id = checkpoint.body["publishing"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("toy_steps/ada/containers/{id}/publish");
    let url = shop.server.url().join(&path).unwrap();
    let permit = Permit::granted(soon());
    let call = http(&[shop.server.addr()])
        .post_once(&url, permit)
        .bearer(&shop.tokens.access);
    assert!(call.json(&json!({})).send().await.unwrap().is_success());
    assert_eq!(shop.counts(), (2, 2));
    assert_eq!(shop.server.ledger().doubles(), [TEXT]);
}

#[tokio::test]
async fn preflight_reports_every_violation_and_what_would_be_ignored() {
    for platform in toys::PLATFORMS {
        let mut shop = Shop::open(platform).await;
        let publisher = shop.connector.publisher.clone();
        shop.post.text = "👩‍👩‍👧‍👦".repeat(500);
        assert!(publisher.preflight(&shop.post).passes());
        shop.post.text.push('x');
        shop.post.media.push(Media {
            id: "med_1".to_owned(),
            kind: MediaKind::Image,
            mime: "image/png".to_owned(),
            size_bytes: 1,
            ..Media::default()
        });
        shop.post.first_comment = Some(FirstComment {
            text: "first".to_owned(),
        });
        shop.post.options = json!({ "langs": ["en"] });
        let report = publisher.preflight(&shop.post);
        let rules: Vec<_> = report.violations.iter().map(|v| v.rule.as_str()).collect();
        let wanted = ["text.too_long", "media.unsupported"].map(|r| format!("{platform}.{r}"));
        assert_eq!(rules, wanted);
        assert_eq!(report.warnings.len(), 2);
        shop.post.text = " \n".to_owned();
        let report = publisher.preflight(&shop.post);
        assert_eq!(report.violations[0].rule, format!("{platform}.text.empty"));
    }
}

#[tokio::test]
async fn without_an_address_the_toys_say_which_one_is_missing() {
    let setup = Setup::new(http(&[]));
    let error = toys::connectors(&setup, ToyTimes::default()).unwrap_err();
    assert!(error.to_string().contains("`toys`"), "{error}");
}
