//! The life of one post.

use crate::shop::Shop;
use engine::WaitEnd;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_of_each_toy_is_published_once() {
    let shop = Shop::open().await;
    let worker = shop.worker();
    for platform in publisher::toys::PLATFORMS {
        let account = shop.account(platform, "ada").await;
        let text = format!("hello from {platform}");
        let batch = shop.accept(&account, &text).await;
        assert_eq!(
            shop.client.wait_settled(shop.org, batch).await,
            WaitEnd::Settled
        );
        let post = shop.result(batch).await;
        assert_eq!(post.shown, "published", "{post:?}");
        assert_eq!(shop.fake.ledger().effective(&text), 1);
        let attempts = shop.store.list_attempts(shop.org, post.id).await.unwrap();
        assert_eq!(
            attempts.last().unwrap().outcome,
            "published",
            "{attempts:?}"
        );
    }
    worker.drain().await;
    shop.close().await;
}
