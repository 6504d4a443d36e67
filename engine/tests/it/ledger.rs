//! The platform's side of a shop: what is to go wrong there, and what it really shows.

use crate::shop::Shop;
use publisher::fake::Fault;
use serde_json::json;
use store::PostFilter;

impl Shop {
    /// Arms a fault for the irreversible request of a toy's account.
    pub(crate) fn arm(&self, platform: &str, name: &str, fault: Fault, times: u32) {
        self.fake
            .faults()
            .arm(&irreversible(platform, name), fault, times);
    }

    /// What arrived and what took effect of a text.
    pub(crate) fn sent(&self, text: &str) -> (usize, usize) {
        let ledger = self.fake.ledger();
        (ledger.sends(text), ledger.effective(text))
    }

    /// What the toys know of an account.
    pub(crate) async fn holder(&self, name: &str) -> serde_json::Value {
        let url = self
            .fake
            .url()
            .join(&format!("toys/accounts/{name}"))
            .unwrap();
        self.http.get(&url).send().await.unwrap().json().unwrap()
    }

    pub(crate) async fn suspend(&self, name: &str, suspended: bool) {
        let url = self
            .fake
            .url()
            .join(&format!("toys/accounts/{name}"))
            .unwrap();
        let call = self.http.put(&url).json(&json!({ "suspended": suspended }));
        assert!(call.send().await.unwrap().is_success());
    }

    /// At most one effective send per post; exactly one if it is published, none if it is not, unless nobody can know.
    pub(crate) async fn check_ledger(&self) {
        let all = PostFilter::default();
        let posts = self.store.list_posts(self.org, &all, None, 100_000).await;
        for post in posts.unwrap() {
            let effective = self.fake.ledger().effective(&post.text);
            let fits = match post.shown.as_str() {
                "published" => effective == 1,
                "rejected" | "failed" => {
                    let letter = self.letter(post.id).await;
                    effective == 0 || (effective == 1 && letter.class == "ambiguous")
                }
                "canceled" => effective == 0,
                _ => effective <= 1,
            };
            let entries = self.fake.ledger().entries();
            let mine: Vec<_> = entries.iter().filter(|e| e.text == post.text).collect();
            assert!(fits, "{effective} effective sends of {post:?}\n{mine:?}");
        }
    }
}

/// The route of a toy's irreversible request.
pub(crate) fn irreversible(platform: &str, name: &str) -> String {
    if platform == "toy_steps" {
        format!("POST /toy_steps/{name}/containers/{{id}}/publish")
    } else {
        format!("POST /{platform}/{name}/posts")
    }
}
